package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;

/** What the jar that is submitted holds. */
class JobJarIT {

    @Test
    void holdsEveryBackendAndNoLibraryThatComesBesideIt() throws IOException {
        try (JarFile jar = new JarFile("target/spark-mixtral.jar")) {
            List<String> entries = jar.stream().map(ZipEntry::getName).toList();
            assertThat(entries)
                    .contains("io/github/sparkmixtral/tornado/LayerKernels.class")
                    .noneMatch(name -> name.startsWith("uk/ac/manchester"))
                    .noneMatch(name -> name.startsWith("org/bytedeco"));
            ZipEntry services = jar.getEntry("META-INF/services/io.github.sparkmixtral.engine.BackendProvider");
            String providers = new String(jar.getInputStream(services).readAllBytes(), StandardCharsets.UTF_8);
            assertThat(providers.lines())
                    .containsExactlyInAnyOrder(
                            "io.github.sparkmixtral.cpu.CpuBackendProvider",
                            "io.github.sparkmixtral.cpu.Bfloat16BackendProvider",
                            "io.github.sparkmixtral.tornado.TornadoBackendProvider");
        }
    }

    @Test
    void holdsTheFormatsOfItsIndexes() throws IOException {
        try (JarFile jar = new JarFile("target/spark-mixtral.jar")) {
            ZipEntry services = jar.getEntry("META-INF/services/org.apache.lucene.codecs.Codec");
            String codecs = new String(jar.getInputStream(services).readAllBytes(), StandardCharsets.UTF_8);
            assertThat(codecs.lines()).contains("org.apache.lucene.codecs.lucene104.Lucene104Codec");
            assertThat(jar.getEntry("META-INF/services/org.apache.lucene.codecs.KnnVectorsFormat"))
                    .isNotNull();
            // Spark brings it.
            assertThat(jar.stream().map(ZipEntry::getName))
                    .noneMatch(name -> name.startsWith("org/apache/commons/compress"));
        }
    }
}
