package io.github.sparkmixtral.testkit;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tokenizer.Vocabulary;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Writes a model made in memory as a GGUF file, so that loading can be tested and measured, too, and other engines be given the same
 * weights. The rows of queries and keys are written as they are: with random weights it does not matter which elements of a head
 * rotate together.
 */
public final class ModelWriter {

    /** How many tensors the experts' matrices of one kind are. */
    public enum Experts {
        /** One, as since April 2024. */
        MERGED,
        /** As many as there are experts. */
        SEPARATE
    }

    private final List<GgufWriter> parts;
    private final Experts experts;
    private final GgufWriter file;
    private int tensors;

    private ModelWriter(int parts, Experts experts) {
        this.parts = Stream.generate(GgufWriter::new).limit(parts).toList();
        this.experts = experts;
        file = this.parts.getFirst();
    }

    /** Writes the file, or writes it anew. */
    public static void writeGguf(Path file, Model model, Vocabulary vocabulary) throws IOException {
        writeGguf(file, model, vocabulary, Experts.MERGED);
    }

    /** The same, with the experts as they shall be. */
    public static void writeGguf(Path file, Model model, Vocabulary vocabulary, Experts experts) throws IOException {
        written(1, experts, model, vocabulary).file.write(file);
    }

    /**
     * Writes a model split into parts of about as many tensors, {@code m-00001-of-00003.gguf} and so on.
     *
     * @return the parts
     */
    public static List<Path> writeSplitGguf(Path directory, int parts, Model model, Vocabulary vocabulary)
            throws IOException {
        ModelWriter writer = written(parts, Experts.MERGED, model, vocabulary);
        writer.file.with("split.tensors.count", writer.tensors);
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < parts; i++) {
            files.add(directory.resolve("m-%05d-of-%05d.gguf".formatted(i + 1, parts)));
            writer.parts.get(i).with("split.no", i).with("split.count", parts).write(files.getLast());
        }
        return files;
    }

    private static ModelWriter written(int parts, Experts experts, Model model, Vocabulary vocabulary) {
        ModelWriter writer = new ModelWriter(parts, experts);
        writer.describe(model.config());
        writer.describe(vocabulary);
        writer.add(model.weights());
        return writer;
    }

    private GgufWriter nextPart() {
        return parts.get(tensors++ % parts.size());
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
            addExperts(prefix + "ffn_gate", layer, Weights.Expert::gate);
            addExperts(prefix + "ffn_up", layer, Weights.Expert::up);
            addExperts(prefix + "ffn_down", layer, Weights.Expert::down);
        }
        add("output_norm", weights.outputNorm());
        add("output", weights.head());
    }

    private void add(String name, Tensor tensor) {
        long[] shape = tensor.rows() > 1 ? new long[] {tensor.columns(), tensor.rows()} : new long[] {tensor.columns()};
        nextPart().tensor(name + ".weight", tensor.type(), List.of(tensor.data()), shape);
    }

    private void addExperts(String name, Weights.Layer layer, Function<Weights.Expert, Tensor> projection) {
        List<Tensor> matrices = layer.experts().stream().map(projection).toList();
        if (experts == Experts.SEPARATE) {
            for (int i = 0; i < matrices.size(); i++) {
                add(name + "." + i, matrices.get(i));
            }
            return;
        }
        Tensor first = matrices.getFirst();
        nextPart()
                .tensor(
                        name + "_exps.weight",
                        first.type(),
                        matrices.stream().map(Tensor::data).toList(),
                        first.columns(),
                        first.rows(),
                        matrices.size());
    }
}
