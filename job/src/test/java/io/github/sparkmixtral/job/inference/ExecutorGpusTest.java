package io.github.sparkmixtral.job.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.Test;

class ExecutorGpusTest {

    @Test
    void anEngineUsesAllGpusOfItsExecutor() {
        assertThat(ExecutorGpus.known(List.of("4", "5"), List.of("5"), "2")).containsExactly("4", "5");
    }

    @Test
    void whatATaskIsToldServesWithoutThePlugin() {
        assertThat(ExecutorGpus.known(List.of(), List.of("3"), "1")).containsExactly("3");
        assertThat(ExecutorGpus.known(List.of(), List.of("2", "3"), "2")).containsExactly("2", "3");
        assertThat(ExecutorGpus.known(List.of(), List.of(), "0")).isEmpty();
    }

    @Test
    void gpusThatNobodyHasToldOfAreAnError() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ExecutorGpus.known(List.of(), List.of("3"), "2"))
                .withMessage("spark.executor.resource.gpu.amount is 2, but the engine was told of 1 GPUs; set"
                        + " spark.plugins to io.github.sparkmixtral.job.inference.ExecutorGpus, as conf/spark-gpu.conf"
                        + " does");
    }

    /** A file of properties wins over the defaults: what it sets must hold what they set. */
    @Test
    void thePropertiesOfGpusKeepTheMetrics() throws IOException {
        assertThat(plugins("spark-gpu.conf"))
                .contains(ExecutorGpus.class.getName())
                .containsAll(plugins("spark-defaults.conf"));
    }

    private static List<String> plugins(String file) throws IOException {
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(Path.of("..", "conf", file))) {
            properties.load(reader);
        }
        return List.of(properties.getProperty("spark.plugins").split(","));
    }
}
