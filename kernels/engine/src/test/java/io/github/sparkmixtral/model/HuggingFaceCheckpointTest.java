package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.SafetensorsWriter;
import io.github.sparkmixtral.testkit.TinyMixtral;
import io.github.sparkmixtral.testkit.TinyMixtral.Values;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HuggingFaceCheckpointTest {
    private final ObjectNode config = TinyMixtral.config();
    private final Map<String, Values> tensors = TinyMixtral.published();

    @Test
    void readsThePublishedNames() {
        Checkpoint checkpoint = read();
        CheckpointAssert.assertHolds(checkpoint.weights(), TinyMixtral.published());
        assertThat(checkpoint.container()).isEqualTo("safetensors");
        assertThat(checkpoint.ignored()).isEmpty();
    }

    @Test
    void readsTheNamesOfTransformers5() {
        tensors.clear();
        tensors.putAll(TinyMixtral.stacked());
        CheckpointAssert.assertHolds(read().weights(), TinyMixtral.published());
    }

    @Test
    void readsShards() {
        Map<String, byte[]> files = new HashMap<>();
        files.put("config.json", TinyMixtral.json(config));
        StringBuilder index = new StringBuilder();
        tensors.forEach((name, values) -> {
            String shard = "model-" + (index.length() % 5) + ".safetensors";
            index.append(index.isEmpty() ? "" : ",").append("\"%s\":\"%s\"".formatted(name, shard));
        });
        files.put(
                "model.safetensors.index.json", ("{\"weight_map\":{" + index + "}}").getBytes(StandardCharsets.UTF_8));
        for (int i = 0; i < 5; i++) {
            String shard = "model-" + i + ".safetensors";
            Map<String, Values> part = tensors.entrySet().stream()
                    .filter(entry -> index.indexOf("\"%s\":\"%s\"".formatted(entry.getKey(), shard)) >= 0)
                    .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue, (a, b) -> a, LinkedHashMap::new));
            files.put(shard, TinyMixtral.safetensors(part));
        }
        CheckpointAssert.assertHolds(
                HuggingFaceCheckpoint.read("dir", TinyMixtral.opener(files)).weights(), TinyMixtral.published());
    }

    @ParameterizedTest
    @ValueSource(strings = {"F32", "F16"})
    void readsOtherFloatTypes(String dtype) {
        SafetensorsWriter builder = new SafetensorsWriter();
        tensors.forEach((name, values) -> builder.tensor(
                name, dtype, dtype.equals("F32") ? values.f32() : values.f16(), values.shapeInnermostLast()));
        Map<String, byte[]> files = TinyMixtral.directory(config, tensors);
        files.put("model.safetensors", builder.build());
        Weights weights =
                HuggingFaceCheckpoint.read("dir", TinyMixtral.opener(files)).weights();
        assertThat(weights.head().type()).isEqualTo(TensorType.valueOf(dtype));
        CheckpointAssert.assertHolds(weights, TinyMixtral.published());
    }

    @Test
    void aTiedHeadIsTheEmbedding() {
        config.put("tie_word_embeddings", true);
        tensors.remove("lm_head.weight");
        Weights weights = read().weights();
        assertThat(weights.head()).isSameAs(weights.embedding());
    }

    @Test
    void aStoredHeadGoesBeforeATie() {
        config.put("tie_word_embeddings", true);
        CheckpointAssert.assertHolds(read().weights(), TinyMixtral.published());
    }

    @Test
    void listsTensorsThatAMixtralDoesNotHave() {
        TinyMixtral.put(tensors, "model.layers.0.self_attn.rotary_emb.inv_freq", 2);
        assertThat(read().ignored()).containsExactly("model.layers.0.self_attn.rotary_emb.inv_freq");
    }

    @Test
    void namesEveryMissingTensor() {
        for (String name : TinyMixtral.published().keySet()) {
            Values removed = tensors.remove(name);
            assertRefused(
                    "dir has no tensor " + name + ", which the model needs: files are missing, or it is no Mixtral");
            tensors.put(name, removed);
        }
    }

    @Test
    void namesEveryMisshapenTensor() {
        for (String name : TinyMixtral.published().keySet()) {
            int[] shape = tensors.get(name).shape();
            int[] longer = shape.clone();
            longer[0]++;
            Values before = tensors.get(name);
            TinyMixtral.put(tensors, name, longer);
            assertRefused("dir/model.safetensors: tensor " + name + " has the shape ");
            tensors.put(name, before);
        }
    }

    @Test
    void namesBothShapes() {
        TinyMixtral.put(tensors, "lm_head.weight", TinyMixtral.HIDDEN, TinyMixtral.VOCABULARY);
        assertRefused(
                "dir/model.safetensors: tensor lm_head.weight has the shape [32, 20], but the model's dimensions ask for [20, 32]");
    }

    @Test
    void namesATypeThatIsNotSupported() {
        Map<String, byte[]> files = TinyMixtral.directory(config, tensors);
        SafetensorsWriter builder = new SafetensorsWriter();
        tensors.forEach((name, values) -> builder.tensor(
                name,
                name.equals("model.norm.weight") ? "F8_E4M3" : "F32",
                name.equals("model.norm.weight") ? new byte[values.values().length] : values.f32(),
                values.shapeInnermostLast()));
        files.put("model.safetensors", builder.build());
        assertThatThrownBy(() -> HuggingFaceCheckpoint.read("dir", TinyMixtral.opener(files)))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "dir/model.safetensors: tensor model.norm.weight has the type F8_E4M3, which is not supported; supported are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4; take the model in one of these, or convert it");
    }

    @Test
    void refusesADirectoryWithoutAConfig() {
        assertThatThrownBy(() -> HuggingFaceCheckpoint.read("dir", TinyMixtral.opener(Map.of())))
                .isInstanceOf(ModelException.class)
                .hasMessage("dir has no config.json: name a Hugging Face model directory or a .gguf file");
    }

    @Test
    void refusesADirectoryWithoutWeights() {
        Map<String, byte[]> files = TinyMixtral.directory(config, tensors);
        files.remove("model.safetensors");
        assertThatThrownBy(() -> HuggingFaceCheckpoint.read("dir", TinyMixtral.opener(files)))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "dir has neither model.safetensors nor model.safetensors.index.json; fetch the model's weights");
    }

    @Test
    void tensorsDecideWhetherWeightsAreQuantized() {
        config.putObject("quantization_config").put("quant_method", "gptq");
        Checkpoint checkpoint = read();
        CheckpointAssert.assertHolds(checkpoint.weights(), tensors);
        assertThat(checkpoint.notes())
                .containsExactly(
                        "dir/config.json: ignored quantization_config (quant_method \"gptq\"), because the weights are not quantized");
        config.putNull("quantization_config");
        assertThat(read().notes()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "model.layers.0.self_attn.q_proj.qweight",
                "model.layers.0.self_attn.q_proj.scales",
                "model.layers.0.self_attn.q_proj.weight_scale_inv",
                "model.layers.0.self_attn.q_proj.weight.absmax",
                "model.layers.0.self_attn.q_proj.weight.quant_state.bitsandbytes__nf4"
            })
    void refusesQuantizedWeights(String name) {
        config.putObject("quantization_config").put("quant_method", "gptq");
        TinyMixtral.put(tensors, name, 1);
        assertRefused(
                "dir/config.json: the weights are quantized (quantization_config: quant_method \"gptq\"), which is not supported; take the unquantized model with --quantization q8_0 or q4_0, or a GGUF file");
    }

    private void assertRefused(String message) {
        assertThatThrownBy(this::read).isInstanceOf(ModelException.class).hasMessageStartingWith(message);
    }

    private Checkpoint read() {
        return HuggingFaceCheckpoint.read("dir", TinyMixtral.opener(TinyMixtral.directory(config, tensors)));
    }
}
