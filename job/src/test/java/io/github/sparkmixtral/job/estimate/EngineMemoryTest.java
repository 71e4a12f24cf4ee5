package io.github.sparkmixtral.job.estimate;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryPlanner.Memory;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.inference.ExecutorMemory;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.ModelOutline;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class EngineMemoryTest {
    private static final ModelOutline MODEL = ModelLoader.outline(SparkFixture.MODEL);

    /** Keys and values of 4 layers, 2 heads of 32 elements, 16 tokens of 4 bytes. */
    private static final long BLOCK = 2L * 4 * 2 * 32 * 16 * 4;

    private static EngineIdentity engine(Map<String, ?> more) {
        Map<String, Object> options = new HashMap<>(Map.of("model", SparkFixture.MODEL.toString(), "backend", "cpu"));
        options.putAll(more);
        return GenerationArguments.resolve(options).engine();
    }

    private static EngineMemory need(long free, SparkConf conf, Map<String, ?> more) {
        EngineIdentity engine = engine(more);
        MemoryPlanner planner = Backends.find("cpu")
                .memory(engine.backendOptions(BackendOptions.ANY_DEVICES, ExecutorMemory.limit(conf)))
                .orElseThrow();
        return EngineMemory.of("cpu", planner, MODEL, engine, new Memory(1, free));
    }

    private static SparkConf conf(String master) {
        return new SparkConf(false).set("spark.master", master);
    }

    @Test
    void isWhatTheBackendsPlannerSharesOut() {
        EngineMemory ample = need(64L << 30, conf("local[2]"), Map.of("max_num_seqs", 8));
        assertThat(ample.cache()).isEqualTo(8 * 256 * BLOCK);
        assertThat(ample.cacheTokens()).isEqualTo(8 * 4096);
        assertThat(ample.weights()).isPositive();
        assertThat(ample.bytes()).isGreaterThanOrEqualTo(ample.weights() + ample.cache());
        assertThat(ample.refusal()).isEmpty();
        assertThat(need(128L << 20, conf("local[2]"), Map.of()).cache()).isLessThan(64 << 20);
    }

    @Test
    void whatDoesNotFitIsSaidWithTheWayOut() {
        EngineMemory little = need(1 << 20, conf("local[2]"), Map.of());
        assertThat(little.shared()).isFalse();
        assertThat(little.refusal()).isNotEmpty();
        SparkConf yarn = conf("yarn").set("spark.executor.memoryOverhead", "1g");
        EngineMemory overhead = need(64L << 30, yarn, Map.of("kv_cache_memory", "2g"));
        assertThat(overhead.refusal()).endsWith("YARN kills what takes more: set spark.executor.memoryOverhead=5g");
        assertThat(overhead.worse(little)).isSameAs(little);
        EngineMemory ample = need(64L << 30, conf("local[2]"), Map.of());
        assertThat(ample.worse(overhead)).isSameAs(overhead);
        assertThat(overhead.worse(ample)).isSameAs(overhead);
    }

    @Test
    void thisProcessIsAskedForItself() {
        EngineMemory here = EngineMemory.here(MODEL, engine(Map.of("kv_cache_memory", "1m")), ExecutorMemory.limit());
        assertThat(here.backend()).isEqualTo("cpu");
        assertThat(here.free()).isPositive();
        assertThat(here.cache()).isEqualTo((1 << 20) / BLOCK * BLOCK);
    }
}
