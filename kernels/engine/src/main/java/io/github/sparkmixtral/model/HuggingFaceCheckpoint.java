package io.github.sparkmixtral.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.safetensors.SafetensorsDirectory;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * A Hugging Face directory: {@code config.json} and safetensors under the names of the published checkpoints
 * ({@code block_sparse_moe.experts.E.w1.weight}) or under those of transformers 5's own modules
 * ({@code mlp.experts.gate_up_proj}, all experts in one tensor).
 */
final class HuggingFaceCheckpoint {
    /** As GPTQ, AWQ, bitsandbytes, compressed-tensors and FP8 name what belongs to a quantized matrix. */
    private static final Pattern QUANTIZATION_TENSOR = Pattern.compile(
            ".*[._](qweight|qzeros|scales|g_idx|absmax|quant_map|quant_state.*|SCB|weight_packed|weight_scale.*|weight_zero_point|input_scale)");

    private final ModelConfig config;
    private final Tensors tensors;

    private HuggingFaceCheckpoint(ModelConfig config, Tensors tensors) {
        this.config = config;
        this.tensors = tensors;
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
        List<String> notes = quantizationNotes(file, json.path("quantization_config"), stored);
        Tensors tensors = new Tensors(directory, stored);
        Weights weights = new HuggingFaceCheckpoint(config, tensors)
                .weights(json.path("tie_word_embeddings").asBoolean(false));
        return new Checkpoint("safetensors", config, weights, tensors.unused(), notes);
    }

    private static ModelException noWeights(String directory) {
        return new ModelException(
                "%s has neither model.safetensors nor model.safetensors.index.json; fetch the model's weights"
                        .formatted(directory));
    }

    /** Merging tools leave a {@code quantization_config} behind where the weights are none: the tensors decide. */
    private static List<String> quantizationNotes(
            String file, JsonNode quantization, Map<String, StoredTensor> stored) {
        if (quantization.isMissingNode() || quantization.isNull()) {
            return List.of();
        }
        if (isQuantized(stored)) {
            throw new ModelException(
                    "%s: the weights are quantized (quantization_config: quant_method %.60s), which is not supported; take the unquantized model with --quantization q8_0 or q4_0, or a GGUF file"
                            .formatted(file, quantization.get("quant_method")));
        }
        return List.of("%s: ignored quantization_config (quant_method %.60s), because the weights are not quantized"
                .formatted(file, quantization.get("quant_method")));
    }

    /** Whether there are weights of a type that is not float, or tensors that belong to quantized weights. */
    private static boolean isQuantized(Map<String, StoredTensor> stored) {
        return stored.values().stream()
                .anyMatch(tensor -> tensor.type().isEmpty()
                        || QUANTIZATION_TENSOR.matcher(tensor.name()).matches());
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
                : tensors.matrix("lm_head.weight", config.vocabularySize(), hidden);
        return new Weights(embedding, layers, norm, head);
    }

    private Weights.Layer layer(String prefix) {
        int hidden = config.hiddenSize();
        int queries = config.heads() * config.headDimension();
        int keys = config.kvHeads() * config.headDimension();
        String block = prefix + (tensors.has(prefix + "mlp.gate.weight") ? "mlp." : "block_sparse_moe.");
        return new Weights.Layer(
                tensors.matrix(prefix + "input_layernorm.weight", 1, hidden),
                tensors.matrix(prefix + "self_attn.q_proj.weight", queries, hidden),
                tensors.matrix(prefix + "self_attn.k_proj.weight", keys, hidden),
                tensors.matrix(prefix + "self_attn.v_proj.weight", keys, hidden),
                tensors.matrix(prefix + "self_attn.o_proj.weight", hidden, queries),
                tensors.matrix(prefix + "post_attention_layernorm.weight", 1, hidden),
                tensors.matrix(block + "gate.weight", config.experts(), hidden),
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
                    tensors.matrix(prefix + expert + ".w1.weight", intermediate, hidden),
                    tensors.matrix(prefix + expert + ".w3.weight", intermediate, hidden),
                    tensors.matrix(prefix + expert + ".w2.weight", hidden, intermediate)));
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
