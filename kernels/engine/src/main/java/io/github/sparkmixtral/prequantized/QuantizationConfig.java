package io.github.sparkmixtral.prequantized;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import java.lang.foreign.MemorySegment;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;

/**
 * What a checkpoint says of its quantization: {@code quantization_config} in {@code config.json}, or the file that AutoGPTQ
 * ({@code quantize_config.json}) or AutoAWQ ({@code quant_config.json}) write beside it.
 *
 * @param file which of them, and the key in it, for error messages
 * @param method {@code quant_method}, in lower case
 * @param fields all of them
 */
public record QuantizationConfig(String file, String method, JsonNode fields) {

    /**
     * Finds it.
     *
     * @param config the object in {@code config.json}
     * @param files maps a file of the directory by its name
     */
    public static Optional<QuantizationConfig> read(
            String directory, JsonNode config, Function<String, Optional<MemorySegment>> files) {
        // compressed-tensors wrote compression_config at first.
        for (String key : new String[] {"quantization_config", "compression_config"}) {
            if (config.path(key).isObject()) {
                String absent = key.equals("compression_config") ? "compressed-tensors" : "";
                return Optional.of(of(directory + "/config.json: " + key, config.get(key), absent));
            }
        }
        return beside(directory, "quantize_config.json", "gptq", files)
                .or(() -> beside(directory, "quant_config.json", "awq", files));
    }

    private static Optional<QuantizationConfig> beside(
            String directory, String name, String absent, Function<String, Optional<MemorySegment>> files) {
        String file = directory + "/" + name;
        return files.apply(name).map(content -> of(file, JsonFile.read(file, content), absent));
    }

    private static QuantizationConfig of(String file, JsonNode fields, String absent) {
        String method = fields.path("quant_method").asText(absent);
        // Before it wrote quant_method, transformers wrote bitsandbytes' own options.
        if (method.isEmpty() && (fields.has("load_in_4bit") || fields.has("load_in_8bit"))) {
            method = "bitsandbytes";
        }
        return new QuantizationConfig(file, method.isEmpty() ? "unknown" : method.toLowerCase(Locale.ROOT), fields);
    }

    /** The first of the keys that is there, as a whole number. */
    OptionalInt integer(String... keys) {
        for (String key : keys) {
            JsonNode node = fields.path(key);
            if (!node.isMissingNode() && !node.isNull()) {
                if (!node.isIntegralNumber() || !node.canConvertToInt()) {
                    throw refusal("%s is %.60s, but must be a whole number".formatted(key, node));
                }
                return OptionalInt.of(node.intValue());
            }
        }
        return OptionalInt.empty();
    }

    /** As {@link #integer}, where the method cannot do without. */
    int required(String... keys) {
        return integer(keys).orElseThrow(() -> refusal("there is no " + keys[0]));
    }

    String text(String key, String absent) {
        JsonNode node = fields.path(key);
        return node.isMissingNode() || node.isNull() ? absent : node.asText().toLowerCase(Locale.ROOT);
    }

    boolean flag(String key, boolean absent) {
        return fields.path(key).asBoolean(absent);
    }

    /** That it cannot be run, for a reason that follows the file's name. */
    ModelException refusal(String reason) {
        return new ModelException("%s: %s".formatted(file, reason));
    }

    /** That this kind is not supported, with the way out. */
    ModelException unsupported(String what) {
        return refusal(
                "the weights are quantized with %s, which is not supported; take the unquantized model with --quantization q8_0 or q4_0, a GGUF file, or one in GPTQ, AWQ, FP8 or bitsandbytes nf4"
                        .formatted(what));
    }
}
