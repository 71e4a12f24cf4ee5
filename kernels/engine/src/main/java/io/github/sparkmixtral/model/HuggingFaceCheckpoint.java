package io.github.sparkmixtral.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.prequantized.QuantizationConfig;
import io.github.sparkmixtral.prequantized.QuantizedModules;
import io.github.sparkmixtral.safetensors.SafetensorsDirectory;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * A Hugging Face directory: {@code config.json} and safetensors under the names of the published checkpoints
 * ({@code block_sparse_moe.experts.E.w1.weight}) or under those of transformers 5's own modules
 * ({@code mlp.experts.gate_up_proj}, all experts in one tensor).
 */
final class HuggingFaceCheckpoint {
    private final ModelConfig config;
    private final Tensors tensors;
    private final QuantizedModules modules;

    private HuggingFaceCheckpoint(ModelConfig config, Tensors tensors, QuantizedModules modules) {
        this.config = config;
        this.tensors = tensors;
        this.modules = modules;
    }

    /**
     * Reads everything but the tokenizer.
     *
     * @param directory for error messages
     * @param files maps a file of the directory by its name; empty where there is none
     */
    static Checkpoint read(String directory, Function<String, Optional<MemorySegment>> files) {
        String file = directory + "/config.json";
        JsonNode json = files.apply("config.json")
                .map(content -> JsonFile.read(file, content))
                .orElseThrow(() ->
                        new ModelException("%s has no config.json: name a Hugging Face model directory or a .gguf file"
                                .formatted(directory)));
        String generationFile = directory + "/generation_config.json";
        Optional<JsonNode> generation =
                files.apply("generation_config.json").map(content -> JsonFile.read(generationFile, content));
        ModelConfig config = HuggingFaceConfig.read(file, json, generation);
        Map<String, StoredTensor> stored =
                SafetensorsDirectory.read(directory, files).orElseThrow(() -> noWeights(directory));
        Tensors tensors = new Tensors(directory, stored);
        QuantizedModules modules =
                new QuantizedModules(QuantizationConfig.read(directory, json, files), tensors::find, tensors::required);
        Weights weights = new HuggingFaceCheckpoint(config, tensors, modules)
                .weights(json.path("tie_word_embeddings").asBoolean(false));
        String container = modules.format().isEmpty() ? "safetensors" : "safetensors " + modules.format() + " as";
        return new Checkpoint(container, config, weights, tensors.unused(), notes(file, json, modules));
    }

    private static ModelException noWeights(String directory) {
        return new ModelException(
                "%s has neither model.safetensors nor model.safetensors.index.json; fetch the model's weights"
                        .formatted(directory));
    }

    /** Merging tools leave a {@code quantization_config} behind where the weights are none: the tensors decide. */
    private static List<String> notes(String file, JsonNode json, QuantizedModules modules) {
        JsonNode quantization = json.path("quantization_config");
        if (quantization.isMissingNode()
                || quantization.isNull()
                || !modules.format().isEmpty()) {
            return List.of();
        }
        return List.of("%s: ignored quantization_config (quant_method %.60s), because the weights are not quantized"
                .formatted(file, quantization.get("quant_method")));
    }

    private Weights weights(boolean tied) {
        int hidden = config.hiddenSize();
        Tensor embedding = tensors.matrix("model.embed_tokens.weight", config.vocabularySize(), hidden);
        List<Weights.Layer> layers = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            layers.add(layer("model.layers." + layer + "."));
        }
        Tensor norm = tensors.matrix("model.norm.weight", 1, hidden);
        // A tied model may still store its head; transformers uses it then.
        Tensor head = tied && !tensors.has("lm_head.weight")
                ? embedding
                : modules.matrix("lm_head", config.vocabularySize(), hidden);
        return new Weights(embedding, layers, norm, head);
    }

    private Weights.Layer layer(String prefix) {
        int hidden = config.hiddenSize();
        int queries = config.heads() * config.headDimension();
        int keys = config.kvHeads() * config.headDimension();
        String block = prefix + (tensors.has(prefix + "mlp.gate.weight") ? "mlp." : "block_sparse_moe.");
        return new Weights.Layer(
                tensors.matrix(prefix + "input_layernorm.weight", 1, hidden),
                modules.matrix(prefix + "self_attn.q_proj", queries, hidden),
                modules.matrix(prefix + "self_attn.k_proj", keys, hidden),
                modules.matrix(prefix + "self_attn.v_proj", keys, hidden),
                modules.matrix(prefix + "self_attn.o_proj", hidden, queries),
                tensors.matrix(prefix + "post_attention_layernorm.weight", 1, hidden),
                modules.matrix(block + "gate", config.experts(), hidden),
                tensors.has(block + "experts.gate_up_proj")
                        ? stackedExperts(block + "experts.")
                        : separateExperts(block + "experts."));
    }

    private List<Weights.Expert> separateExperts(String prefix) {
        int hidden = config.hiddenSize();
        int intermediate = config.intermediateSize();
        List<Weights.Expert> experts = new ArrayList<>();
        for (int expert = 0; expert < config.experts(); expert++) {
            experts.add(new Weights.Expert(
                    modules.matrix(prefix + expert + ".w1", intermediate, hidden),
                    modules.matrix(prefix + expert + ".w3", intermediate, hidden),
                    modules.matrix(prefix + expert + ".w2", hidden, intermediate)));
        }
        return experts;
    }

    private List<Weights.Expert> stackedExperts(String prefix) {
        int hidden = config.hiddenSize();
        int intermediate = config.intermediateSize();
        List<Tensor> gateUp =
                tensors.required(prefix + "gate_up_proj").stack(config.experts(), 2 * intermediate, hidden);
        List<Tensor> down = tensors.required(prefix + "down_proj").stack(config.experts(), hidden, intermediate);
        List<Weights.Expert> experts = new ArrayList<>();
        for (int expert = 0; expert < config.experts(); expert++) {
            Tensor both = gateUp.get(expert);
            experts.add(new Weights.Expert(
                    both.rows("gate", 0, intermediate), both.rows("up", intermediate, intermediate), down.get(expert)));
        }
        return experts;
    }
}
