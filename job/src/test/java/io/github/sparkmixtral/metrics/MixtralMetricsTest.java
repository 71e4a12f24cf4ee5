package io.github.sparkmixtral.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.inference.EngineMetric;
import io.github.sparkmixtral.job.inference.ExecutorEngine;
import io.github.sparkmixtral.metrics.EngineMetrics.Report;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MixtralMetricsTest {
    private static final MBeanServer BEANS = ManagementFactory.getPlatformMBeanServer();

    /** What the tests' Spark tells JMX, with its plugin of ours. */
    private static Number told(String name, String kind, String attribute) throws Exception {
        ObjectName pattern =
                new ObjectName("metrics:name=*plugin." + MixtralMetrics.class.getName() + "." + name + ",type=" + kind);
        Set<ObjectName> names = BEANS.queryNames(pattern, null);
        assertThat(names).as(pattern.toString()).hasSize(1);
        return (Number) BEANS.getAttribute(names.iterator().next(), attribute);
    }

    private static long count(String name) throws Exception {
        return told(name, "counters", "Count").longValue();
    }

    private static double gauge(String name) throws Exception {
        return told(name, "gauges", "Value").doubleValue();
    }

    @Test
    void countsOfAnExecutorAreThoseOfTheManifest(@TempDir Path directory) throws Exception {
        SparkFixture.spark();
        List<String> names = List.of("rows", "errors", "prompt_tokens", "cached_tokens", "completion_tokens");
        List<Long> before = new ArrayList<>();
        for (String name : names) {
            before.add(count("engine." + name));
        }
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            lines.add("{\"prompt\": \"" + (i == 7 ? "word ".repeat(5000) : "Sort these numbers: 17, 4, " + i / 2)
                    + "\"}");
        }
        Path input = SparkFixture.write(directory.resolve("p.jsonl"), lines.toArray(String[]::new));
        Path output = directory.resolve("out");
        assertThat(SparkFixture.generate(input, output).exitCode()).isEqualTo(ExitCode.DONE);

        JsonNode manifest =
                new ObjectMapper().readTree(output.resolve("_manifest.json").toFile());
        List<Long> wanted = List.of(
                manifest.at("/rows/answered").asLong(),
                manifest.at("/rows/failed").asLong(),
                manifest.at("/tokens/prompt").asLong(),
                manifest.at("/tokens/cached").asLong(),
                manifest.at("/tokens/completion").asLong());
        assertThat(wanted.getFirst()).isEqualTo(39);
        for (int i = 0; i < names.size(); i++) {
            assertThat(count("engine." + names.get(i)) - before.get(i))
                    .as(names.get(i))
                    .isEqualTo(wanted.get(i));
        }
        // Half of the rows are equal to others, and not computed.
        assertThat(count("engine.generated_tokens")).isPositive();
        assertThat(gauge("engine.running_sequences")).isZero();
        assertThat(gauge("engine.batch_fill")).isZero();
        assertThat(gauge("engine.prefix_cache_hit_rate")).isBetween(0.0, 1.0);
        // The driver is told when a task has ended.
        awaitEqual("all.rows", count("engine.rows"));
        awaitEqual("executor_driver.rows", count("engine.rows"));
        assertThat(count("all.prompt_tokens")).isEqualTo(count("engine.prompt_tokens"));
    }

    private static void awaitEqual(String name, long wanted) throws Exception {
        Instant end = Instant.now().plus(Duration.ofSeconds(20));
        while (Instant.now().isBefore(end)) {
            Set<ObjectName> there = BEANS.queryNames(
                    new ObjectName("metrics:name=*plugin." + MixtralMetrics.class.getName() + "." + name + ",*"), null);
            if (!there.isEmpty() && count(name) == wanted) {
                return;
            }
            Thread.onSpinWait();
        }
        assertThat(count(name)).isEqualTo(wanted);
    }

    @Test
    void closedEnginesKeepTheirCounts(@TempDir Path directory) throws Exception {
        Path input = SparkFixture.write(directory.resolve("p.jsonl"), "{\"prompt\": \"Copy this list: fig\"}");
        assertThat(SparkFixture.generate(input, directory.resolve("out")).exitCode())
                .isEqualTo(ExitCode.DONE);
        long[] before = ExecutorEngine.metrics();
        assertThat(EngineMetric.ROWS.of(before)).isPositive();
        ExecutorEngine.closeIdle();
        long[] after = ExecutorEngine.metrics();
        for (EngineMetric metric : EngineMetric.values()) {
            assertThat(metric.of(after)).as(metric.label()).isEqualTo(metric.isCounted() ? metric.of(before) : 0);
        }
    }

    @Test
    void withoutAnEngineAllIsZero() {
        MetricRegistry registry = new MetricRegistry();
        EngineMetrics.register(registry, "engine.", () -> Report.NOTHING);
        assertThat(registry.getCounters())
                .hasSize(8)
                .allSatisfy((name, counter) -> assertThat(counter.getCount()).isZero());
        assertThat(registry.getGauges())
                .hasSize(10)
                .allSatisfy((name, gauge) -> assertThat(((Number) ((Gauge<?>) gauge).getValue()).doubleValue())
                        .isZero());
    }

    @Test
    void ratesAndRatiosFollowFromCounts() {
        long[] before = new long[EngineMetric.values().length];
        long[] values = before.clone();
        values[EngineMetric.COMPUTED_PROMPT_TOKENS.ordinal()] = 500;
        values[EngineMetric.GENERATED_TOKENS.ordinal()] = 100;
        values[EngineMetric.RUNNING_SEQUENCES.ordinal()] = 48;
        values[EngineMetric.MAX_SEQUENCES.ordinal()] = 64;
        values[EngineMetric.USED_CACHE_BLOCKS.ordinal()] = 10;
        values[EngineMetric.CACHE_BLOCKS.ordinal()] = 40;
        Report report = Report.since(new Report(before, 0, 0), values, 5);
        MetricRegistry registry = new MetricRegistry();
        EngineMetrics.register(registry, "", () -> report.plus(report.ended()));
        assertThat(registry.getGauges().get("prompt_tokens_per_second").getValue())
                .isEqualTo(100.0);
        assertThat(registry.getGauges().get("generated_tokens_per_second").getValue())
                .isEqualTo(20.0);
        assertThat(registry.getGauges().get("batch_fill").getValue()).isEqualTo(0.75);
        assertThat(registry.getGauges().get("kv_cache_use").getValue()).isEqualTo(0.25);
        assertThat(registry.getCounters().get("generated_tokens").getCount()).isEqualTo(200);
    }
}
