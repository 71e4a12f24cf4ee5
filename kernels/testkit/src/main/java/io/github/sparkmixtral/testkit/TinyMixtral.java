package io.github.sparkmixtral.testkit;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.IntStream;

/** The files of a Mixtral of two layers and a few kilobytes, in every form that is read, each tensor with values of its own. */
public final class TinyMixtral {
    public static final int HIDDEN = 32;
    public static final int INTERMEDIATE = 64;
    public static final int LAYERS = 2;
    public static final int HEADS = 4;
    public static final int KV_HEADS = 2;
    public static final int HEAD_DIMENSION = 4;
    public static final int EXPERTS = 3;
    public static final int VOCABULARY = 20;

    /** A tensor in float32, row-major. */
    public record Values(float[] values, int... shape) {
        public byte[] f32() {
            ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(values);
            return bytes.array();
        }

        public byte[] f16() {
            ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
            for (float value : values) {
                bytes.putShort(Float.floatToFloat16(value));
            }
            return bytes.array();
        }

        public byte[] bf16() {
            ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
            for (float value : values) {
                bytes.putShort((short) (Float.floatToIntBits(value) >>> 16));
            }
            return bytes.array();
        }

        public long[] shapeInnermostLast() {
            return Arrays.stream(shape).asLongStream().toArray();
        }

        public long[] shapeInnermostFirst() {
            return IntStream.range(0, shape.length)
                    .mapToLong(i -> shape[shape.length - 1 - i])
                    .toArray();
        }
    }

    private TinyMixtral() {}

    public static ObjectNode config() {
        ObjectNode config = JsonNodeFactory.instance.objectNode();
        config.putArray("architectures").add("MixtralForCausalLM");
        return config.put("model_type", "mixtral")
                .put("hidden_size", HIDDEN)
                .put("intermediate_size", INTERMEDIATE)
                .put("num_hidden_layers", LAYERS)
                .put("num_attention_heads", HEADS)
                .put("num_key_value_heads", KV_HEADS)
                .put("head_dim", HEAD_DIMENSION)
                .put("num_local_experts", EXPERTS)
                .put("num_experts_per_tok", 2)
                .put("vocab_size", VOCABULARY)
                .put("max_position_embeddings", 128)
                .put("rope_theta", 5000.0)
                .put("rms_norm_eps", 1e-6);
    }

    /** Tensors under the names of the published checkpoints. */
    public static Map<String, Values> published() {
        Map<String, Values> tensors = attention();
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "model.layers." + layer + ".block_sparse_moe.";
            put(tensors, block + "gate.weight", EXPERTS, HIDDEN);
            for (int expert = 0; expert < EXPERTS; expert++) {
                put(tensors, block + "experts." + expert + ".w1.weight", INTERMEDIATE, HIDDEN);
                put(tensors, block + "experts." + expert + ".w2.weight", HIDDEN, INTERMEDIATE);
                put(tensors, block + "experts." + expert + ".w3.weight", INTERMEDIATE, HIDDEN);
            }
        }
        return tensors;
    }

    /** The same values under the names of transformers 5's modules. */
    public static Map<String, Values> stacked() {
        Map<String, Values> published = published();
        Map<String, Values> tensors = attention();
        for (int layer = 0; layer < LAYERS; layer++) {
            String from = "model.layers." + layer + ".block_sparse_moe.";
            String to = "model.layers." + layer + ".mlp.";
            tensors.put(to + "gate.weight", published.get(from + "gate.weight"));
            List<Values> gateUp = IntStream.range(0, 2 * EXPERTS)
                    .mapToObj(
                            i -> published.get(from + "experts." + i / 2 + (i % 2 == 0 ? ".w1.weight" : ".w3.weight")))
                    .toList();
            tensors.put(to + "experts.gate_up_proj", concatenated(gateUp, EXPERTS, 2 * INTERMEDIATE, HIDDEN));
            List<Values> down = IntStream.range(0, EXPERTS)
                    .mapToObj(i -> published.get(from + "experts." + i + ".w2.weight"))
                    .toList();
            tensors.put(to + "experts.down_proj", concatenated(down, EXPERTS, HIDDEN, INTERMEDIATE));
        }
        return tensors;
    }

    private static Map<String, Values> attention() {
        Map<String, Values> tensors = new LinkedHashMap<>();
        put(tensors, "model.embed_tokens.weight", VOCABULARY, HIDDEN);
        for (int layer = 0; layer < LAYERS; layer++) {
            String prefix = "model.layers." + layer + ".";
            put(tensors, prefix + "input_layernorm.weight", HIDDEN);
            put(tensors, prefix + "self_attn.q_proj.weight", HEADS * HEAD_DIMENSION, HIDDEN);
            put(tensors, prefix + "self_attn.k_proj.weight", KV_HEADS * HEAD_DIMENSION, HIDDEN);
            put(tensors, prefix + "self_attn.v_proj.weight", KV_HEADS * HEAD_DIMENSION, HIDDEN);
            put(tensors, prefix + "self_attn.o_proj.weight", HIDDEN, HEADS * HEAD_DIMENSION);
            put(tensors, prefix + "post_attention_layernorm.weight", HIDDEN);
        }
        put(tensors, "model.norm.weight", HIDDEN);
        put(tensors, "lm_head.weight", VOCABULARY, HIDDEN);
        return tensors;
    }

    /** A Hugging Face directory with one bf16 file; no tokenizer. */
    public static Map<String, byte[]> directory(ObjectNode config, Map<String, Values> tensors) {
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("config.json", json(config));
        files.put("model.safetensors", safetensors(tensors));
        return files;
    }

    public static byte[] safetensors(Map<String, Values> tensors) {
        SafetensorsWriter builder = new SafetensorsWriter();
        tensors.forEach((name, values) -> builder.tensor(name, "BF16", values.bf16(), values.shapeInnermostLast()));
        return builder.build();
    }

    public static byte[] json(ObjectNode node) {
        return node.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** Metadata without the tokenizer, in a map so that a test may change it. */
    public static Map<String, Object> ggufMetadata() {
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("general.architecture", "llama");
        metadata.put("llama.context_length", 128);
        metadata.put("llama.embedding_length", HIDDEN);
        metadata.put("llama.block_count", LAYERS);
        metadata.put("llama.feed_forward_length", INTERMEDIATE);
        metadata.put("llama.attention.head_count", HEADS);
        metadata.put("llama.attention.head_count_kv", KV_HEADS);
        metadata.put("llama.attention.key_length", HEAD_DIMENSION);
        metadata.put("llama.attention.value_length", HEAD_DIMENSION);
        metadata.put("llama.attention.layer_norm_rms_epsilon", 1e-6f);
        metadata.put("llama.rope.freq_base", 5000f);
        metadata.put("llama.rope.dimension_count", HEAD_DIMENSION);
        metadata.put("llama.vocab_size", VOCABULARY);
        metadata.put("llama.expert_count", EXPERTS);
        metadata.put("llama.expert_used_count", 2);
        return metadata;
    }

    public static Map<String, Object> ggufTokenizer() {
        Map<String, Object> metadata = new LinkedHashMap<>();
        metadata.put("tokenizer.ggml.model", "llama");
        metadata.put(
                "tokenizer.ggml.tokens",
                IntStream.range(0, VOCABULARY)
                        .mapToObj(i -> i == 0 ? "<unk>" : i == 1 ? "<s>" : i == 2 ? "</s>" : "▁" + (char) ('a' + i))
                        .toList());
        float[] scores = new float[VOCABULARY];
        int[] types = new int[VOCABULARY];
        for (int i = 0; i < VOCABULARY; i++) {
            scores[i] = -i;
            types[i] = i == 0 ? 2 : i < 3 ? 3 : 1;
        }
        metadata.put("tokenizer.ggml.scores", scores);
        metadata.put("tokenizer.ggml.token_type", types);
        metadata.put("tokenizer.ggml.bos_token_id", 1);
        metadata.put("tokenizer.ggml.eos_token_id", 2);
        return metadata;
    }

    /** Tensors under llama.cpp's names, with the values that the published names have; experts merged or one by one. */
    public static Map<String, Values> ggufTensors(boolean merged) {
        Map<String, Values> published = published();
        Map<String, Values> tensors = new LinkedHashMap<>();
        tensors.put("token_embd.weight", published.get("model.embed_tokens.weight"));
        tensors.put("output_norm.weight", published.get("model.norm.weight"));
        tensors.put("output.weight", published.get("lm_head.weight"));
        for (int layer = 0; layer < LAYERS; layer++) {
            String from = "model.layers." + layer + ".";
            String to = "blk." + layer + ".";
            tensors.put(to + "attn_norm.weight", published.get(from + "input_layernorm.weight"));
            tensors.put(to + "attn_q.weight", published.get(from + "self_attn.q_proj.weight"));
            tensors.put(to + "attn_k.weight", published.get(from + "self_attn.k_proj.weight"));
            tensors.put(to + "attn_v.weight", published.get(from + "self_attn.v_proj.weight"));
            tensors.put(to + "attn_output.weight", published.get(from + "self_attn.o_proj.weight"));
            tensors.put(to + "ffn_norm.weight", published.get(from + "post_attention_layernorm.weight"));
            tensors.put(to + "ffn_gate_inp.weight", published.get(from + "block_sparse_moe.gate.weight"));
            for (Map.Entry<String, String> projection :
                    Map.of("gate", "w1", "down", "w2", "up", "w3").entrySet()) {
                List<Values> experts = IntStream.range(0, EXPERTS)
                        .mapToObj(i -> published.get(
                                from + "block_sparse_moe.experts." + i + "." + projection.getValue() + ".weight"))
                        .toList();
                String name = to + "ffn_" + projection.getKey();
                if (merged) {
                    int[] shape = experts.getFirst().shape();
                    tensors.put(name + "_exps.weight", concatenated(experts, EXPERTS, shape[0], shape[1]));
                } else {
                    for (int expert = 0; expert < EXPERTS; expert++) {
                        tensors.put(name + "." + expert + ".weight", experts.get(expert));
                    }
                }
            }
        }
        return tensors;
    }

    /** A GGUF file in f16. */
    public static byte[] gguf(Map<String, Object> metadata, Map<String, Values> tensors) {
        GgufWriter builder = new GgufWriter();
        metadata.forEach(builder::with);
        tensors.forEach((name, values) -> builder.tensor(name, 1, values.f16(), values.shapeInnermostFirst()));
        return builder.build();
    }

    /** Opens files that lie in memory. */
    public static Function<String, Optional<MemorySegment>> opener(Map<String, byte[]> files) {
        return name -> Optional.ofNullable(files.get(name)).map(MemorySegment::ofArray);
    }

    public static void put(Map<String, Values> tensors, String name, int... shape) {
        Random random = new Random(name.hashCode());
        float[] values = new float[Arrays.stream(shape).reduce(1, Math::multiplyExact)];
        for (int i = 0; i < values.length; i++) {
            // Few enough bits that bf16 and f16 hold them exactly.
            values[i] = (random.nextInt(255) - 127) / 64f;
        }
        tensors.put(name, new Values(values, shape));
    }

    private static Values concatenated(List<Values> parts, int... shape) {
        float[] values = new float[Arrays.stream(shape).reduce(1, Math::multiplyExact)];
        int at = 0;
        for (Values part : parts) {
            System.arraycopy(part.values(), 0, values, at, part.values().length);
            at += part.values().length;
        }
        return new Values(values, shape);
    }
}
