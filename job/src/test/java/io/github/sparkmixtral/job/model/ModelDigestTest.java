package io.github.sparkmixtral.job.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelDigestTest {
    @TempDir
    private Path directory;

    private static String digest(Path model) {
        return ModelDigest.of(model.toString(), new Configuration());
    }

    @Test
    void everyPartOfASplitModelCounts() throws IOException {
        Path first = Files.writeString(directory.resolve("m-00001-of-00002.gguf"), "first");
        Path second = Files.writeString(directory.resolve("m-00002-of-00002.gguf"), "second");
        String before = digest(first);
        Files.writeString(directory.resolve("other.gguf"), "another model");
        assertThat(digest(first)).isEqualTo(before);
        Files.writeString(second, "sEcond");
        assertThat(digest(first)).isNotEqualTo(before);
    }

    @Test
    void fileThatWasRenamedIsTheSameModel() throws IOException {
        Path model = Files.writeString(directory.resolve("m.gguf"), "weights");
        String before = digest(model);
        assertThat(digest(Files.move(model, directory.resolve("n.gguf")))).isEqualTo(before);
    }
}
