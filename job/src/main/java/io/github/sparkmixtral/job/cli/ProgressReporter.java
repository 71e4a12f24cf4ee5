package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.inference.Generation;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
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
 * Prints how far the job is, every ten seconds in which something was done. Running tasks are heard of with their executor's
 * heartbeat; what a failed task had done is taken off again.
 */
final class ProgressReporter extends SparkListener implements AutoCloseable {

    private static final Duration INTERVAL = Duration.ofSeconds(10);

    private final long totalRows;
    private final Consumer<String> out;
    private final long start = System.nanoTime();
    private final Map<Long, Done> byTask = new ConcurrentHashMap<>();
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(
            task -> Thread.ofPlatform().daemon().name("progress").unstarted(task));
    private final Map<String, Long> byExecutor = new ConcurrentHashMap<>();
    private long rowsTold;

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
    record Done(long rows, long errors, long completionTokens) {
        static final Done NOTHING = new Done(0, 0, 0);

        Done plus(Done other) {
            return new Done(rows + other.rows, errors + other.errors, completionTokens + other.completionTokens);
        }
    }

    ProgressReporter(long totalRows, Consumer<String> out) {
        this.totalRows = totalRows;
        this.out = out;
        clock.scheduleAtFixedRate(this::tell, INTERVAL.toSeconds(), INTERVAL.toSeconds(), TimeUnit.SECONDS);
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
        long rows = 0;
        long errors = 0;
        long completionTokens = 0;
        while (accumulables.hasNext()) {
            AccumulableInfo info = accumulables.next();
            long value = info.update().isDefined() && info.update().get() instanceof Long count ? count : 0;
            switch (info.name().isDefined() ? info.name().get() : "") {
                case Generation.Done.ROWS -> rows = value;
                case Generation.Done.ERRORS -> errors = value;
                case Generation.Done.COMPLETION_TOKENS -> completionTokens = value;
                default -> {}
            }
        }
        if (rows > 0) {
            byTask.put(task, new Done(rows, errors, completionTokens));
        }
    }

    private void tell() {
        Done done = byTask.values().stream().reduce(Done.NOTHING, Done::plus);
        if (done.rows() > rowsTold && done.rows() < totalRows) {
            rowsTold = done.rows();
            out.accept(line(done, totalRows, (System.nanoTime() - start) / 1e9));
        }
    }

    static String line(Done done, long totalRows, double seconds) {
        double left = seconds / done.rows() * (totalRows - done.rows());
        return String.format(
                Locale.ROOT,
                "%,d of %,d rows (%.0f%%)%s, %,.1f tokens/s, about %s left",
                done.rows(),
                totalRows,
                100.0 * done.rows() / totalRows,
                done.errors() == 0 ? "" : String.format(Locale.ROOT, ", %,d with errors", done.errors()),
                done.completionTokens() / seconds,
                duration(left));
    }

    private static String duration(double seconds) {
        long rounded = Math.round(seconds);
        if (rounded < 90) {
            return rounded + " s";
        }
        return rounded < 5400
                ? Math.round(seconds / 60) + " min"
                : String.format(Locale.ROOT, "%.1f h", seconds / 3600);
    }

    @Override
    public void close() {
        clock.shutdownNow();
    }
}
