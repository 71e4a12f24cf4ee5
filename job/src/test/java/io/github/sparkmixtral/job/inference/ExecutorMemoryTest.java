package io.github.sparkmixtral.job.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.memory.MemoryLimit;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExecutorMemoryTest {

    private static SparkConf yarn() {
        return new SparkConf(false).set("spark.master", "yarn");
    }

    @ParameterizedTest
    @ValueSource(strings = {"local[2]", "spark://host:7077", "k8s://https://host", ""})
    void onlyYarnLimits(String master) {
        SparkConf conf = new SparkConf(false).set("spark.executor.memoryOverhead", "1g");
        if (!master.isEmpty()) {
            conf.set("spark.master", master);
        }
        assertThat(ExecutorMemory.limit(conf)).isSameAs(MemoryLimit.NONE);
    }

    @ParameterizedTest
    @CsvSource({"1024, 1024", "512m, 512", "60g, 61440"})
    void overheadIsTheLimit(String overhead, long mebibytes) {
        assertThat(ExecutorMemory.limit(yarn().set("spark.executor.memoryOverhead", overhead))
                        .bytes())
                .isEqualTo(mebibytes << 20);
    }

    @Test
    void withoutASizeTheLimitIsWhatSparkAddsToTheHeap() {
        assertThat(ExecutorMemory.limit(yarn()).bytes()).isEqualTo(384 << 20);
        SparkConf large = yarn().set("spark.executor.memory", "20g");
        assertThat(ExecutorMemory.limit(large).bytes()).isEqualTo(2L << 30);
        large.set("spark.executor.memoryOverheadFactor", "0.5");
        assertThat(ExecutorMemory.limit(large).bytes()).isEqualTo(10L << 30);
        large.set("spark.executor.minMemoryOverhead", "12g");
        assertThat(ExecutorMemory.limit(large).bytes()).isEqualTo(12L << 30);
    }

    @Test
    void whatDoesNotFitIsRefusedWithTheSetting() {
        MemoryLimit limit = ExecutorMemory.limit(yarn().set("spark.executor.memoryOverhead", "1g"));

        assertThat(limit.leftBeside(1 << 20)).isEqualTo((1 << 30) - (1 << 20));
        assertThatThrownBy(() -> limit.leftBeside(26L << 30))
                .isInstanceOf(ModelException.class)
                .hasMessage("the weights and the key/value cache need 26.0 GiB off the heap, but"
                        + " spark.executor.memoryOverhead is 1.0 GiB, and YARN kills what takes more: set"
                        + " spark.executor.memoryOverhead=28g");
    }

    @Test
    void theDriverOfALocalSparkHasNoLimit() {
        assertThat(ExecutorMemory.limit()).isSameAs(MemoryLimit.NONE);
    }
}
