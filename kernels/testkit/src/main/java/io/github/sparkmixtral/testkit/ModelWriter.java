package io.github.sparkmixtral.testkit;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tokenizer.Vocabulary;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * Writes a model made in memory as a GGUF file, so that loading can be tested and measured, too, and other engines be given the same
 * weights. The rows of queries and keys are written as they are: with random weights it does not matter which elements of a head
 * rotate together.
 */
public final class ModelWriter {

    private final GgufWriter file = new GgufWriter();

    private ModelWriter() {}

    /** Writes the file, or writes it anew. */
    public static void writeGguf(Path file, Model model, Vocabulary vocabulary) throws IOException {
        ModelWriter writer = new ModelWriter();
        writer.describe(model.config());
        writer.describe(vocabulary);
        writer.add(model.weights());
        writer.file.write(file);
    }

    private void describe(ModelConfig config) {
        file.with("general.architecture", "llama")
                .with("llama.embedding_length", config.hiddenSize())
                .with("llama.feed_forward_length", config.intermediateSize())
                .with("llama.block_count", config.layers())
                .with("llama.attention.head_count", config.heads())
                .with("llama.attention.head_count_kv", config.kvHeads())
                .with("llama.attention.key_length", config.headDimension())
                .with("llama.attention.value_length", config.headDimension())
                .with("llama.rope.dimension_count", config.headDimension())
                .with("llama.expert_count", config.experts())
                .with("llama.expert_used_count", config.expertsPerToken())
                .with("llama.vocab_size", config.vocabularySize())
                .with("llama.context_length", config.maxPositions())
                .with("llama.rope.freq_base", (float) config.ropeTheta())
                .with("llama.attention.layer_norm_rms_epsilon", (float) config.rmsNormEpsilon());
    }

    private void describe(Vocabulary vocabulary) {
        file.with("tokenizer.ggml.model", "llama")
                .with("tokenizer.ggml.tokens", Arrays.asList(vocabulary.pieces()))
                .with("tokenizer.ggml.scores", vocabulary.scores())
                .with("tokenizer.ggml.token_type", vocabulary.types())
                .with("tokenizer.ggml.unknown_token_id", vocabulary.unknownTokenId())
                .with("tokenizer.ggml.bos_token_id", vocabulary.bosTokenId())
                .with("tokenizer.ggml.eos_token_id", vocabulary.eosTokenId());
    }

    private void add(Weights weights) {
        add("token_embd", weights.embedding());
        for (int i = 0; i < weights.layers().size(); i++) {
            Weights.Layer layer = weights.layers().get(i);
            String prefix = "blk." + i + ".";
            add(prefix + "attn_norm", layer.attentionNorm());
            add(prefix + "attn_q", layer.query());
            add(prefix + "attn_k", layer.key());
            add(prefix + "attn_v", layer.value());
            add(prefix + "attn_output", layer.output());
            add(prefix + "ffn_norm", layer.expertNorm());
            add(prefix + "ffn_gate_inp", layer.router());
            addExperts(prefix + "ffn_gate_exps", layer, Weights.Expert::gate);
            addExperts(prefix + "ffn_up_exps", layer, Weights.Expert::up);
            addExperts(prefix + "ffn_down_exps", layer, Weights.Expert::down);
        }
        add("output_norm", weights.outputNorm());
        add("output", weights.head());
    }

    private void add(String name, Tensor tensor) {
        long[] shape = tensor.rows() > 1 ? new long[] {tensor.columns(), tensor.rows()} : new long[] {tensor.columns()};
        file.tensor(name + ".weight", tensor.type(), List.of(tensor.data()), shape);
    }

    private void addExperts(String name, Weights.Layer layer, Function<Weights.Expert, Tensor> projection) {
        List<Tensor> experts = layer.experts().stream().map(projection).toList();
        Tensor first = experts.getFirst();
        file.tensor(
                name + ".weight",
                first.type(),
                experts.stream().map(Tensor::data).toList(),
                first.columns(),
                first.rows(),
                experts.size());
    }
}
