package io.github.sparkmixtral.job.estimate;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.GenerationArguments;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class MemoryNeedTest {
    private static final ModelDescription MODEL = ModelLoader.describe(SparkFixture.MODEL, Quantization.NONE);

    /** Keys and values of 4 layers, 2 heads of 32 elements, 16 tokens of 4 bytes. */
    private static final long BLOCK = 2L * 4 * 2 * 32 * 16 * 4;

    private static MemoryNeed need(long free, SparkConf conf, Map<String, ?> more) {
        Map<String, Object> options = new java.util.HashMap<>(Map.of("model", SparkFixture.MODEL.toString()));
        options.putAll(more);
        EngineIdentity engine = GenerationArguments.resolve(options).engine();
        return MemoryNeed.of(MODEL, engine, free, conf);
    }

    private static SparkConf conf(String master) {
        return new SparkConf(false).set("spark.master", master);
    }

    @Test
    void cacheHasAPlaceForEachSequenceOrHalfOfWhatIsFree() {
        MemoryNeed ample = need(64L << 30, conf("local[2]"), Map.of("max_num_seqs", 8));
        assertThat(ample.weights()).isEqualTo(MODEL.bytes()).isBetween(10L << 20, 12L << 20);
        assertThat(ample.cache()).isEqualTo(8 * 256 * BLOCK);
        assertThat(ample.limit()).isEmpty();
        assertThat(ample.refusal()).isEmpty();
        MemoryNeed small = need(MODEL.bytes() + (64 << 20), conf("local[2]"), Map.of());
        assertThat(small.cache()).isEqualTo(32 << 20);
        assertThat(need(1L << 30, conf("local[2]"), Map.of("kv_cache_memory", "100m"))
                        .cache())
                .isEqualTo((100 << 20) / BLOCK * BLOCK);
    }

    @Test
    void whatDoesNotFitIsSaidWithTheWayOut() {
        assertThat(need(1 << 20, conf("local[2]"), Map.of()).refusal())
                .hasValueSatisfying(refusal -> assertThat(refusal).contains("--kv-cache-memory"));
        SparkConf yarn = conf("yarn").set("spark.executor.memoryOverhead", "1g");
        assertThat(need(64L << 30, yarn, Map.of()).limit()).hasValue(1L << 30);
        assertThat(need(64L << 30, yarn, Map.of("kv_cache_memory", "2g")).refusal())
                .hasValueSatisfying(refusal -> assertThat(refusal)
                        .endsWith("YARN kills what takes more: set spark.executor.memoryOverhead=5g"));
    }
}
