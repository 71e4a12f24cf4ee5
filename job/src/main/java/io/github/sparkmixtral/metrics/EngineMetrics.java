package io.github.sparkmixtral.metrics;

import com.codahale.metrics.Counter;
import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import io.github.sparkmixtral.job.inference.EngineMetric;
import java.util.function.Supplier;

/**
 * The metrics of an executor's engines, or of all executors' together, in a registry: those of {@link EngineMetric}, what follows from
 * them, and two rates.
 */
final class EngineMetrics {
    private EngineMetrics() {}

    /**
     * What was last told.
     *
     * @param values by the places of {@link EngineMetric}
     * @param promptTokensPerSecond computed, since it was told before
     * @param generatedTokensPerSecond the same of generated ones
     */
    record Report(long[] values, double promptTokensPerSecond, double generatedTokensPerSecond) {
        static final Report NOTHING = new Report(new long[EngineMetric.values().length], 0, 0);

        /** @param seconds since that was told */
        static Report since(Report before, long[] values, double seconds) {
            return new Report(
                    values,
                    rate(EngineMetric.COMPUTED_PROMPT_TOKENS, before.values, values, seconds),
                    rate(EngineMetric.GENERATED_TOKENS, before.values, values, seconds));
        }

        private static double rate(EngineMetric metric, long[] before, long[] values, double seconds) {
            return seconds > 0 ? (metric.of(values) - metric.of(before)) / seconds : 0;
        }

        Report plus(Report other) {
            long[] sums = values.clone();
            for (int i = 0; i < sums.length; i++) {
                sums[i] += other.values[i];
            }
            return new Report(
                    sums,
                    promptTokensPerSecond + other.promptTokensPerSecond,
                    generatedTokensPerSecond + other.generatedTokensPerSecond);
        }

        /** Of an executor that is no more. */
        Report ended() {
            long[] counts = values.clone();
            for (EngineMetric metric : EngineMetric.values()) {
                if (!metric.isCounted()) {
                    counts[metric.ordinal()] = 0;
                }
            }
            return new Report(counts, 0, 0);
        }

        private double ratio(EngineMetric part, EngineMetric whole) {
            return whole.of(values) == 0 ? 0 : (double) part.of(values) / whole.of(values);
        }
    }

    /**
     * Registers all of them.
     *
     * @param prefix of their names
     * @param report asked whenever somebody looks
     */
    static void register(MetricRegistry registry, String prefix, Supplier<Report> report) {
        for (EngineMetric metric : EngineMetric.values()) {
            String name = prefix + metric.label();
            if (metric.isCounted()) {
                registry.register(name, new Counter() {
                    @Override
                    public long getCount() {
                        return metric.of(report.get().values());
                    }
                });
            } else {
                registry.register(
                        name, (Gauge<Long>) () -> metric.of(report.get().values()));
            }
        }
        gauge(
                registry,
                prefix + "batch_fill",
                () -> report.get().ratio(EngineMetric.RUNNING_SEQUENCES, EngineMetric.MAX_SEQUENCES));
        gauge(
                registry,
                prefix + "kv_cache_use",
                () -> report.get().ratio(EngineMetric.USED_CACHE_BLOCKS, EngineMetric.CACHE_BLOCKS));
        gauge(
                registry,
                prefix + "prefix_cache_hit_rate",
                () -> report.get().ratio(EngineMetric.CACHED_TOKENS, EngineMetric.PROMPT_TOKENS));
        gauge(registry, prefix + "prompt_tokens_per_second", () -> report.get().promptTokensPerSecond());
        gauge(
                registry,
                prefix + "generated_tokens_per_second",
                () -> report.get().generatedTokensPerSecond());
    }

    private static void gauge(MetricRegistry registry, String name, Gauge<Double> value) {
        registry.register(name, value);
    }
}
