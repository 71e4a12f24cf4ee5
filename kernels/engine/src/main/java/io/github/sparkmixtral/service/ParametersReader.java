package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.SamplingParameters;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Lays a row's own sampling parameters, JSON values by name, over the job's. Names and types are those of vLLM and OpenAI:
 *
 * <ul>
 *   <li>numbers: {@code max_tokens} (also called {@code max_completion_tokens}), {@code min_tokens}, {@code temperature}, {@code
 *       top_p}, {@code top_k}, {@code min_p}, {@code repetition_penalty}, {@code presence_penalty}, {@code frequency_penalty},
 *       {@code seed}, {@code n}; a whole number may be written as {@code 16.0};
 *   <li>{@code stop}: a string or a list of strings; {@code stop_token_ids}: a list of ids; {@code ignore_eos}: a boolean; {@code
 *       logit_bias}: an object from token id to bias;
 *   <li>{@code logprobs}: a number, or as in OpenAI's chat API a boolean, with the number in {@code top_logprobs};
 *   <li>{@code response_format}, {@code structured_outputs} and {@code guided_*}: see {@link StructuredOutputReader};
 *   <li>without effect here, and let pass: {@code model}, {@code stream}, {@code stream_options}, {@code user}, {@code metadata},
 *       {@code store}, {@code service_tier}, {@code safety_identifier}, {@code prompt_cache_key}.
 * </ul>
 *
 * <p>A null value is the same as none. Any other name is refused, for an answer that ignored it would not be what was asked for.
 */
public final class ParametersReader {
    /** The fields that are sampling parameters. */
    public static final Set<String> NAMES = Set.of(
            "max_tokens",
            "max_completion_tokens",
            "min_tokens",
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "repetition_penalty",
            "presence_penalty",
            "frequency_penalty",
            "seed",
            "n",
            "stop",
            "stop_token_ids",
            "ignore_eos",
            "logit_bias",
            "logprobs",
            "top_logprobs",
            "response_format",
            "structured_outputs",
            "guided_json",
            "guided_regex",
            "guided_choice",
            "guided_grammar");

    private static final Set<String> WITHOUT_EFFECT = Set.of(
            "model",
            "stream",
            "stream_options",
            "user",
            "metadata",
            "store",
            "service_tier",
            "safety_identifier",
            "prompt_cache_key");

    private final Map<String, JsonNode> given;

    private ParametersReader(Map<String, JsonNode> given) {
        this.given = given;
    }

    /**
     * Resolves a row's parameters.
     *
     * @param row the row's own, by name; none of them changes nothing
     * @throws IllegalArgumentException naming the field, its value and what is wanted
     */
    public static SamplingParameters read(Map<String, JsonNode> row, SamplingParameters job) {
        if (row.isEmpty()) {
            return job;
        }
        Map<String, JsonNode> given = new LinkedHashMap<>();
        row.forEach((name, value) -> {
            if (!NAMES.contains(name) && !WITHOUT_EFFECT.contains(name)) {
                throw new IllegalArgumentException("unknown parameter '" + Json.shorten(name) + "'");
            }
            if (!value.isNull()) {
                given.put(name, value);
            }
        });
        return new ParametersReader(given)
                .over(job)
                .withStructuredOutput(StructuredOutputReader.read(given, job.structuredOutput()));
    }

    private SamplingParameters over(SamplingParameters job) {
        return new SamplingParameters(
                maxTokens(job.maxTokens()),
                integer("min_tokens", job.minTokens()),
                number("temperature", job.temperature()),
                number("top_p", job.topP()),
                integer("top_k", job.topK()),
                number("min_p", job.minP()),
                number("repetition_penalty", job.repetitionPenalty()),
                number("presence_penalty", job.presencePenalty()),
                number("frequency_penalty", job.frequencyPenalty()),
                seed(job.seed()),
                stop(job.stop()),
                stopTokenIds(job.stopTokenIds()),
                integer("n", job.n()),
                logprobs(job.logprobs()),
                bool("ignore_eos", job.ignoreEos()),
                logitBias(job.logitBias()));
    }

    private int maxTokens(int fallback) {
        int maxTokens = integer("max_tokens", fallback);
        int maxCompletionTokens = integer("max_completion_tokens", maxTokens);
        if (given.containsKey("max_tokens") && maxTokens != maxCompletionTokens) {
            throw new IllegalArgumentException("max_tokens is " + maxTokens + " but max_completion_tokens is "
                    + maxCompletionTokens + ": they mean the same, give one of them");
        }
        return maxCompletionTokens;
    }

    private int logprobs(int fallback) {
        JsonNode logprobs = given.get("logprobs");
        boolean asked = logprobs != null && logprobs.isBoolean() && logprobs.booleanValue();
        if (given.containsKey("top_logprobs") && !asked) {
            throw new IllegalArgumentException("top_logprobs needs logprobs to be true");
        }
        if (asked) {
            int alternatives = integer("top_logprobs", 0);
            if (alternatives < 0) {
                throw new IllegalArgumentException("top_logprobs must be in [0, 20], not " + alternatives);
            }
            return alternatives;
        }
        return logprobs != null && logprobs.isBoolean() ? -1 : integer("logprobs", fallback);
    }

    private int integer(String name, int fallback) {
        JsonNode value = given.get(name);
        return value == null ? fallback : integer(name, value);
    }

    private static int integer(String name, JsonNode value) {
        if (!value.isNumber() || value.doubleValue() != (int) value.doubleValue()) {
            throw wrong(name, "an integer", value);
        }
        return (int) value.doubleValue();
    }

    private long seed(long fallback) {
        JsonNode value = given.get("seed");
        if (value == null) {
            return fallback;
        }
        if (value.isIntegralNumber() && value.canConvertToLong()) {
            return value.longValue();
        }
        return integer("seed", value);
    }

    private double number(String name, double fallback) {
        JsonNode value = given.get(name);
        return value == null ? fallback : number(name, value);
    }

    private static double number(String name, JsonNode value) {
        if (!value.isNumber()) {
            throw wrong(name, "a number", value);
        }
        return value.doubleValue();
    }

    private boolean bool(String name, boolean fallback) {
        JsonNode value = given.get(name);
        if (value == null) {
            return fallback;
        }
        if (!value.isBoolean()) {
            throw wrong(name, "true or false", value);
        }
        return value.booleanValue();
    }

    private List<String> stop(List<String> fallback) {
        JsonNode value = given.get("stop");
        if (value == null) {
            return fallback;
        }
        if (value.isTextual()) {
            return List.of(value.textValue());
        }
        List<String> strings = new ArrayList<>();
        for (JsonNode element : elements("stop", "a string or a list of strings", value)) {
            if (!element.isTextual()) {
                throw wrong("stop", "a string or a list of strings", value);
            }
            strings.add(element.textValue());
        }
        return strings;
    }

    private List<Integer> stopTokenIds(List<Integer> fallback) {
        JsonNode value = given.get("stop_token_ids");
        if (value == null) {
            return fallback;
        }
        List<Integer> ids = new ArrayList<>();
        for (JsonNode element : elements("stop_token_ids", "a list of token ids", value)) {
            ids.add(integer("stop_token_ids", element));
        }
        return ids;
    }

    private Map<Integer, Double> logitBias(Map<Integer, Double> fallback) {
        JsonNode value = given.get("logit_bias");
        if (value == null) {
            return fallback;
        }
        if (!value.isObject()) {
            throw wrong("logit_bias", "an object from token id to bias", value);
        }
        Map<Integer, Double> biases = new HashMap<>();
        value.properties().forEach(field -> {
            try {
                biases.put(Integer.valueOf(field.getKey()), number("logit_bias", field.getValue()));
            } catch (NumberFormatException notAnId) {
                throw new IllegalArgumentException(
                        "logit_bias has the key '" + Json.shorten(field.getKey()) + "', which is no token id", notAnId);
            }
        });
        return biases;
    }

    private static JsonNode elements(String name, String wanted, JsonNode value) {
        if (!value.isArray()) {
            throw wrong(name, wanted, value);
        }
        return value;
    }

    private static IllegalArgumentException wrong(String name, String wanted, JsonNode value) {
        return new IllegalArgumentException(name + " must be " + wanted + ", not " + Json.excerpt(value));
    }
}
