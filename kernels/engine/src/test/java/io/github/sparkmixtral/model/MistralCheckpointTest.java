package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.testkit.GoldenModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the layout's files say and lack; what the weights mean is held to transformers in {@code GoldenModelTest}. */
class MistralCheckpointTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path directory;

    private ObjectNode params;

    @BeforeEach
    void copyAModel() throws IOException {
        copy("mistral-bf16");
    }

    private void copy(String name) throws IOException {
        try (Stream<Path> files = Files.list(GoldenModel.of(name).path())) {
            for (Path file : files.toList()) {
                Files.copy(file, directory.resolve(file.getFileName().toString()));
            }
        }
        params = (ObjectNode) JSON.readTree(directory.resolve("params.json").toFile());
    }

    @Test
    void paramsAreTheConfiguration() {
        ModelConfig config = ModelLoader.describe(directory).config();
        assertThat(config)
                .isEqualTo(new ModelConfig(
                        32,
                        40,
                        2,
                        4,
                        2,
                        10,
                        4,
                        2,
                        config.vocabularySize(),
                        32768,
                        1e6,
                        1e-5,
                        0,
                        RopeLayout.NEIGHBOURS,
                        1,
                        List.of(2)));
    }

    @Test
    void optionalParamsCountIfTheyAreThere() throws IOException {
        params.remove("rope_theta");
        params.put("sliding_window", "4096").put("max_position_embeddings", 65536);
        ModelConfig config = describe().config();
        assertThat(config.ropeTheta()).isEqualTo(1e6);
        assertThat(config.slidingWindow()).isEqualTo(4096);
        assertThat(config.maxPositions()).isEqualTo(65536);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"dim", "n_layers", "head_dim", "hidden_dim", "n_heads", "n_kv_heads", "norm_eps", "vocab_size"})
    void namesAMissingParam(String key) {
        params.remove(key);
        assertRefused(directory + "/params.json has no " + key + ", which a Mixtral needs");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'moe':null}|params.json describes a dense model, and not a Mixtral: it has no moe, which gives the number of experts",
                "{'moe':{'num_experts':4}}|params.json has no moe.num_experts_per_tok, which a Mixtral needs",
                "{'moe':{'num_experts':4,'num_experts_per_tok':5}}|params.json: the number of experts per token is 5, but must be at most 4",
                "{'dim':'wide'}|params.json: dim is \"wide\", but must be a number",
                "{'dim':32.5}|params.json: dim is 32.5, but must be a whole number below 2^31",
                "{'rope_theta':[]}|params.json: rope_theta is [], but must be a number",
                "{'model_type':'mamba'}|params.json: model_type is mamba; only transformer is supported",
                "{'quantization':{'qformat_weight':'fp8_e4m3'}}|params.json: the model has quantization, which is not supported; take the model without it",
            })
    void namesAWrongParam(String change, String message) throws IOException {
        params.setAll((ObjectNode) JSON.readTree(change.replace('\'', '"')));
        assertRefused(directory + "/" + message);
    }

    @Test
    void namesMissingFiles() throws IOException {
        Files.delete(directory.resolve("consolidated-00001-of-00002.safetensors"));
        assertRefused(directory
                + " lacks 1 of the 2 files that are the model's: consolidated-00001-of-00002.safetensors; fetch them");
    }

    @Test
    void twoFilesMayNotHaveTheSameTensor() throws IOException {
        Files.copy(
                directory.resolve("consolidated-00001-of-00002.safetensors"),
                directory.resolve("consolidated.00.safetensors"));
        assertThatThrownBy(this::describe)
                .isInstanceOf(ModelException.class)
                .hasMessageMatching("\\Q" + directory
                        + "\\E/consolidated\\.00\\.safetensors: another file has the tensor \\S+ too");
    }

    @Test
    void namesATokenizerThatIsNotSupported() throws IOException {
        Files.move(directory.resolve("tokenizer.model.v3"), directory.resolve("tekken.json"));
        assertRefused(
                directory
                        + "/tekken.json is a tokenizer of the kind Tekken, which is not supported: no Mixtral of 8x7B or 8x22B has it; fetch the model's tokenizer.json or tokenizer.model");
    }

    @Test
    void theNewestTokenizerIsTaken() throws IOException {
        Files.writeString(directory.resolve("tokenizer.model.v1"), "damaged");
        Files.writeString(directory.resolve("tokenizer.model"), "damaged");
        Files.writeString(directory.resolve("tokenizer.json"), "damaged");
        assertThat(describe().tokenizer().vocabularySize())
                .isEqualTo(params.get("vocab_size").intValue());
    }

    private ModelDescription describe() throws IOException {
        JSON.writeValue(directory.resolve("params.json").toFile(), params);
        return ModelLoader.describe(directory);
    }

    private void assertRefused(String message) {
        assertThatThrownBy(this::describe).isInstanceOf(ModelException.class).hasMessage(message);
    }
}
