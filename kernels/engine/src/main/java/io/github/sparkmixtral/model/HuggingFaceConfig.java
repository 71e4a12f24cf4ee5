package io.github.sparkmixtral.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.ModelException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * {@code config.json} of a {@code MixtralForCausalLM}, as transformers 4 and 5 write it. An absent key has the default that
 * transformers' {@code MixtralConfig} gives it.
 */
final class HuggingFaceConfig {
    private final String file;
    private final JsonNode config;

    private HuggingFaceConfig(String file, JsonNode config) {
        this.file = file;
        this.config = config;
    }

    /**
     * @param file {@code config.json}, for error messages
     * @param generation {@code generation_config.json}, whose end-of-sequence tokens count beside those of {@code config}
     * @throws ModelException where it describes another model, or a Mixtral that is not supported
     */
    static ModelConfig read(String file, JsonNode config, Optional<JsonNode> generation) {
        HuggingFaceConfig reader = new HuggingFaceConfig(file, config);
        reader.checkSupported();
        try {
            return reader.modelConfig(generation);
        } catch (ModelException e) {
            throw e.getMessage().startsWith(file) ? e : new ModelException(file + ": " + e.getMessage(), e);
        }
    }

    private ModelConfig modelConfig(Optional<JsonNode> generation) {
        int hidden = integer("hidden_size", 4096);
        int heads = integer("num_attention_heads", 32);
        // Fine-tunings change one of the two files and forget the other: what either names ends a generation.
        Set<Integer> eos = new LinkedHashSet<>();
        generation.ifPresent(g -> eos.addAll(tokens("generation_config.json: eos_token_id", g.get("eos_token_id"))));
        eos.addAll(tokens("eos_token_id", config.get("eos_token_id")));
        return new ModelConfig(
                hidden,
                integer("intermediate_size", 14336),
                integer("num_hidden_layers", 32),
                heads,
                kvHeads(heads),
                integer("head_dim", heads > 0 ? hidden / heads : 0),
                experts(),
                integer("num_experts_per_tok", 2),
                integer("vocab_size", 32000),
                integer("max_position_embeddings", 131072),
                ropeTheta(),
                number("rms_norm_eps", config.get("rms_norm_eps"), 1e-5),
                slidingWindow(),
                ModelConfig.RopeLayout.HALVES,
                integer("bos_token_id", 1),
                eos.isEmpty() ? List.of(2) : List.copyOf(eos));
    }

    private void checkSupported() {
        JsonNode type = config.get("model_type");
        JsonNode architectures = config.get("architectures");
        boolean named = present(architectures) && !architectures.isEmpty();
        boolean stated = present(type) || named;
        boolean mixtral = (!present(type) || type.asText().equals("mixtral"))
                && (!named || architectures.path(0).asText().equals("MixtralForCausalLM"));
        if (!stated || !mixtral) {
            throw new ModelException(
                    "%s describes a model of type %.60s with the architectures %.100s, and not a MixtralForCausalLM of type mixtral, which is all that can be run"
                            .formatted(file, type, architectures));
        }
        JsonNode activation = config.get("hidden_act");
        if (present(activation) && !activation.asText().equals("silu")) {
            throw new ModelException("%s: hidden_act is %.60s; only silu is supported".formatted(file, activation));
        }
    }

    private int kvHeads(int heads) {
        // transformers takes null, though not an absent key, for as many as there are heads.
        JsonNode node = config.get("num_key_value_heads");
        return node != null && node.isNull() ? heads : integer("num_key_value_heads", 8);
    }

    private int experts() {
        return present(config.get("num_local_experts")) ? integer("num_local_experts", 8) : integer("num_experts", 8);
    }

    private int slidingWindow() {
        JsonNode node = config.get("sliding_window");
        if (!present(node)) {
            return 0;
        }
        int window = integer("sliding_window", 0);
        if (window < 1) {
            throw new ModelException(
                    "%s: sliding_window is %d, but must be a positive number of tokens, or null for none"
                            .formatted(file, window));
        }
        return window;
    }

    /** transformers 5 writes {@code rope_parameters}; 4 writes {@code rope_theta} and {@code rope_scaling}. */
    private double ropeTheta() {
        JsonNode parameters = config.path("rope_parameters");
        checkUnscaled("rope_parameters", parameters);
        checkUnscaled("rope_scaling", config.path("rope_scaling"));
        JsonNode theta = parameters.get("rope_theta");
        return present(theta)
                ? number("rope_parameters.rope_theta", theta, 0)
                : number("rope_theta", config.get("rope_theta"), 1e6);
    }

    private void checkUnscaled(String key, JsonNode rope) {
        if (!present(rope)) {
            return;
        }
        JsonNode type = present(rope.get("rope_type")) ? rope.get("rope_type") : rope.get("type");
        if (!rope.isObject() || present(type) && !type.asText().equals("default")) {
            throw new ModelException(
                    "%s: %s asks for the scaling %.60s, which is not supported; only unscaled rotary embeddings are"
                            .formatted(file, key, present(type) ? type : rope));
        }
        JsonNode partial = rope.get("partial_rotary_factor");
        if (present(partial) && partial.asDouble() != 1) {
            throw new ModelException(
                    "%s: %s.partial_rotary_factor is %.60s; only 1 is supported".formatted(file, key, partial));
        }
    }

    private int integer(String key, int absent) {
        JsonNode node = config.get(key);
        return present(node) ? integer(key, node) : absent;
    }

    private int integer(String key, JsonNode node) {
        // 4096.0 is what some tools make of 4096.
        boolean whole = node.isNumber() && node.doubleValue() == Math.rint(node.doubleValue());
        if (!whole || !node.canConvertToInt()) {
            throw new ModelException(
                    "%s: %s is %.60s, but must be a whole number below 2^31".formatted(file, key, node));
        }
        return node.intValue();
    }

    private double number(String key, JsonNode node, double absent) {
        if (!present(node)) {
            return absent;
        }
        if (!node.isNumber()) {
            throw new ModelException("%s: %s is %.60s, but must be a number".formatted(file, key, node));
        }
        return node.doubleValue();
    }

    private List<Integer> tokens(String key, JsonNode node) {
        List<Integer> tokens = new ArrayList<>();
        if (present(node)) {
            for (JsonNode token : node.isArray() ? node : List.of(node)) {
                tokens.add(integer(key, token));
            }
        }
        return tokens;
    }

    private static boolean present(JsonNode node) {
        return node != null && !node.isNull() && !node.isMissingNode();
    }
}
