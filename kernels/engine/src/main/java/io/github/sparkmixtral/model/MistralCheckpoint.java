package io.github.sparkmixtral.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.safetensors.SafetensorsDirectory;
import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * Mistral's own layout: {@code params.json} and {@code consolidated*.safetensors}. Rows of queries and keys lie so that neighbours
 * rotate together. Experts have a tensor each ({@code feed_forward.experts.E.w1.weight}) or, in the first Mixtral, lie one below the
 * other in one tensor per projection ({@code block_sparse_moe.w1}, {@code [experts * intermediate, hidden]}), {@code w2} too, which
 * stands there transposed.
 */
final class MistralCheckpoint {
    private final ModelConfig config;
    private final Tensors tensors;
    private final UnaryOperator<Tensor> transposition;

    private MistralCheckpoint(ModelConfig config, Tensors tensors, UnaryOperator<Tensor> transposition) {
        this.config = config;
        this.tensors = tensors;
        this.transposition = transposition;
    }

    /**
     * Reads everything but the tokenizer.
     *
     * @param directory for error messages
     * @param names of the directory's files
     * @param files maps a file of the directory by its name; empty where there is none
     * @param transposition makes a matrix {@code [columns, rows]} of one {@code [rows, columns]}
     */
    static Checkpoint read(
            String directory,
            List<String> names,
            Function<String, Optional<MemorySegment>> files,
            UnaryOperator<Tensor> transposition) {
        String file = directory + "/params.json";
        JsonNode params = files.apply("params.json")
                .map(content -> JsonFile.read(file, content))
                .orElseThrow(() -> new ModelException("%s is missing; fetch it".formatted(file)));
        ModelConfig config = MistralParams.read(file, params);
        List<String> weightFiles = names.stream()
                .filter(name -> name.startsWith("consolidated") && name.endsWith(".safetensors"))
                .toList();
        Tensors tensors = new Tensors(directory, SafetensorsDirectory.union(directory, weightFiles, files));
        Weights weights = new MistralCheckpoint(config, tensors, transposition)
                .weights(params.path("tied_embeddings").asBoolean(false));
        return new Checkpoint("safetensors", config, weights, tensors.unused(), List.of());
    }

    private Weights weights(boolean tied) {
        int hidden = config.hiddenSize();
        Tensor embedding = tensors.matrix("tok_embeddings.weight", config.vocabularySize(), hidden);
        List<Weights.Layer> layers = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            layers.add(layer("layers." + layer + "."));
        }
        return new Weights(
                embedding,
                layers,
                tensors.matrix("norm.weight", 1, hidden),
                tied && !tensors.has("output.weight")
                        ? embedding
                        : tensors.matrix("output.weight", config.vocabularySize(), hidden));
    }

    private Weights.Layer layer(String prefix) {
        int hidden = config.hiddenSize();
        int queries = config.heads() * config.headDimension();
        int keys = config.kvHeads() * config.headDimension();
        String block =
                prefix + (tensors.has(prefix + "block_sparse_moe.gate.weight") ? "block_sparse_moe." : "feed_forward.");
        return new Weights.Layer(
                tensors.matrix(prefix + "attention_norm.weight", 1, hidden),
                tensors.matrix(prefix + "attention.wq.weight", queries, hidden),
                tensors.matrix(prefix + "attention.wk.weight", keys, hidden),
                tensors.matrix(prefix + "attention.wv.weight", keys, hidden),
                tensors.matrix(prefix + "attention.wo.weight", hidden, queries),
                tensors.matrix(prefix + "ffn_norm.weight", 1, hidden),
                tensors.matrix(block + "gate.weight", config.experts(), hidden),
                tensors.has(block + "w1") ? stackedExperts(block) : separateExperts(block + "experts."));
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

    private List<Weights.Expert> stackedExperts(String block) {
        int intermediate = config.intermediateSize();
        long all = (long) config.experts() * intermediate;
        if (all > Integer.MAX_VALUE) {
            throw new ModelException("%s: %d experts of %d rows are more than 2^31 rows"
                    .formatted(tensors.required(block + "w1").file(), config.experts(), intermediate));
        }
        int rows = (int) all;
        Tensor gate = tensors.matrix(block + "w1", rows, config.hiddenSize());
        Tensor down = tensors.matrix(block + "w2", rows, config.hiddenSize());
        Tensor up = tensors.matrix(block + "w3", rows, config.hiddenSize());
        List<Weights.Expert> experts = new ArrayList<>();
        for (int expert = 0; expert < config.experts(); expert++) {
            String part = Integer.toString(expert);
            int first = expert * intermediate;
            experts.add(new Weights.Expert(
                    gate.rows(part, first, intermediate),
                    up.rows(part, first, intermediate),
                    transposition.apply(down.rows(part, first, intermediate))));
        }
        return experts;
    }
}
