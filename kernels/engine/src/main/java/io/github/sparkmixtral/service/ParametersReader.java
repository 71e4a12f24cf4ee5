package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.SamplingParameters;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Lays a row's own sampling parameters, JSON values by name, over the job's. Names and types are those of vLLM and OpenAI:
 *
 * <ul>
 *   <li>numbers: {@code max_tokens}, {@code min_tokens}, {@code temperature}, {@code top_p}, {@code top_k}, {@code min_p}, {@code
 *       repetition_penalty}, {@code presence_penalty}, {@code frequency_penalty}, {@code seed}, {@code n}; a whole number may be
 *       written as {@code 16.0};
 *   <li>{@code stop}: a string or a list of strings; {@code stop_token_ids}: a list of ids; {@code ignore_eos}: a boolean; {@code
 *       logit_bias}: an object from token id to bias;
 *   <li>{@code logprobs}: a number, or as in OpenAI's chat API a boolean, with the number in {@code top_logprobs};
 *   <li>{@code prompt_logprobs}: a number; false is none;
 *   <li>{@code response_format}, {@code structured_outputs} and {@code guided_*}: see {@link StructuredOutputReader};
 *   <li>{@code safe_prompt}: a boolean, Mistral's; it says what a conversation begins with, see {@link #safePrompt};
 *   <li>{@code tool_choice}, which is passed over here: see {@link ToolChoice};
 *   <li>other names of these ({@link #ALIASES}), such as TGI's {@code max_new_tokens} and Mistral's {@code random_seed}; {@code
 *       do_sample}, of which false is the same as a temperature of 0;
 *   <li>what asks for nothing but what is done anyway ({@link HarmlessParameters}).
 * </ul>
 *
 * <p>A null value is the same as none. Any other name is refused, for an answer that ignored it would not be what was asked for.
 */
public final class ParametersReader {
    /** What other engines and services call a parameter, and its name here. */
    private static final Map<String, String> ALIASES = Map.of(
            "max_completion_tokens", "max_tokens",
            "max_new_tokens", "max_tokens",
            "min_new_tokens", "min_tokens",
            "stop_sequences", "stop",
            "num_return_sequences", "n",
            "random_seed", "seed");

    private static final String DO_SAMPLE = "do_sample";

    /** Mistral's name for {@link io.github.sparkmixtral.chat.Conversation#SAFE_PROMPT}. */
    public static final String SAFE_PROMPT = "safe_prompt";

    /** No parameter of sampling: {@link ToolChoice} reads it. */
    static final String TOOL_CHOICE = "tool_choice";

    /** The fields that are sampling parameters. */
    public static final Set<String> NAMES = names();

    private static Set<String> names() {
        Set<String> names = new HashSet<>(Set.of(
                "max_tokens",
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
                SAFE_PROMPT,
                "prompt_logprobs",
                TOOL_CHOICE,
                DO_SAMPLE));
        names.addAll(ALIASES.keySet());
        names.addAll(StructuredOutputReader.NAMES);
        return Set.copyOf(names);
    }

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
        Map<String, String> spelled = new HashMap<>();
        row.forEach((name, value) -> {
            if (value.isNull() || name.equals(TOOL_CHOICE)) {
                return;
            }
            if (HarmlessParameters.has(name)) {
                HarmlessParameters.check(name, value);
                return;
            }
            if (!NAMES.contains(name)) {
                throw unknown(name);
            }
            String meant = ALIASES.getOrDefault(name, name);
            JsonNode before = given.put(meant, value);
            String other = spelled.put(meant, name);
            if (before != null && !sameValue(before, value)) {
                throw new IllegalArgumentException(other + " is " + Json.excerpt(before) + " but " + name + " is "
                        + Json.excerpt(value) + ": they mean the same, give one of them");
            }
        });
        boolean _ = safePrompt(row, false);
        return new ParametersReader(given)
                .over(job)
                .withStructuredOutput(StructuredOutputReader.read(given, job.structuredOutput()));
    }

    /**
     * Whether a row's conversation begins with the safe prompt.
     *
     * @param row the row's own parameters, by name
     * @param job whether it does if the row does not say
     * @throws IllegalArgumentException if the row says neither true nor false
     */
    static boolean safePrompt(Map<String, JsonNode> row, boolean job) {
        JsonNode value = row.get(SAFE_PROMPT);
        return value == null || value.isNull() ? job : bool(SAFE_PROMPT, value);
    }

    /** The name that an alias stands for; any other name as it is. */
    public static String meant(String name) {
        return ALIASES.getOrDefault(name, name);
    }

    private static boolean sameValue(JsonNode one, JsonNode other) {
        return one.isNumber() && other.isNumber() ? one.doubleValue() == other.doubleValue() : one.equals(other);
    }

    /** With the name that may be meant: {@code maxTokens} and {@code Max-Tokens} are {@code max_tokens}. */
    private static IllegalArgumentException unknown(String name) {
        String letters = letters(name);
        String right = NAMES.stream()
                .filter(known -> letters(known).equals(letters))
                .map(known -> ": write " + known)
                .findFirst()
                .orElse("");
        return new IllegalArgumentException("unknown parameter '" + Json.shorten(name) + "'" + right);
    }

    private static String letters(String name) {
        return name.replaceAll("[^A-Za-z]", "").toLowerCase(Locale.ROOT);
    }

    private SamplingParameters over(SamplingParameters job) {
        return new SamplingParameters(
                integer("max_tokens", job.maxTokens()),
                integer("min_tokens", job.minTokens()),
                temperature(job.temperature()),
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
                logitBias(job.logitBias()),
                job.structuredOutput(),
                promptLogprobs(job.promptLogprobs()));
    }

    /** As vLLM has it: false is none. */
    private int promptLogprobs(int fallback) {
        JsonNode value = given.get("prompt_logprobs");
        return value != null && value.isBoolean() && !value.booleanValue() ? -1 : integer("prompt_logprobs", fallback);
    }

    /** Without sampling the likeliest token is taken, whatever the temperature beside it says. */
    private double temperature(double fallback) {
        double temperature = number("temperature", fallback);
        return bool(DO_SAMPLE, true) ? temperature : 0;
    }

    private int logprobs(int fallback) {
        JsonNode logprobs = given.get("logprobs");
        boolean asked = logprobs != null && logprobs.isBoolean() && logprobs.booleanValue();
        if (!asked && integer("top_logprobs", 0) != 0) {
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
        return value == null ? fallback : bool(name, value);
    }

    private static boolean bool(String name, JsonNode value) {
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
