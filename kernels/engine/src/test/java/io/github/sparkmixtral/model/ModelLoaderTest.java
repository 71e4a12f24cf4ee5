package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.GgufWriter;
import io.github.sparkmixtral.testkit.TinyMixtral;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files on disk, from the path that a user names to a model that can be run. */
class ModelLoaderTest {
    private static final long PARAMETERS = TinyMixtral.published().values().stream()
            .mapToLong(tensor -> tensor.values().length)
            .sum();

    @TempDir
    private Path directory;

    private final List<String> progress = new ArrayList<>();

    @Test
    void loadsAHuggingFaceDirectory() throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.json", tokenizerJson(TinyMixtral.VOCABULARY));
        try (Model model = load(directory, Quantization.NONE)) {
            CheckpointAssert.assertHolds(model.weights(), TinyMixtral.published());
            assertThat(model.tokenizer().vocabularySize()).isEqualTo(TinyMixtral.VOCABULARY);
            assertThat(model.config().hiddenSize()).isEqualTo(TinyMixtral.HIDDEN);
            assertThat(model.weights().bytesOffHeap()).isZero();
            assertThat(model.description().path()).isEqualTo(directory);
            assertThat(model.description().format()).isEqualTo("safetensors BF16");
            assertThat(model.description().parameters()).isEqualTo(PARAMETERS);
            assertThat(model.description().bytes()).isEqualTo(2 * PARAMETERS);
        }
        assertThat(progress)
                .singleElement()
                .asString()
                .matches("loaded \\Q" + directory + "\\E: safetensors BF16, 0\\.1 MB, in \\d+\\.\\d\\d s");
    }

    @Test
    void describesWithoutLoading() throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.model", sentencePiece(TinyMixtral.VOCABULARY));
        ModelDescription description = ModelLoader.describe(directory);
        assertThat(description.parameters()).isEqualTo(PARAMETERS);
        assertThat(description.tokenizer().vocabularySize()).isEqualTo(TinyMixtral.VOCABULARY);
        // The mapping is gone, so that the file may be replaced.
        Files.delete(directory.resolve("model.safetensors"));
        assertThatThrownBy(() -> ModelLoader.describe(directory)).hasMessageContaining("has neither model.safetensors");
    }

    @ParameterizedTest
    @CsvSource({"Q8_0, safetensors BF16 quantized to Q8_0", "Q4_0, safetensors BF16 quantized to Q4_0"})
    void saysBeforehandWhatQuantizedWeightsTake(Quantization quantization, String format) throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.json", tokenizerJson(TinyMixtral.VOCABULARY));
        try (Model model = load(directory, quantization)) {
            ModelDescription described = ModelLoader.describe(directory, quantization);
            assertThat(described.format()).isEqualTo(format);
            // What stays as it was stays mapped, and the rest is quantized when it is read.
            assertThat(model.weights().bytesOffHeap()).isZero();
            assertThat(described.bytes())
                    .isEqualTo(model.description().bytes())
                    .isEqualTo(bytes(model.weights()))
                    .isLessThan(2 * PARAMETERS);
        }
        assertThat(progress.getLast()).startsWith("loaded ").contains(format);
    }

    @Test
    void loadsAGgufFile() throws IOException {
        Path file = writeGguf("m.gguf");
        try (Model model = load(file, Quantization.NONE)) {
            CheckpointAssert.assertHolds(model.weights(), TinyMixtral.published());
            assertThat(model.tokenizer().vocabularySize()).isEqualTo(TinyMixtral.VOCABULARY);
            assertThat(model.description().format()).isEqualTo("gguf F16");
            assertThat(model.description().parameters()).isEqualTo(PARAMETERS);
        }
        assertThat(ModelLoader.describe(file).bytes()).isEqualTo(2 * PARAMETERS);
    }

    @Test
    void quantizesAGgufFileOfFloats() throws IOException {
        try (Model model = load(writeGguf("m.gguf"), Quantization.Q8_0)) {
            assertThat(model.description().format()).isEqualTo("gguf F16 quantized to Q8_0");
            assertThat(model.weights().head().type()).isEqualTo(TensorType.Q8_0);
        }
    }

    @Test
    void closingReleasesTheFile() throws IOException {
        Model model = load(writeGguf("m.gguf"), Quantization.NONE);
        model.close();
        model.close();
        assertThatThrownBy(() -> CheckpointAssert.values(model.weights().head()))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void reportsIgnoredTensors() throws IOException {
        Map<String, TinyMixtral.Values> tensors = TinyMixtral.published();
        TinyMixtral.put(tensors, "extra", 1);
        write(TinyMixtral.directory(TinyMixtral.config(), tensors));
        write("tokenizer.json", tokenizerJson(TinyMixtral.VOCABULARY));
        load(directory, Quantization.NONE).close();
        assertThat(progress.getFirst())
                .isEqualTo(directory + ": ignored 1 tensors that a Mixtral does not have, such as extra");
    }

    @Test
    void takesATokenizerSmallerThanThePaddedVocabularyAndNoLargerOne() throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.json", tokenizerJson(TinyMixtral.VOCABULARY - 3));
        assertThat(ModelLoader.describe(directory).config().vocabularySize()).isEqualTo(TinyMixtral.VOCABULARY);
        write("tokenizer.json", tokenizerJson(TinyMixtral.VOCABULARY + 1));
        assertRefused(
                directory,
                directory
                        + ": the tokenizer has 21 tokens, but the model's vocabulary only 20: they do not belong together");
    }

    @Test
    void prefersTheJsonTokenizer() throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.json", tokenizerJson(15));
        write("tokenizer.model", sentencePiece(TinyMixtral.VOCABULARY));
        assertThat(ModelLoader.describe(directory).tokenizer().vocabularySize()).isEqualTo(15);
    }

    @Test
    void refusesADirectoryWithoutATokenizer() throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        assertRefused(
                directory, directory + " has neither tokenizer.json nor tokenizer.model; fetch the model's tokenizer");
    }

    @Test
    void refusesPathsThatAreNoModel() throws IOException {
        Path nowhere = directory.resolve("nowhere");
        assertRefused(nowhere, nowhere + " does not exist: name a Hugging Face model directory or a .gguf file");
        assertRefused(
                directory,
                directory + " holds no model: neither safetensors with config.json or params.json nor a .gguf file");
        write("notes.txt", "hello".getBytes(StandardCharsets.UTF_8));
        Path notes = directory.resolve("notes.txt");
        assertRefused(notes, notes + " is no GGUF file: it does not begin with GGUF");
        write("empty.gguf", new byte[0]);
        Path empty = directory.resolve("empty.gguf");
        assertRefused(empty, empty + " is no GGUF file: it does not begin with GGUF");
        write("x.safetensors", new byte[0]);
        Path single = directory.resolve("x.safetensors");
        assertRefused(
                single,
                single
                        + " is only one file of a model: name the directory that holds it, config.json and the tokenizer");
    }

    @Test
    void refusesADirectoryInPlaceOfAFile() throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.json", tokenizerJson(TinyMixtral.VOCABULARY));
        Path weights = directory.resolve("model.safetensors");
        Files.delete(weights);
        Files.createDirectory(weights);
        assertRefused(directory, weights + " is no regular file");
    }

    @Test
    void takesTheOneGgufModelOfADirectory() throws IOException {
        write("config.json", "{}".getBytes(StandardCharsets.UTF_8));
        writeGguf("b, second (1).gguf");
        write("mixtral.imatrix.gguf", new byte[0]);
        assertThat(ModelLoader.describe(directory).format()).isEqualTo("gguf F16");
        writeGguf("a.gguf");
        assertRefused(directory, directory + " holds 2 GGUF models: name one of them: a.gguf, b, second (1).gguf");
    }

    @Test
    void prefersSafetensorsToGgufFilesAndSaysSo() throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.json", tokenizerJson(TinyMixtral.VOCABULARY));
        writeGguf("a.gguf");
        write("params.json", "{}".getBytes(StandardCharsets.UTF_8));
        write("consolidated.safetensors", new byte[0]);
        load(directory, Quantization.NONE).close();
        assertThat(progress)
                .startsWith(
                        directory
                                + " holds the model in two layouts: took Hugging Face's (config.json), not Mistral's (params.json)",
                        directory + " holds GGUF files too: took its safetensors, not a.gguf");
    }

    @Test
    void takesAFolderOfTheHuggingFaceCache() throws IOException {
        Path cached = directory.resolve("models--org--tiny");
        Path snapshots = Files.createDirectories(cached.resolve("snapshots"));
        Path blobs = Files.createDirectories(cached.resolve("blobs"));
        Files.createDirectories(cached.resolve("refs"));
        Path snapshot = Files.createDirectories(snapshots.resolve("0123abc"));
        Map<String, byte[]> files = TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published());
        files.put("tokenizer.json", tokenizerJson(TinyMixtral.VOCABULARY));
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            Files.write(blobs.resolve("blob of " + file.getKey()), file.getValue());
            Files.createSymbolicLink(snapshot.resolve(file.getKey()), Path.of("../../blobs/blob of " + file.getKey()));
        }
        assertThat(ModelLoader.describe(cached).parameters()).isEqualTo(PARAMETERS);
        Files.createDirectories(snapshots.resolve("older"));
        assertRefused(
                cached, cached + " holds 2 snapshots, and refs/main names none of them: name one of " + snapshots);
        Files.writeString(cached.resolve("refs/main"), "0123abc\n");
        assertThat(ModelLoader.describe(cached).parameters()).isEqualTo(PARAMETERS);
        Files.delete(blobs.resolve("blob of model.safetensors"));
        assertRefused(
                cached,
                snapshot.resolve("model.safetensors") + " is a link to a file that is not there; fetch it again");
    }

    @ParameterizedTest
    @CsvSource({"config.json", "tokenizer.json", "tokenizer.model"})
    void namesPointersOfGitLfs(String name) throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write(name, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n".getBytes(StandardCharsets.UTF_8));
        assertRefused(
                directory, directory.resolve(name) + " is a Git LFS pointer and not the file itself; run git lfs pull");
    }

    @Test
    void refusesToQuantizeAgain() throws IOException {
        GgufWriter builder = new GgufWriter();
        TinyMixtral.ggufMetadata().forEach(builder::with);
        TinyMixtral.ggufTokenizer().forEach(builder::with);
        TinyMixtral.ggufTensors(true).forEach((name, values) -> {
            boolean quantized = values.shape().length > 1 && values.shape()[values.shape().length - 1] % 32 == 0;
            byte[] bytes = quantized ? new byte[values.values().length / 32 * 34] : values.f32();
            builder.tensor(name, quantized ? 8 : 0, bytes, values.shapeInnermostFirst());
        });
        Path file = directory.resolve("q8.gguf");
        Files.write(file, builder.build());
        assertThat(ModelLoader.describe(file).format()).isEqualTo("gguf Q8_0");
        assertThatThrownBy(() -> ModelLoader.describe(file, Quantization.Q4_0))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        file + " is quantized already (tensor blk.0.attn_q.weight is Q8_0): leave out --quantization");
    }

    /** Both entries must find the same fault, so that a driver finds it before work starts. */
    private void assertRefused(Path path, String message) {
        assertThatThrownBy(() -> ModelLoader.describe(path))
                .isInstanceOf(ModelException.class)
                .hasMessage(message);
        assertThatThrownBy(() -> load(path, Quantization.NONE))
                .isInstanceOf(ModelException.class)
                .hasMessage(message);
    }

    private Model load(Path path, Quantization quantization) {
        return ModelLoader.load(path, quantization, progress::add);
    }

    private static long bytes(Weights weights) {
        long[] sum = new long[1];
        weights.map(tensor -> {
            sum[0] += tensor.type().bytes(tensor.elements());
            return tensor;
        });
        return sum[0];
    }

    @Test
    void takesTheTokensThatAFineTuningHasAdded() throws IOException {
        int size = TinyMixtral.VOCABULARY - 3;
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.model", sentencePiece(size));
        write("added_tokens.json", "{\"<|im_end|>\": %d, \"<tool>\": %d}".formatted(size, size + 1));
        write("special_tokens_map.json", "{\"eos_token\": {\"content\": \"<|im_end|>\"}}");
        write("tokenizer_config.json", """
                {"added_tokens_decoder": {"%d": {"content": "<|im_start|>", "special": false}},
                "chat_template": [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}],
                "pad_token": "<unk>"}""".formatted(size + 2));
        ModelDescription model = ModelLoader.describe(directory);
        assertThat(model.tokenizer().vocabularySize()).isEqualTo(TinyMixtral.VOCABULARY);
        assertThat(model.tokenizer().controlToken("<|im_end|>")).hasValue(size);
        assertThat(model.tokenizer().controlToken("<|im_start|>")).hasValue(size + 2);
        assertThat(model.tokenizer().encode("<tool>")).contains(size + 1);
        assertThat(model.tokenizer().encode("<|im_start|><|im_end|>")).doesNotContain(size, size + 2);
        assertThat(model.tokenizer().encodeWithControls("<|im_start|><|im_end|>"))
                .containsExactly(size + 2, size);
        assertThat(model.tokenizer().eosTokenId()).isEqualTo(size);
        assertThat(model.config().eosTokenIds()).containsExactlyInAnyOrder(2, size);
        assertThat(model.chatTemplates().byName()).isEqualTo(Map.of("default", "D", "tool_use", "T"));
        assertThat(model.chatTemplates().specialTokens()).isEqualTo(Map.of("pad_token", "<unk>"));
        write("chat_template.jinja", "J");
        assertThat(ModelLoader.describe(directory).chatTemplates().byName()).isEqualTo(Map.of("default", "J"));
    }

    @Test
    void refusesAnAddedTokenInTheFormOfAnother() throws IOException {
        write(TinyMixtral.directory(TinyMixtral.config(), TinyMixtral.published()));
        write("tokenizer.model", sentencePiece(TinyMixtral.VOCABULARY));
        write("added_tokens.json", "{\"<|im_end|>\": 1}");
        assertThatThrownBy(() -> ModelLoader.describe(directory))
                .isInstanceOf(ModelException.class)
                .hasMessageEndingWith("added_tokens.json: \"<|im_end|>\" is the token 1, but "
                        + directory.resolve("tokenizer.model") + " has \"<s>\" there");
    }

    @Test
    void takesChatTemplatesAndTurnTokensOfAGgufFile() throws IOException {
        Map<String, Object> metadata = TinyMixtral.ggufMetadata();
        metadata.putAll(TinyMixtral.ggufTokenizer());
        metadata.put("tokenizer.chat_template", "D");
        metadata.put("tokenizer.chat_template.tool_use", "T");
        metadata.put("tokenizer.ggml.eot_token_id", 5);
        metadata.put("tokenizer.ggml.eom_token_id", 6);
        write("m.gguf", TinyMixtral.gguf(metadata, TinyMixtral.ggufTensors(true)));
        ModelDescription model = ModelLoader.describe(directory.resolve("m.gguf"));
        assertThat(model.chatTemplates().byName()).isEqualTo(Map.of("default", "D", "tool_use", "T"));
        assertThat(model.config().eosTokenIds())
                .contains(5, 6, model.tokenizer().eosTokenId());
    }

    private void write(String name, String content) throws IOException {
        write(name, content.getBytes(StandardCharsets.UTF_8));
    }

    private Path writeGguf(String name) throws IOException {
        Map<String, Object> metadata = TinyMixtral.ggufMetadata();
        metadata.putAll(TinyMixtral.ggufTokenizer());
        write(name, TinyMixtral.gguf(metadata, TinyMixtral.ggufTensors(true)));
        return directory.resolve(name);
    }

    private void write(Map<String, byte[]> files) throws IOException {
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            write(file.getKey(), file.getValue());
        }
    }

    private void write(String name, byte[] content) throws IOException {
        Files.write(directory.resolve(name), content);
    }

    private static List<String> pieces(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> i == 0 ? "<unk>" : i == 1 ? "<s>" : i == 2 ? "</s>" : "" + (char) ('a' + i))
                .toList();
    }

    private static byte[] tokenizerJson(int count) {
        List<String> pieces = pieces(count);
        String vocabulary = IntStream.range(0, count)
                .mapToObj(i -> "\"%s\":%d".formatted(pieces.get(i), i))
                .collect(Collectors.joining(","));
        return """
                {"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true},
                {"id":2,"content":"</s>","special":true}],
                "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
                {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null,
                "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
                {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
                "model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":false,"merges":[],"vocab":{%s}}}
                """.formatted(vocabulary).getBytes(StandardCharsets.UTF_8);
    }

    /** A SentencePiece BPE model: pieces (field 1) and a trainer specification (field 2) of type BPE. */
    private static byte[] sentencePiece(int count) {
        ByteArrayOutputStream model = new ByteArrayOutputStream();
        List<String> pieces = pieces(count);
        for (int i = 0; i < count; i++) {
            byte[] text = pieces.get(i).getBytes(StandardCharsets.UTF_8);
            ByteBuffer piece = ByteBuffer.allocate(2 + text.length + 5 + 2).order(ByteOrder.LITTLE_ENDIAN);
            piece.put((byte) 0x0A).put((byte) text.length).put(text);
            piece.put((byte) 0x15).putFloat(-i);
            piece.put((byte) 0x18).put((byte) (i == 0 ? 2 : i < 3 ? 3 : 1));
            field(model, 0x0A, piece.array());
        }
        field(model, 0x12, new byte[] {0x18, 2});
        return model.toByteArray();
    }

    private static void field(ByteArrayOutputStream out, int tag, byte[] content) {
        out.write(tag);
        out.write(content.length);
        out.writeBytes(content);
    }
}
