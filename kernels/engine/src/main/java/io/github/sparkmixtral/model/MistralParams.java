package io.github.sparkmixtral.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.NullNode;
import io.github.sparkmixtral.file.ModelException;
import java.util.List;

/**
 * {@code params.json} of a Mixtral as Mistral publishes it
 * (<a href="https://github.com/mistralai/mistral-inference/blob/main/src/mistral_inference/args.py">TransformerArgs</a>).
 */
final class MistralParams {
    /** Of Mixtral 8x7B; the file does not say. */
    private static final int POSITIONS = 32768;

    private final String file;
    private final JsonNode params;

    private MistralParams(String file, JsonNode params) {
        this.file = file;
        this.params = params;
    }

    /**
     * @param file for error messages
     * @throws ModelException where a key is missing or wrong, or the model is no Mixtral
     */
    static ModelConfig read(String file, JsonNode params) {
        MistralParams reader = new MistralParams(file, params);
        reader.checkSupported();
        try {
            return reader.modelConfig();
        } catch (ModelException e) {
            throw e.getMessage().startsWith(file) ? e : new ModelException(file + ": " + e.getMessage(), e);
        }
    }

    private void checkSupported() {
        if (!params.hasNonNull("moe")) {
            throw new ModelException(
                    "%s describes a dense model, and not a Mixtral: it has no moe, which gives the number of experts"
                            .formatted(file));
        }
        String type = params.path("model_type").asText("transformer");
        if (!type.equals("transformer")) {
            throw new ModelException("%s: model_type is %.60s; only transformer is supported".formatted(file, type));
        }
        for (String key : List.of("quantization", "vision_encoder", "yarn", "lora")) {
            if (params.hasNonNull(key)) {
                throw new ModelException(
                        "%s: the model has %s, which is not supported; take the model without it".formatted(file, key));
            }
        }
    }

    private ModelConfig modelConfig() {
        return new ModelConfig(
                integer("dim"),
                integer("hidden_dim"),
                integer("n_layers"),
                integer("n_heads"),
                integer("n_kv_heads"),
                integer("head_dim"),
                integer("moe.num_experts"),
                integer("moe.num_experts_per_tok"),
                integer("vocab_size"),
                integer("max_position_embeddings", POSITIONS),
                node("rope_theta").isNull() ? 1e6 : number("rope_theta"),
                number("norm_eps"),
                integer("sliding_window", 0),
                ModelConfig.RopeLayout.NEIGHBOURS,
                1,
                List.of(2));
    }

    /** Null where the key is missing. */
    private JsonNode node(String key) {
        JsonNode node = params.at("/" + key.replace('.', '/'));
        return node.isMissingNode() ? NullNode.getInstance() : node;
    }

    private int integer(String key, int absent) {
        return node(key).isNull() ? absent : integer(key);
    }

    private int integer(String key) {
        double value = number(key);
        if (value != Math.rint(value) || Math.abs(value) > Integer.MAX_VALUE) {
            throw new ModelException(
                    "%s: %s is %.60s, but must be a whole number below 2^31".formatted(file, key, node(key)));
        }
        return (int) value;
    }

    private double number(String key) {
        JsonNode node = node(key);
        if (node.isNull()) {
            throw new ModelException("%s has no %s, which a Mixtral needs".formatted(file, key));
        }
        // Some files give sliding_window as text.
        boolean digits = node.isTextual() && node.textValue().matches("\\d{1,9}");
        if (!node.isNumber() && !digits) {
            throw new ModelException("%s: %s is %.60s, but must be a number".formatted(file, key, node));
        }
        return node.asDouble();
    }
}
