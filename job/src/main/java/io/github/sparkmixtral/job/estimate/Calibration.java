package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.estimate.Measured.Lengths;
import io.github.sparkmixtral.job.estimate.Measured.Point;
import io.github.sparkmixtral.job.inference.AnsweredRows;
import io.github.sparkmixtral.job.inference.Answers;
import io.github.sparkmixtral.job.inference.Asked;
import io.github.sparkmixtral.job.inference.Generation;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.service.Counters;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Row;

/**
 * Answers rows of a sample for some time, as a task of the job does, and throws the answers away.
 *
 * @param seconds that it takes at most, the loading of the engine aside
 * @param whole whether the sample is all that there is. If so, it is answered to its end; if not, measuring ends where no more rows
 *     are there to keep the engine's batch full.
 */
record Calibration(Generation generation, int seconds, boolean whole)
        implements FlatMapFunction<Iterator<List<Row>>, Measured> {
    private static final long INTERVAL_MILLIS = 250;

    /** Tasks at once: enough to meet every executor of a small cluster, and to measure a large one by some of its executors. */
    private static final int MOST_TASKS = 64;

    /** Lets the cluster answer the sample. */
    static List<Measured> of(
            CheckedRows rows, Generation generation, int seconds, Cluster cluster, SparkContext spark) {
        int tasks = Math.clamp(cluster.tasks(), 1, MOST_TASKS);
        Calibration calibration =
                new Calibration(generation, seconds, rows.sample().isWhole());
        return JavaSparkContext.fromSparkContext(spark)
                .parallelize(rows.sample().dealt(tasks), tasks)
                .mapPartitions(calibration)
                .collect();
    }

    /** Takes the lengths of answers, and nothing else of them. */
    private static final class Reading implements AnsweredRows.Questions<Asked, Boolean> {
        private Lengths lengths = new Lengths(0, 0, 0);

        @Override
        public PromptRow ask(Asked asked) {
            return asked.prompt();
        }

        @Override
        public Boolean answered(Asked row, PromptRow asked, Answers answer, int index, RequestError incomplete) {
            lengths = lengths.plus(answer.copied(index) ? 0 : answer.completionTokens(index));
            return true;
        }

        @Override
        public Boolean failed(Asked row, PromptRow asked, RequestError error) {
            return false;
        }
    }

    @Override
    public Iterator<Measured> call(Iterator<List<Row>> parts) throws InterruptedException {
        List<Row> all = new ArrayList<>();
        parts.forEachRemaining(all::addAll);
        Iterator<Row> rows = all.iterator();
        Reading reading = new Reading();
        long before = System.nanoTime();
        AnsweredRows<Asked, Boolean> answered = generation.answered(rows, reading);
        long start = System.nanoTime();
        List<Point> course = new ArrayList<>();
        course.add(new Point(0, answered.counters()));
        AtomicBoolean over = new AtomicBoolean();
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(
                task -> Thread.ofPlatform().daemon().name("calibration").unstarted(task));
        try {
            clock.scheduleAtFixedRate(
                    () -> add(course, answered.counters(), start),
                    INTERVAL_MILLIS,
                    INTERVAL_MILLIS,
                    TimeUnit.MILLISECONDS);
            clock.schedule(
                    () -> {
                        over.set(true);
                        answered.cancel();
                    },
                    seconds,
                    TimeUnit.SECONDS);
            while ((whole || rows.hasNext()) && !over.get() && answered.hasNext()) {
                Boolean _ = answered.next();
            }
        } catch (IllegalStateException e) {
            if (!over.get()) {
                throw e;
            }
        } finally {
            clock.shutdownNow();
        }
        add(course, answered.counters(), start);
        synchronized (course) {
            return List.of(new Measured(
                            SparkEnv.get().executorId(),
                            (start - before) / 1e9,
                            (System.nanoTime() - start) / 1e9,
                            whole && !over.get(),
                            List.copyOf(course),
                            reading.lengths))
                    .iterator();
        }
    }

    /** At the end of its last step, so that what is counted and the time fit together. */
    private static void add(List<Point> course, Counters counters, long start) {
        double seconds = (counters.engine().at() - start) / 1e9;
        synchronized (course) {
            if (seconds > course.getLast().seconds()) {
                course.add(new Point(seconds, counters));
            }
        }
    }
}
