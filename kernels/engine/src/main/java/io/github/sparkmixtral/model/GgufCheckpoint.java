package io.github.sparkmixtral.model;

import io.github.sparkmixtral.chat.ChatTemplates;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.gguf.GgufFile;
import io.github.sparkmixtral.gguf.GgufMetadata;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A Mixtral as llama.cpp stores it: architecture {@code llama} with experts, which lie merged in one tensor per projection
 * ({@code ffn_gate_exps}) or, in files of before April 2024, in one tensor each ({@code ffn_gate.E}).
 */
final class GgufCheckpoint {
    private static final String TEMPLATE = "tokenizer.chat_template";

    private final GgufFile file;
    private final GgufMetadata metadata;
    private final Tensors tensors;

    private GgufCheckpoint(GgufFile file) {
        this.file = file;
        this.metadata = file.metadata();
        this.tensors = new Tensors(file.file(), file.tensors());
    }

    /** Everything but the tokenizer. */
    static Checkpoint read(GgufFile file) {
        return new GgufCheckpoint(file).checkpoint();
    }

    /** The tokenizer that the metadata holds. */
    static Vocabulary vocabulary(GgufFile file) {
        GgufMetadata metadata = file.metadata();
        String model =
                metadata.string("tokenizer.ggml.model").orElseThrow(() -> metadata.missing("tokenizer.ggml.model"));
        if (!model.equals("llama")) {
            throw new ModelException(
                    "%s: metadata tokenizer.ggml.model is %.60s; only llama, which is SentencePiece BPE, is supported"
                            .formatted(file.file(), model));
        }
        return new Vocabulary(
                file.file(),
                metadata.strings("tokenizer.ggml.tokens"),
                metadata.floats("tokenizer.ggml.scores"),
                metadata.integers("tokenizer.ggml.token_type"),
                metadata.integer("tokenizer.ggml.unknown_token_id").orElse(0),
                metadata.integer("tokenizer.ggml.bos_token_id").orElse(1),
                metadata.integer("tokenizer.ggml.eos_token_id").orElse(2),
                metadata.flag("tokenizer.ggml.add_space_prefix").orElse(true));
    }

    /** The chat templates that the metadata holds. */
    static ChatTemplates chatTemplates(GgufFile file) {
        GgufMetadata metadata = file.metadata();
        Map<String, String> templates = new HashMap<>();
        metadata.string(TEMPLATE).ifPresent(template -> templates.put("default", template));
        metadata.keys().stream()
                .filter(key -> key.startsWith(TEMPLATE + "."))
                .forEach(key -> metadata.string(key)
                        .ifPresent(template -> templates.put(key.substring(TEMPLATE.length() + 1), template)));
        return new ChatTemplates(file.file() + " (" + TEMPLATE + ")", templates, Map.of());
    }

    private Checkpoint checkpoint() {
        checkSupported();
        ModelConfig config;
        try {
            config = config();
        } catch (ModelException e) {
            throw e.getMessage().startsWith(file.file())
                    ? e
                    : new ModelException(file.file() + ": " + e.getMessage(), e);
        }
        Weights weights = weights(config);
        // llama.cpp refuses these too: a bias, rope factors or a further layer would change every result.
        if (!tensors.unused().isEmpty()) {
            throw new ModelException(
                    "%s has %d tensors that a Mixtral of its metadata does not have, such as %s; it cannot be run without them"
                            .formatted(
                                    file.file(),
                                    tensors.unused().size(),
                                    tensors.unused().getFirst()));
        }
        return new Checkpoint("gguf", config, weights, List.of(), List.of());
    }

    private void checkSupported() {
        String architecture =
                metadata.string("general.architecture").orElseThrow(() -> metadata.missing("general.architecture"));
        if (!architecture.equals("llama")) {
            throw new ModelException(
                    "%s holds a model of the architecture %.60s, and not a Mixtral, which is llama with experts"
                            .formatted(file.file(), architecture));
        }
        if (metadata.integer("llama.expert_count").orElse(0) == 0) {
            throw new ModelException(
                    "%s holds a dense llama model, and not a Mixtral: metadata llama.expert_count is 0 or missing"
                            .formatted(file.file()));
        }
        String scaling = metadata.string("llama.rope.scaling.type").orElse("none");
        double factor = metadata.number("llama.rope.scaling.factor")
                .orElse(metadata.number("llama.rope.scale_linear").orElse(1));
        if (!scaling.equals("none") && !scaling.equals("linear") || factor != 0 && factor != 1) {
            throw new ModelException(
                    "%s: the metadata llama.rope.scaling asks for the scaling %.60s by %s, which is not supported; only unscaled rotary embeddings are"
                            .formatted(file.file(), scaling, factor));
        }
        int gating = metadata.integer("llama.expert_gating_func").orElse(1);
        if (gating > 1) {
            throw new ModelException("%s: metadata llama.expert_gating_func is %d; only softmax (1) is supported"
                    .formatted(file.file(), gating));
        }
    }

    private ModelConfig config() {
        int hidden = metadata.requiredInteger("llama.embedding_length");
        int heads = metadata.requiredInteger("llama.attention.head_count");
        // Some converters leave key_length out where it is not hidden / heads; Mixtral rotates whole heads, so the
        // width
        // that rotates is the head's. The tensors' shapes are checked against it in any case.
        int headDimension = metadata.integer("llama.attention.key_length")
                .orElseGet(() -> metadata.integer("llama.rope.dimension_count").orElse(heads > 0 ? hidden / heads : 0));
        require("llama.attention.value_length", headDimension);
        require("llama.rope.dimension_count", headDimension);
        return new ModelConfig(
                hidden,
                metadata.requiredInteger("llama.feed_forward_length"),
                metadata.requiredInteger("llama.block_count"),
                heads,
                metadata.integer("llama.attention.head_count_kv").orElse(heads),
                headDimension,
                metadata.requiredInteger("llama.expert_count"),
                metadata.requiredInteger("llama.expert_used_count"),
                vocabularySize(),
                metadata.requiredInteger("llama.context_length"),
                metadata.number("llama.rope.freq_base").orElse(10000),
                metadata.number("llama.attention.layer_norm_rms_epsilon")
                        .orElseThrow(() -> metadata.missing("llama.attention.layer_norm_rms_epsilon")),
                metadata.integer("llama.attention.sliding_window").orElse(0),
                ModelConfig.RopeLayout.NEIGHBOURS,
                metadata.integer("tokenizer.ggml.bos_token_id").orElse(1),
                endTokens());
    }

    /** Heads are one width throughout: an optional key that says otherwise is no Mixtral. */
    private void require(String key, int headDimension) {
        int stated = metadata.integer(key).orElse(headDimension);
        if (stated != headDimension) {
            throw new ModelException("%s: metadata %s is %d, but must equal the head dimension %d"
                    .formatted(file.file(), key, stated, headDimension));
        }
    }

    private int vocabularySize() {
        StoredTensor embedding = tensors.required("token_embd.weight");
        long rows = embedding.shape().size() == 2 ? embedding.shape().getFirst() : 0;
        long stated = metadata.integer("llama.vocab_size").orElse((int) Math.min(rows, Integer.MAX_VALUE));
        if (rows != stated) {
            throw new ModelException(
                    "%s: tensor token_embd.weight has the shape %s, but metadata llama.vocab_size is %d"
                            .formatted(file.file(), embedding.shape(), stated));
        }
        return (int) rows;
    }

    /** End of text, and end of turn where a fine-tuned model has one. */
    private List<Integer> endTokens() {
        List<Integer> tokens = new ArrayList<>();
        tokens.add(metadata.integer("tokenizer.ggml.eos_token_id").orElse(2));
        for (String key : List.of("tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id")) {
            metadata.integer(key).ifPresent(token -> {
                if (!tokens.contains(token)) {
                    tokens.add(token);
                }
            });
        }
        return tokens;
    }

    private Weights weights(ModelConfig config) {
        int hidden = config.hiddenSize();
        int vocabulary = config.vocabularySize();
        Tensor embedding = tensors.matrix("token_embd.weight", vocabulary, hidden);
        List<Weights.Layer> layers = new ArrayList<>();
        for (int layer = 0; layer < config.layers(); layer++) {
            layers.add(layer(config, "blk." + layer + "."));
        }
        return new Weights(
                embedding,
                layers,
                tensors.matrix("output_norm.weight", 1, hidden),
                tensors.has("output.weight") ? tensors.matrix("output.weight", vocabulary, hidden) : embedding);
    }

    private Weights.Layer layer(ModelConfig config, String prefix) {
        int hidden = config.hiddenSize();
        int intermediate = config.intermediateSize();
        int queries = config.heads() * config.headDimension();
        int keys = config.kvHeads() * config.headDimension();
        List<Tensor> gate = experts(config, prefix + "ffn_gate", intermediate, hidden);
        List<Tensor> up = experts(config, prefix + "ffn_up", intermediate, hidden);
        List<Tensor> down = experts(config, prefix + "ffn_down", hidden, intermediate);
        List<Weights.Expert> experts = new ArrayList<>();
        for (int expert = 0; expert < config.experts(); expert++) {
            experts.add(new Weights.Expert(gate.get(expert), up.get(expert), down.get(expert)));
        }
        return new Weights.Layer(
                tensors.matrix(prefix + "attn_norm.weight", 1, hidden),
                tensors.matrix(prefix + "attn_q.weight", queries, hidden),
                tensors.matrix(prefix + "attn_k.weight", keys, hidden),
                tensors.matrix(prefix + "attn_v.weight", keys, hidden),
                tensors.matrix(prefix + "attn_output.weight", hidden, queries),
                tensors.matrix(prefix + "ffn_norm.weight", 1, hidden),
                tensors.matrix(prefix + "ffn_gate_inp.weight", config.experts(), hidden),
                experts);
    }

    private List<Tensor> experts(ModelConfig config, String prefix, int rows, int columns) {
        // Where there is neither form, the error names the one that is written today.
        if (!tensors.has(prefix + ".0.weight")) {
            return tensors.required(prefix + "_exps.weight").stack(config.experts(), rows, columns);
        }
        List<Tensor> experts = new ArrayList<>();
        for (int expert = 0; expert < config.experts(); expert++) {
            experts.add(tensors.matrix(prefix + "." + expert + ".weight", rows, columns));
        }
        return experts;
    }
}
