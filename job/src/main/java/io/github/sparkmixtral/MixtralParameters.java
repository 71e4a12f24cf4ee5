package io.github.sparkmixtral;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.StringArrayParam;

/**
 * The parameters of {@link MixtralTransformer}. One that is not set is left to the option of the same name, whose default and checks
 * it has. Spark ML finds a parameter by the public method of its name.
 */
public abstract class MixtralParameters extends Transformer {
    private static final JsonMapper JSON = new JsonMapper();

    private final String uid;
    private final Param<String> model;
    private final IntParam maxTokens;
    private final IntParam minTokens;
    private final DoubleParam temperature;
    private final DoubleParam topP;
    private final IntParam topK;
    private final DoubleParam minP;
    private final DoubleParam repetitionPenalty;
    private final LongParam seed;
    private final StringArrayParam stop;
    private final IntParam n;
    private final IntParam logprobs;
    private final Param<String> responseFormat;
    private final Param<String> outputColumnType;
    private final BooleanParam requireComplete;
    private final Param<String> systemPrompt;
    private final BooleanParam safePrompt;
    private final Param<String> promptTemplate;
    private final Param<String> promptCol;
    private final Param<String> messagesCol;
    private final Param<String> idCol;
    private final Param<String> outputCol;
    private final Param<String> task;
    private final Param<String> quantization;
    private final Param<String> backend;
    private final IntParam maxNumSeqs;
    private final Param<String> kvCacheMemory;
    private final Param<String> options;

    MixtralParameters(String uid) {
        // Before everything else: a parameter is made with the name of whom it belongs to.
        this.uid = uid;
        model = new Param<>(
                uid,
                "model",
                "Directory (Hugging Face's layout or Mistral's) or GGUF file: a path that every executor has, a URI that Hadoop opens, or a Hugging Face Hub id.",
                String.class);
        maxTokens = new IntParam(uid, "maxTokens", "Most tokens to generate.");
        minTokens = new IntParam(uid, "minTokens", "No end of sequence or stop before that many tokens.");
        temperature = new DoubleParam(uid, "temperature", "0 is greedy.");
        topP = new DoubleParam(uid, "topP", "Keep the likeliest tokens that make up this probability, in (0, 1].");
        topK = new IntParam(uid, "topK", "Keep that many of the likeliest tokens; 0 keeps all.");
        minP = new DoubleParam(uid, "minP", "Drop tokens less likely than this times the likeliest, in [0, 1].");
        repetitionPenalty = new DoubleParam(uid, "repetitionPenalty", "Over prompt and answer, in (0, 2]; 1 is off.");
        seed = new LongParam(uid, "seed", "With a row's id and prompt it decides every draw.");
        stop = new StringArrayParam(this, "stop", "Texts that end the answer and are cut off.");
        n = new IntParam(uid, "n", "Answers per prompt; more than one come in the column outputs.");
        logprobs = new IntParam(
                uid, "logprobs", "The chosen token's log-probability and those of that many likeliest, in [0, 20].");
        responseFormat = new Param<>(
                uid,
                "responseFormat",
                "What answers have to be: JSON as OpenAI writes it, or a file with it.",
                String.class);
        outputColumnType = new Param<>(
                uid,
                "outputColumnType",
                "Add the column parsed with the answer's values: schema for the response format's type, or a type of Spark's SQL.",
                String.class);
        requireComplete = new BooleanParam(
                uid, "requireComplete", "Make an error of an answer that has to be something and was cut.");
        systemPrompt = new Param<>(
                uid, "systemPrompt", "System message for every row that has none of its own.", String.class);
        safePrompt = new BooleanParam(
                uid, "safePrompt", "Put Mistral's text for safe answers first, before any system message.");
        promptTemplate = new Param<>(
                uid, "promptTemplate", "Make the prompt of columns: Translate into {language}: {text}", String.class);
        promptCol = new Param<>(uid, "promptCol", "Column with the prompt.", String.class);
        messagesCol = new Param<>(
                uid,
                "messagesCol",
                "Column with a conversation: an array of {role, content}, or the same as JSON text.",
                String.class);
        idCol = new Param<>(uid, "idCol", "Column with a unique id.", String.class);
        outputCol = new Param<>(
                uid, "outputCol", "Name of the column with the answer, instead of generated_text.", String.class);
        task = new Param<>(uid, "task", "chat or complete.", String.class);
        quantization = new Param<>(
                uid,
                "quantization",
                "none, q8_0, q4_0 or nf4: how the weights of a Hugging Face model are held.",
                String.class);
        backend = new Param<>(uid, "backend", "auto takes the best that is available.", String.class);
        maxNumSeqs = new IntParam(uid, "maxNumSeqs", "Most sequences in one step of an executor's engine.");
        kvCacheMemory = new Param<>(
                uid, "kvCacheMemory", "Memory for keys and values, such as 512m or 4g, or auto.", String.class);
        options = new Param<>(
                uid,
                "options",
                "More options by their names, as JSON: {\"presence_penalty\": 0.5}; the parameters come first.",
                String.class);
    }

    @Override
    public final String uid() {
        return uid;
    }

    public final Param<String> model() {
        return model;
    }

    public final IntParam maxTokens() {
        return maxTokens;
    }

    public final IntParam minTokens() {
        return minTokens;
    }

    public final DoubleParam temperature() {
        return temperature;
    }

    public final DoubleParam topP() {
        return topP;
    }

    public final IntParam topK() {
        return topK;
    }

    public final DoubleParam minP() {
        return minP;
    }

    public final DoubleParam repetitionPenalty() {
        return repetitionPenalty;
    }

    public final LongParam seed() {
        return seed;
    }

    public final StringArrayParam stop() {
        return stop;
    }

    public final IntParam n() {
        return n;
    }

    public final IntParam logprobs() {
        return logprobs;
    }

    public final Param<String> responseFormat() {
        return responseFormat;
    }

    public final Param<String> outputColumnType() {
        return outputColumnType;
    }

    public final BooleanParam requireComplete() {
        return requireComplete;
    }

    public final Param<String> systemPrompt() {
        return systemPrompt;
    }

    public final BooleanParam safePrompt() {
        return safePrompt;
    }

    public final Param<String> promptTemplate() {
        return promptTemplate;
    }

    public final Param<String> promptCol() {
        return promptCol;
    }

    public final Param<String> messagesCol() {
        return messagesCol;
    }

    public final Param<String> idCol() {
        return idCol;
    }

    public final Param<String> outputCol() {
        return outputCol;
    }

    public final Param<String> task() {
        return task;
    }

    public final Param<String> quantization() {
        return quantization;
    }

    public final Param<String> backend() {
        return backend;
    }

    public final IntParam maxNumSeqs() {
        return maxNumSeqs;
    }

    public final Param<String> kvCacheMemory() {
        return kvCacheMemory;
    }

    public final Param<String> options() {
        return options;
    }

    /**
     * What is set, by the names of the options.
     *
     * @throws IllegalArgumentException where {@code options} is no JSON object
     */
    final Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        if (isDefined(options)) {
            more(getOrDefault(options)).forEach((name, value) -> values.put(name.replace('-', '_'), value));
        }
        for (Param<?> param : params()) {
            if (isDefined(param) && !param.equals(options)) {
                put(param, getOrDefault(param), values);
            }
        }
        return values;
    }

    private void put(Param<?> param, Object value, Map<String, Object> values) {
        if (param.equals(outputCol)) {
            Map<Object, Object> names = new LinkedHashMap<>();
            if (values.get("output_columns") instanceof Map<?, ?> others) {
                names.putAll(others);
            }
            names.put("generated_text", value);
            values.put("output_columns", names);
        } else {
            values.put(optionName(param.name()), value instanceof String[] texts ? Arrays.asList(texts) : value);
        }
    }

    /** {@code maxTokens} is {@code max_tokens}, and {@code idCol} is {@code id_column}. */
    private static String optionName(String param) {
        return param.replaceAll("Col$", "Column").replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    }

    private static Map<String, Object> more(String json) {
        try {
            Map<String, Object> more = JSON.readValue(json, new TypeReference<LinkedHashMap<String, Object>>() {});
            if (more != null) {
                return more;
            }
        } catch (JsonProcessingException e) {
            // Told below: what Jackson says names classes.
        }
        throw new IllegalArgumentException(
                "options must be a JSON object such as {\"presence_penalty\": 0.5}, not " + json);
    }
}
