package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.inference.Generation;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.spark.Success$;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import scala.collection.Iterator;

/**
 * Tells how far the job is: on a status line all the time, otherwise with a line every ten seconds in which rows were answered, and
 * every minute before the first one is. Running tasks are heard of with their executor's heartbeat; what a failed task had done is
 * taken off again.
 */
final class ProgressReporter extends SparkListener implements AutoCloseable {
    private static final Duration INTERVAL = Duration.ofSeconds(10);

    /** Lines that are left out for one that says that no row is answered yet. */
    private static final int PATIENCE = 6;

    private final long totalRows;
    private final Consumer<String> out;
    private final Optional<StatusLine> status;
    private final long start = System.nanoTime();

    /** When the first engine was ready; 0 if none is. */
    private volatile long ready;

    private final Map<Long, Done> byTask = new ConcurrentHashMap<>();
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(
            task -> Thread.ofPlatform().daemon().name("progress").unstarted(task));
    private final Map<String, Long> byExecutor = new ConcurrentHashMap<>();
    private long rowsTold;
    private int waited;

    /**
     * What the job has done.
     *
     * @param byExecutor completion tokens
     */
    record Totals(long completionTokens, Map<String, Long> byExecutor) {
        static final Totals NOTHING = new Totals(0, Map.of());
    }

    /** Of the tasks that have ended well. */
    Totals totals() {
        return new Totals(
                byExecutor.values().stream().mapToLong(Long::longValue).sum(), Map.copyOf(byExecutor));
    }

    /** What one task, or all of them together, have done. */
    record Done(long rows, long errors, long promptTokens, long cachedTokens, long completionTokens) {
        static final Done NOTHING = new Done(0, 0, 0, 0, 0);

        Done plus(Done other) {
            return new Done(
                    rows + other.rows,
                    errors + other.errors,
                    promptTokens + other.promptTokens,
                    cachedTokens + other.cachedTokens,
                    completionTokens + other.completionTokens);
        }
    }

    /**
     * @param out gets lines if there is no status line
     */
    ProgressReporter(long totalRows, Consumer<String> out, Optional<StatusLine> status) {
        this.totalRows = totalRows;
        this.out = out;
        this.status = status;
        if (status.isPresent()) {
            status.get().show(columns -> progress().bar(columns));
        } else {
            clock.scheduleAtFixedRate(this::tell, INTERVAL.toSeconds(), INTERVAL.toSeconds(), TimeUnit.SECONDS);
        }
    }

    @Override
    public void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate update) {
        update.accumUpdates().foreach(task -> {
            update((Long) task._1(), task._4().iterator());
            return null;
        });
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
        if (end.reason() == Success$.MODULE$) {
            update(end.taskInfo().taskId(), end.taskInfo().accumulables().iterator());
            Done done = byTask.get(end.taskInfo().taskId());
            if (done != null) {
                byExecutor.merge(end.taskInfo().executorId(), done.completionTokens(), Long::sum);
            }
        } else {
            byTask.remove(end.taskInfo().taskId());
        }
    }

    private void update(long task, Iterator<AccumulableInfo> accumulables) {
        Map<String, Long> counts = new HashMap<>();
        while (accumulables.hasNext()) {
            AccumulableInfo info = accumulables.next();
            if (info.name().isDefined()
                    && info.update().isDefined()
                    && info.update().get() instanceof Long count) {
                counts.put(info.name().get(), count);
            }
        }
        if (ready == 0 && counts.getOrDefault(Generation.Done.ENGINES, 0L) > 0) {
            ready = System.nanoTime();
        }
        long rows = counts.getOrDefault(Generation.Done.ROWS, 0L);
        if (rows > 0) {
            byTask.put(
                    task,
                    new Done(
                            rows,
                            counts.getOrDefault(Generation.Done.ERRORS, 0L),
                            counts.getOrDefault(Generation.Done.PROMPT_TOKENS, 0L),
                            counts.getOrDefault(Generation.Done.CACHED_TOKENS, 0L),
                            counts.getOrDefault(Generation.Done.COMPLETION_TOKENS, 0L)));
        }
    }

    private Progress progress() {
        Done done = byTask.values().stream().reduce(Done.NOTHING, Done::plus);
        long since = ready == 0 ? start : ready;
        return new Progress(
                done,
                totalRows,
                ready == 0 ? "loading the model" : "answering the first rows",
                Math.max(1e-3, (System.nanoTime() - since) / 1e9));
    }

    private void tell() {
        Progress progress = progress();
        long rows = progress.done().rows();
        boolean news = progress.hasBegun() ? rows > rowsTold && rows < totalRows : waited++ % PATIENCE == 0;
        if (news) {
            rowsTold = rows;
            out.accept(progress.line());
        }
    }

    @Override
    public void close() {
        clock.shutdownNow();
        status.ifPresent(line -> line.show(null));
    }
}
