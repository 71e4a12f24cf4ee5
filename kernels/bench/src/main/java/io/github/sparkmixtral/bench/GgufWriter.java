package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.tokenizer.Vocabulary;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * Writes a model as a GGUF file of version 3, after the
 * <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">specification</a>, so that loading can be measured, too, and
 * other engines be given the same weights. The rows of queries and keys are written as they are: with random weights it does not
 * matter which elements of a head rotate together.
 */
final class GgufWriter {

    private static final int ALIGNMENT = 32;
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    /** A tensor of the file: matrices of one shape, one after the other. */
    private record Entry(String name, List<Tensor> parts) {

        long bytes() {
            return parts.stream().mapToLong(part -> part.data().byteSize()).sum();
        }
    }

    private final ByteArrayOutputStream metadata = new ByteArrayOutputStream();
    private final List<Entry> entries = new ArrayList<>();
    private long pairs;

    private GgufWriter() {}

    /** Writes the file, or writes it anew. */
    static void write(Path file, Model model, Vocabulary vocabulary) throws IOException {
        GgufWriter writer = new GgufWriter();
        writer.describe(model.config());
        writer.describe(vocabulary);
        writer.add(model.weights());
        writer.write(file);
    }

    private void describe(ModelConfig config) {
        text("general.architecture", "llama");
        number("llama.embedding_length", config.hiddenSize());
        number("llama.feed_forward_length", config.intermediateSize());
        number("llama.block_count", config.layers());
        number("llama.attention.head_count", config.heads());
        number("llama.attention.head_count_kv", config.kvHeads());
        number("llama.attention.key_length", config.headDimension());
        number("llama.attention.value_length", config.headDimension());
        number("llama.rope.dimension_count", config.headDimension());
        number("llama.expert_count", config.experts());
        number("llama.expert_used_count", config.expertsPerToken());
        number("llama.vocab_size", config.vocabularySize());
        number("llama.context_length", config.maxPositions());
        pair("llama.rope.freq_base", FLOAT32, float32((float) config.ropeTheta()));
        pair("llama.attention.layer_norm_rms_epsilon", FLOAT32, float32((float) config.rmsNormEpsilon()));
    }

    private void describe(Vocabulary vocabulary) {
        text("tokenizer.ggml.model", "llama");
        ByteArrayOutputStream pieces = array(STRING, vocabulary.pieces().length);
        ByteArrayOutputStream scores = array(FLOAT32, vocabulary.pieces().length);
        ByteArrayOutputStream types = array(INT32, vocabulary.pieces().length);
        for (int id = 0; id < vocabulary.pieces().length; id++) {
            pieces.writeBytes(string(vocabulary.pieces()[id]));
            scores.writeBytes(float32(vocabulary.scores()[id]));
            types.writeBytes(int32(vocabulary.types()[id]));
        }
        pair("tokenizer.ggml.tokens", ARRAY, pieces.toByteArray());
        pair("tokenizer.ggml.scores", ARRAY, scores.toByteArray());
        pair("tokenizer.ggml.token_type", ARRAY, types.toByteArray());
        number("tokenizer.ggml.unknown_token_id", vocabulary.unknownTokenId());
        number("tokenizer.ggml.bos_token_id", vocabulary.bosTokenId());
        number("tokenizer.ggml.eos_token_id", vocabulary.eosTokenId());
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
        entries.add(new Entry(name + ".weight", List.of(tensor)));
    }

    private void addExperts(String name, Weights.Layer layer, Function<Weights.Expert, Tensor> projection) {
        entries.add(new Entry(
                name + ".weight", layer.experts().stream().map(projection).toList()));
    }

    private void write(Path file) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        head.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        head.writeBytes(int32(3));
        head.writeBytes(int64(entries.size()));
        head.writeBytes(int64(pairs));
        head.writeBytes(metadata.toByteArray());
        long offset = 0;
        for (Entry entry : entries) {
            Tensor part = entry.parts().getFirst();
            // Dimensions from the innermost out; a vector has one.
            List<Integer> shape = entry.parts().size() > 1
                    ? List.of(part.columns(), part.rows(), entry.parts().size())
                    : part.rows() > 1 ? List.of(part.columns(), part.rows()) : List.of(part.columns());
            head.writeBytes(string(entry.name()));
            head.writeBytes(int32(shape.size()));
            shape.forEach(dimension -> head.writeBytes(int64(dimension)));
            head.writeBytes(int32(number(part.type())));
            head.writeBytes(int64(offset));
            offset += aligned(entry.bytes());
        }
        try (FileChannel out = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            write(out, ByteBuffer.wrap(head.toByteArray()));
            pad(out);
            for (Entry entry : entries) {
                for (Tensor part : entry.parts()) {
                    write(out, part);
                }
                pad(out);
            }
        }
    }

    /** A buffer has no more than two billion bytes, a matrix may have. */
    private static void write(FileChannel out, Tensor tensor) throws IOException {
        long size = tensor.data().byteSize();
        for (long at = 0; at < size; at += 1 << 30) {
            write(out, tensor.data().asSlice(at, Math.min(1 << 30, size - at)).asByteBuffer());
        }
    }

    private static void write(FileChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    private static void pad(FileChannel out) throws IOException {
        write(out, ByteBuffer.allocate((int) (aligned(out.position()) - out.position())));
    }

    private static long aligned(long bytes) {
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    /** The number that GGUF gives a type ({@code ggml_type}). */
    private static int number(TensorType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case Q4_0 -> 2;
            case Q4_1 -> 3;
            case Q5_0 -> 6;
            case Q5_1 -> 7;
            case Q8_0 -> 8;
            case Q4_K -> 12;
            case Q5_K -> 13;
            case Q6_K -> 14;
            case BF16 -> 30;
        };
    }

    private void text(String key, String value) {
        pair(key, STRING, string(value));
    }

    private void number(String key, int value) {
        pair(key, UINT32, int32(value));
    }

    private void pair(String key, int type, byte[] value) {
        metadata.writeBytes(string(key));
        metadata.writeBytes(int32(type));
        metadata.writeBytes(value);
        pairs++;
    }

    private static ByteArrayOutputStream array(int type, int count) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(int32(type));
        out.writeBytes(int64(count));
        return out;
    }

    private static byte[] string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return little(Long.BYTES + bytes.length)
                .putLong(bytes.length)
                .put(bytes)
                .array();
    }

    private static byte[] float32(float value) {
        return little(Float.BYTES).putFloat(value).array();
    }

    private static byte[] int32(int value) {
        return little(Integer.BYTES).putInt(value).array();
    }

    private static byte[] int64(long value) {
        return little(Long.BYTES).putLong(value).array();
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
