package io.github.sparkmixtral.job.model;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Models of full size whose weights are holes in their files. */
public final class SparseMixtral {
    /** The small model of the demo. */
    static final Path DEMO =
            Path.of("..", "conf", "demo", "model.gguf").toAbsolutePath().normalize();

    /** Metadata far longer than what is read at first. */
    private static final int METADATA = 6 << 20;

    private static final int LAYERS = 32;
    private static final int SHARD_LAYERS = 16;
    private static final int HIDDEN = 4096;
    private static final int INTERMEDIATE = 14336;
    private static final int VOCABULARY = 32000;

    private SparseMixtral() {}

    /** The demo's model with some megabytes more of metadata, and some gigabytes more of nothing. */
    static void writeGguf(Path file, long length) throws IOException {
        byte[] demo = Files.readAllBytes(DEMO);
        byte[] key = "padding!".getBytes(StandardCharsets.US_ASCII);
        int pairs = 16;
        int firstPair = 24;
        ByteBuffer bytes = ByteBuffer.allocate(demo.length + METADATA).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(demo, 0, firstPair).putLong(pairs, bytes.getLong(pairs) + 1);
        // A pair of a multiple of the alignment leaves all behind it aligned.
        bytes.putLong(key.length).put(key).putInt(8);
        int text = METADATA - 8 - key.length - 4 - 8;
        bytes.putLong(text).put(" ".repeat(text).getBytes(StandardCharsets.US_ASCII));
        bytes.put(demo, firstPair, demo.length - firstPair);
        write(file, bytes.array(), length);
    }

    /** Mixtral 8x7B in bf16. */
    public static void writeDirectory(Path directory) throws IOException {
        Files.createDirectories(directory);
        Files.writeString(directory.resolve("config.json"), """
                {"architectures":["MixtralForCausalLM"],"model_type":"mixtral","hidden_size":4096,"intermediate_size":14336,
                "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"num_local_experts":8,
                "num_experts_per_tok":2,"vocab_size":32000,"max_position_embeddings":32768,"rope_theta":1e6,
                "rms_norm_eps":1e-5}
                """);
        Files.writeString(directory.resolve("tokenizer.json"), tokenizer());
        Map<String, String> shards = new LinkedHashMap<>();
        for (int first = 0; first < LAYERS; first += SHARD_LAYERS) {
            String shard = "model-%05d.safetensors".formatted(first);
            Map<String, long[]> tensors = tensors(first);
            tensors.keySet().forEach(name -> shards.put(name, shard));
            writeShard(directory.resolve(shard), tensors);
        }
        Files.writeString(
                directory.resolve("model.safetensors.index.json"),
                shards.entrySet().stream()
                        .map(entry -> "\"%s\":\"%s\"".formatted(entry.getKey(), entry.getValue()))
                        .collect(Collectors.joining(",", "{\"weight_map\":{", "}}")));
    }

    private static String tokenizer() {
        return IntStream.range(3, VOCABULARY)
                .mapToObj(id -> ",\"▁%d\":%d".formatted(id, id))
                .collect(Collectors.joining("", """
                        {"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true},
                        {"id":2,"content":"</s>","special":true}],
                        "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
                        {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"pre_tokenizer":null,
                        "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
                        {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
                        "model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":false,"merges":[],
                        "vocab":{"<unk>":0,"<s>":1,"</s>":2""", "}}}"));
    }

    private static Map<String, long[]> tensors(int firstLayer) {
        Map<String, long[]> tensors = new LinkedHashMap<>();
        if (firstLayer == 0) {
            tensors.put("model.embed_tokens.weight", new long[] {VOCABULARY, HIDDEN});
            tensors.put("model.norm.weight", new long[] {HIDDEN});
            tensors.put("lm_head.weight", new long[] {VOCABULARY, HIDDEN});
        }
        for (int layer = firstLayer; layer < firstLayer + SHARD_LAYERS; layer++) {
            String prefix = "model.layers." + layer + ".";
            tensors.put(prefix + "input_layernorm.weight", new long[] {HIDDEN});
            tensors.put(prefix + "post_attention_layernorm.weight", new long[] {HIDDEN});
            tensors.put(prefix + "self_attn.q_proj.weight", new long[] {HIDDEN, HIDDEN});
            tensors.put(prefix + "self_attn.k_proj.weight", new long[] {HIDDEN / 4, HIDDEN});
            tensors.put(prefix + "self_attn.v_proj.weight", new long[] {HIDDEN / 4, HIDDEN});
            tensors.put(prefix + "self_attn.o_proj.weight", new long[] {HIDDEN, HIDDEN});
            tensors.put(prefix + "block_sparse_moe.gate.weight", new long[] {8, HIDDEN});
            for (int expert = 0; expert < 8; expert++) {
                String experts = prefix + "block_sparse_moe.experts." + expert;
                tensors.put(experts + ".w1.weight", new long[] {INTERMEDIATE, HIDDEN});
                tensors.put(experts + ".w2.weight", new long[] {HIDDEN, INTERMEDIATE});
                tensors.put(experts + ".w3.weight", new long[] {INTERMEDIATE, HIDDEN});
            }
        }
        return tensors;
    }

    private static void writeShard(Path file, Map<String, long[]> tensors) throws IOException {
        StringBuilder header = new StringBuilder();
        long end = 0;
        for (Map.Entry<String, long[]> tensor : tensors.entrySet()) {
            long bytes = 2;
            for (long dimension : tensor.getValue()) {
                bytes *= dimension;
            }
            header.append(header.isEmpty() ? '{' : ',')
                    .append("\"%s\":{\"dtype\":\"BF16\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                            .formatted(tensor.getKey(), Arrays.toString(tensor.getValue()), end, end + bytes));
            end += bytes;
        }
        byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer head = ByteBuffer.allocate(8 + json.length).order(ByteOrder.LITTLE_ENDIAN);
        write(file, head.putLong(json.length).put(json).array(), head.capacity() + end);
    }

    /** A file that begins with the head and goes on with a hole. */
    static void write(Path file, byte[] head, long length) throws IOException {
        try (FileChannel out = FileChannel.open(
                file, StandardOpenOption.CREATE_NEW, StandardOpenOption.SPARSE, StandardOpenOption.WRITE)) {
            out.write(ByteBuffer.allocate(1), length - 1);
            out.write(ByteBuffer.wrap(head), 0);
        }
    }
}
