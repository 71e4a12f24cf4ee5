package io.github.sparkmixtral.job.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.testkit.ModelWriter;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelHeadsTest {
    private static final long GIGABYTES = 90L << 30;

    @TempDir
    private Path directory;

    private final List<Duration> pauses = new ArrayList<>();
    private final Configuration configuration = new Configuration();

    @BeforeEach
    void forgetWhatWasRead() {
        FlakyFileSystem.reset();
        configuration.set("fs.flaky.impl", FlakyFileSystem.class.getName());
    }

    private ModelCache cache() {
        return new ModelCache(directory.resolve("cache"), configuration, _ -> {}, pauses::add, Map.of());
    }

    private ModelDescription describe(Path model) {
        return cache().describe("flaky:" + model, Quantization.NONE);
    }

    @Test
    void ofAGgufFileOnlyTheHeadIsRead() throws IOException {
        Path model = directory.resolve("mixtral.gguf");
        SparseMixtral.writeGguf(model, GIGABYTES);

        assertSame(describe(model), ModelLoader.describe(model));
        // The head has 6 MB and some, and what is read at once may double what is there.
        assertThat(FlakyFileSystem.BYTES_READ.get()).isBetween(6L << 20, 13L << 20);
        assertNothingIsLeft();
    }

    @Test
    void ofADirectoryOnlyTheHeadsAreRead() throws IOException {
        Path model = directory.resolve("mixtral");
        SparseMixtral.writeDirectory(model);

        ModelDescription description = describe(model);

        assertSame(description, ModelLoader.describe(model));
        assertThat(description.bytes()).isGreaterThan(93_000_000_000L);
        assertThat(FlakyFileSystem.BYTES_READ.get()).isLessThan(2 << 20);
        assertNothingIsLeft();
    }

    @Test
    void allPartsOfASplitModelBelongToIt() throws IOException {
        for (String part : List.of("m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "n-00002-of-00002.gguf")) {
            Files.copy(SparseMixtral.DEMO, directory.resolve(part));
        }
        Path first = directory.resolve("m-00001-of-00002.gguf");

        assertSame(describe(first), ModelLoader.describe(first));
        Path here = cache().localPath("flaky:" + first);

        assertThat(here).hasFileName("m-00001-of-00002.gguf");
        assertThat(here.resolveSibling("m-00002-of-00002.gguf")).exists();
        assertThat(here.resolveSibling("n-00002-of-00002.gguf")).doesNotExist();
    }

    @Test
    void aSplitModelIsFetchedWhicheverPartIsNamed() throws IOException {
        Path model = Files.createDirectory(directory.resolve("split, of three"));
        List<Path> parts;
        try (Model demo = ModelLoader.load(SparseMixtral.DEMO, Quantization.NONE, _ -> {})) {
            parts = ModelWriter.writeSplitGguf(model, 3, demo, TinyTokenizer.vocabulary());
        }
        ModelDescription expected = ModelLoader.describe(parts.getFirst());
        Path here = cache().localPath("flaky:" + model);

        assertThat(ModelLoader.describe(here).parameters()).isEqualTo(expected.parameters());
        for (Path named : List.of(parts.getFirst(), parts.getLast())) {
            assertThat(cache().localPath("flaky:" + named)).isEqualTo(here);
        }
        Files.delete(parts.get(1));
        assertThatThrownBy(() -> describe(model))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "flaky:" + model + " lacks 1 of the 3 parts of the model: m-00002-of-00003.gguf; fetch them");
    }

    @Test
    void aDirectoryMayHoldItsModelAsAGgufFile() throws IOException {
        Path model = Files.createDirectory(directory.resolve("clone"));
        Files.writeString(model.resolve("config.json"), "{}");
        Files.copy(SparseMixtral.DEMO, model.resolve("demo.gguf"));

        assertSame(describe(model), ModelLoader.describe(SparseMixtral.DEMO));
        assertThat(cache().localPath("flaky:" + model)).hasFileName("demo.gguf");

        Files.copy(SparseMixtral.DEMO, model.resolve("demo, other.gguf"));
        assertThatThrownBy(() -> describe(model))
                .isInstanceOf(ModelException.class)
                .hasMessage("flaky:" + model + " holds 2 GGUF models: name one of them: demo, other.gguf, demo.gguf");
    }

    @Test
    void mistralsOwnLayoutIsFetched() throws IOException {
        Path golden = Path.of("..", "kernels", "testkit", "src", "golden", "models", "mistral-bf16")
                .toAbsolutePath()
                .normalize();

        assertSame(describe(golden), ModelLoader.describe(golden));
        try (Stream<Path> files = Files.list(cache().localPath("flaky:" + golden))) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .contains(
                            "params.json",
                            "tokenizer.model.v3",
                            "consolidated-00001-of-00002.safetensors",
                            "consolidated-00002-of-00002.safetensors");
        }
    }

    @Test
    void modelThatIsHereIsNotReadAgain() {
        Path here = cache().localPath("flaky:" + SparseMixtral.DEMO);
        FlakyFileSystem.reset();

        assertThat(describe(SparseMixtral.DEMO).path()).isEqualTo(here);
        assertThat(FlakyFileSystem.FILES_OPENED).hasValue(0);
    }

    @Test
    void brokenOffHeadIsReadAgain() {
        FlakyFileSystem.breakAt = 100;
        FlakyFileSystem.FAILURES_LEFT.set(2);

        assertSame(describe(SparseMixtral.DEMO), ModelLoader.describe(SparseMixtral.DEMO));
        assertThat(pauses).hasSize(2);
    }

    @Test
    void missingModelIsNamed() {
        assertThatThrownBy(() -> describe(Path.of("/no/where")))
                .isInstanceOf(ModelException.class)
                .hasMessage("no such model: flaky:/no/where");
        assertThat(pauses).isEmpty();
    }

    @Test
    void truncatedGgufFileIsNamedAtItsSource() throws IOException {
        byte[] demo = Files.readAllBytes(SparseMixtral.DEMO);
        Path inTheHead = Files.write(directory.resolve("short.gguf"), Arrays.copyOf(demo, 20_000));
        Path inTheWeights = Files.write(directory.resolve("long.gguf"), Arrays.copyOf(demo, demo.length - 1000));

        assertThatThrownBy(() -> describe(inTheHead))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("flaky:" + inTheHead.toString())
                .hasMessageEndingWith("the file is truncated or damaged; fetch it again");
        assertThatThrownBy(() -> describe(inTheWeights))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("flaky:" + inTheWeights + ": tensor ")
                .hasMessageEndingWith("the file is truncated or damaged; fetch it again");
        assertNothingIsLeft();
    }

    @Test
    void damagedGgufFileIsNotFetchedInSearchOfItsEnd() throws IOException {
        ByteBuffer head =
                ByteBuffer.wrap(Files.readAllBytes(SparseMixtral.DEMO)).order(ByteOrder.LITTLE_ENDIAN);
        int tokens = new String(head.array(), StandardCharsets.ISO_8859_1).indexOf("tokenizer.ggml.tokens");
        // The key, the types of array and elements, their number; then the first one's length.
        int length = tokens + "tokenizer.ggml.tokens".length() + 4 + 4 + 8;
        head.putLong(length, 80L << 30);
        Path model = directory.resolve("damaged.gguf");
        SparseMixtral.write(model, head.array(), GIGABYTES);

        assertThatThrownBy(() -> describe(model))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("flaky:" + model + " states a head of ")
                .hasMessageEndingWith("it is damaged; mend it at its source");
        assertThat(FlakyFileSystem.BYTES_READ.get()).isLessThan(1 << 20);
    }

    @Test
    void absurdSafetensorsHeaderIsNamedAtItsSource() throws IOException {
        Path model = directory.resolve("mixtral");
        SparseMixtral.writeDirectory(model);
        for (long length : new long[] {Long.MAX_VALUE, -1, 1, 80L << 30}) {
            Path file = model.resolve("model.safetensors");
            Files.deleteIfExists(file);
            byte[] head = ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(length)
                    .array();
            SparseMixtral.write(file, head, GIGABYTES);

            String expected = length == 80L << 30
                    ? ": the header has " + length + " bytes, more than the 16777216 that are read: it is no part of a"
                            + " Mixtral checkpoint"
                    : " states a header of " + Long.toUnsignedString(length) + " bytes, but has " + GIGABYTES
                            + " bytes: it is truncated or no safetensors file; fetch it again";
            assertThatThrownBy(() -> describe(model))
                    .isInstanceOf(ModelException.class)
                    .hasMessage("flaky:" + file + expected);
        }
        Files.write(model.resolve("model.safetensors"), new byte[0]);
        assertThatThrownBy(() -> describe(model))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("model.safetensors has 0 bytes, too few for a safetensors file");
        assertNothingIsLeft();
    }

    @Test
    void digestReadsSamples() throws IOException {
        Path model = directory.resolve("mixtral.gguf");
        SparseMixtral.writeGguf(model, GIGABYTES);

        ModelDigest.of("flaky:" + model, configuration);

        assertThat(FlakyFileSystem.BYTES_READ.get()).isLessThan(2 << 20);
    }

    private void assertSame(ModelDescription actual, ModelDescription expected) {
        assertThat(actual)
                .usingRecursiveComparison()
                .ignoringFields("path", "tokenizer", "chatTemplates.source")
                .isEqualTo(expected);
        assertThat(actual.chatTemplates().source()).doesNotContain("spark-mixtral-heads");
        assertThat(actual.tokenizer().vocabularySize())
                .isEqualTo(expected.tokenizer().vocabularySize());
        String text = "Four score and seven";
        assertThat(actual.tokenizer().encode(text))
                .isEqualTo(expected.tokenizer().encode(text));
    }

    private void assertNothingIsLeft() throws IOException {
        assertThat(directory.resolve("cache")).doesNotExist();
        try (Stream<Path> temporary = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            assertThat(temporary.filter(path -> path.getFileName().toString().startsWith("spark-mixtral-heads")))
                    .isEmpty();
        }
    }
}
