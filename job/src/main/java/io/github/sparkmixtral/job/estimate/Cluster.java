package io.github.sparkmixtral.job.estimate;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.apache.spark.SparkContext;
import org.apache.spark.status.api.v1.ExecutorSummary;
import scala.jdk.javaapi.CollectionConverters;

/**
 * The executors of an application.
 *
 * @param executors at least 1
 * @param tasks that they run at once; at least 1
 */
public record Cluster(int executors, int tasks) {

    /** Those that are there now; in local mode the driver is the one executor. */
    public static Cluster of(SparkContext spark) {
        List<ExecutorSummary> active = executors(spark, true);
        return new Cluster(
                Math.max(1, active.size()),
                Math.max(1, active.stream().mapToInt(ExecutorSummary::maxTasks).sum()));
    }

    /** Hours that executors were there between two times, added up. */
    public static double executorHours(SparkContext spark, Instant start, Instant end) {
        return executors(spark, false).stream()
                        .mapToLong(executor -> millis(executor, start, end))
                        .sum()
                / 3.6e6;
    }

    private static long millis(ExecutorSummary executor, Instant start, Instant end) {
        Instant added = executor.addTime().toInstant();
        Instant from = added.isAfter(start) ? added : start;
        Instant removed =
                executor.removeTime().isDefined() ? executor.removeTime().get().toInstant() : end;
        Instant to = removed.isBefore(end) ? removed : end;
        return Math.max(0, Duration.between(from, to).toMillis());
    }

    /** A driver that is no executor has no cores. */
    private static List<ExecutorSummary> executors(SparkContext spark, boolean activeOnly) {
        return CollectionConverters.asJava(spark.statusStore().executorList(activeOnly)).stream()
                .filter(executor -> executor.totalCores() > 0)
                .toList();
    }
}
