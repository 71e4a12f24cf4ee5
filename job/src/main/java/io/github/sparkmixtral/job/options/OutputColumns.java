package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.service.Task;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.IntegralType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;

/** The columns that an answer adds to its row. */
public final class OutputColumns {
    public static final String ID = "custom_id";
    public static final String TEXT = "generated_text";
    public static final String FINISH_REASON = "finish_reason";
    public static final String USAGE = "usage";
    public static final String ERROR = "error";
    public static final String MODEL = "model";
    public static final String SEED = "seed";
    public static final String OUTPUTS = "outputs";
    public static final String LOGPROBS = "logprobs";
    public static final String CHOICE_PROBABILITIES = "choice_probabilities";
    public static final String PROMPT_LOGPROBS = "prompt_logprobs";
    public static final String SCORE = "score";
    public static final String EMBEDDING = "embedding";
    public static final String TOOL_CALLS = "tool_calls";
    public static final String TURNS = "turns";
    public static final String PARSED = "parsed";
    public static final String PARSED_ERROR = "parsed_error";
    public static final String CONTEXTS = "contexts";

    private static final StructType USAGE_TYPE = new StructType()
            .add("prompt_tokens", DataTypes.IntegerType, false)
            .add("completion_tokens", DataTypes.IntegerType, false)
            .add("total_tokens", DataTypes.IntegerType, false)
            .add("cached_tokens", DataTypes.IntegerType, false);

    private static final StructType ERROR_TYPE = new StructType()
            .add("code", DataTypes.StringType, false)
            .add("message", DataTypes.StringType, false)
            .add("retryable", DataTypes.BooleanType, false);

    /** One per token of the answer; {@code top_logprobs} likeliest first. */
    private static final ArrayType LOGPROBS_TYPE = DataTypes.createArrayType(
            new StructType()
                    .add("token_id", DataTypes.IntegerType, false)
                    .add("token", DataTypes.StringType, false)
                    .add("logprob", DataTypes.FloatType, false)
                    .add(
                            "top_logprobs",
                            DataTypes.createArrayType(
                                    new StructType()
                                            .add("token_id", DataTypes.IntegerType, false)
                                            .add("token", DataTypes.StringType, false)
                                            .add("logprob", DataTypes.FloatType, false),
                                    false),
                            false),
            false);

    private static final MapType CHOICE_PROBABILITIES_TYPE =
            DataTypes.createMapType(DataTypes.StringType, DataTypes.DoubleType, false);

    private static final StructType SCORE_TYPE = new StructType()
            .add("logprob", DataTypes.DoubleType, false)
            .add("tokens", DataTypes.IntegerType, false)
            .add("perplexity", DataTypes.DoubleType, false);

    private static final ArrayType EMBEDDING_TYPE = DataTypes.createArrayType(DataTypes.FloatType, false);

    /** As OpenAI has them, so that they can go back into {@code messages}; {@code arguments} is JSON text. */
    private static final ArrayType TOOL_CALLS_TYPE = DataTypes.createArrayType(
            new StructType()
                    .add("id", DataTypes.StringType, false)
                    .add("type", DataTypes.StringType, false)
                    .add(
                            "function",
                            new StructType()
                                    .add("name", DataTypes.StringType, false)
                                    .add("arguments", DataTypes.StringType, false),
                            false),
            false);

    /** One per call of a tool, the final answer last; see {@link io.github.sparkmixtral.agent.Turn}. */
    private static final ArrayType TURNS_TYPE = DataTypes.createArrayType(
            new StructType()
                    .add("tool", DataTypes.StringType)
                    .add("input", DataTypes.StringType)
                    .add("output", DataTypes.StringType)
                    .add("error", DataTypes.StringType)
                    .add("prompt_tokens", DataTypes.IntegerType, false)
                    .add("completion_tokens", DataTypes.IntegerType, false),
            false);

    /** Passages in the order in which they stand in the prompt, best first. */
    private static final ArrayType CONTEXTS_TYPE = DataTypes.createArrayType(
            new StructType()
                    .add("id", DataTypes.StringType, false)
                    .add("score", DataTypes.DoubleType, false)
                    .add("text", DataTypes.StringType, false),
            false);

    private static final List<String> ALWAYS = List.of(ID, TEXT, FINISH_REASON, USAGE, ERROR, MODEL, SEED);

    /** Columns that are there only if they are asked for, in the order that they have in an output, and their types. */
    private static final SequencedMap<String, DataType> OPTIONAL = optional();

    private static SequencedMap<String, DataType> optional() {
        SequencedMap<String, DataType> types = new LinkedHashMap<>();
        types.put(CHOICE_PROBABILITIES, CHOICE_PROBABILITIES_TYPE);
        types.put(PROMPT_LOGPROBS, LOGPROBS_TYPE);
        types.put(SCORE, SCORE_TYPE);
        types.put(EMBEDDING, EMBEDDING_TYPE);
        types.put(TOOL_CALLS, TOOL_CALLS_TYPE);
        types.put(TURNS, TURNS_TYPE);
        return types;
    }

    private static final Set<String> REPLACED = Set.of(SEED, LOGPROBS);

    /**
     * Which columns an output has that are there only if they are asked for; {@link #LOGPROBS} and {@link #TOOL_CALLS} are then beside
     * the text and in each of several outputs.
     *
     * @param columns {@link #OUTPUTS}, {@link #LOGPROBS}, {@link #CHOICE_PROBABILITIES}, {@link #PROMPT_LOGPROBS}, {@link #SCORE}, {@link #EMBEDDING},
     *     {@link #TOOL_CALLS}, {@link #TURNS}
     */
    public record Asked(List<String> columns) implements Serializable {
        public Asked {
            columns = new ArrayList<>(columns);
        }

        public boolean has(String column) {
            return columns.contains(column);
        }
    }

    private OutputColumns() {}

    /** All names, whether or not an output has the column. */
    public static List<String> names() {
        List<String> names = new ArrayList<>(ALWAYS);
        names.addAll(List.of(OUTPUTS, LOGPROBS, PARSED, PARSED_ERROR));
        names.addAll(OPTIONAL.keySet());
        names.add(CONTEXTS);
        return names;
    }

    /** The columns that an output may have, by the names that they have there. */
    public static List<String> named(Columns names) {
        return names().stream()
                .filter(column -> names.parsed() != null || !column.equals(PARSED) && !column.equals(PARSED_ERROR))
                .filter(column -> names.hasContexts() || !column.equals(CONTEXTS))
                .filter(column -> isOf(names.task(), column))
                .map(names::output)
                .toList();
    }

    /** Whether a task's output may have a column; an input's column of the same name keeps it if not. */
    private static boolean isOf(Task task, String column) {
        return switch (column) {
            case SCORE -> task == Task.SCORE;
            case EMBEDDING -> task == Task.EMBED;
            case TURNS -> task == Task.AGENT;
            default -> true;
        };
    }

    /**
     * The output's columns.
     *
     * @param input of the input's own columns
     * @param names of which {@link Columns#context} says whether there is {@link #CONTEXTS}, and {@link Columns#parsed} whether there are {@link #PARSED} and {@link #PARSED_ERROR}, beside the text
     *     and in each of several outputs
     */
    public static StructType schema(StructType input, Asked asked, Columns names) {
        StructType schema = new StructType(input.fields().clone());
        for (String column : ALWAYS) {
            schema = schema.add(names.output(column), type(column));
        }
        if (asked.has(OUTPUTS)) {
            StructType output = new StructType()
                    .add("index", DataTypes.IntegerType, false)
                    .add("text", DataTypes.StringType, asked.has(TOOL_CALLS))
                    .add(FINISH_REASON, DataTypes.StringType, false);
            output = asked.has(LOGPROBS) ? output.add(LOGPROBS, LOGPROBS_TYPE) : output;
            if (names.parsed() != null) {
                output = output.add(PARSED, names.parsed()).add(PARSED_ERROR, DataTypes.StringType);
            }
            output = asked.has(TOOL_CALLS) ? output.add(TOOL_CALLS, TOOL_CALLS_TYPE) : output;
            schema = schema.add(names.output(OUTPUTS), DataTypes.createArrayType(output, false));
        }
        schema = asked.has(LOGPROBS) ? schema.add(names.output(LOGPROBS), LOGPROBS_TYPE) : schema;
        if (names.parsed() != null) {
            schema = schema.add(names.output(PARSED), names.parsed())
                    .add(names.output(PARSED_ERROR), DataTypes.StringType);
        }
        for (Map.Entry<String, DataType> column : OPTIONAL.entrySet()) {
            schema = asked.has(column.getKey()) ? schema.add(names.output(column.getKey()), column.getValue()) : schema;
        }
        return names.hasContexts() ? schema.add(names.output(CONTEXTS), CONTEXTS_TYPE) : schema;
    }

    private static DataType type(String column) {
        return switch (column) {
            case USAGE -> USAGE_TYPE;
            case ERROR -> ERROR_TYPE;
            case SEED -> DataTypes.LongType;
            default -> DataTypes.StringType;
        };
    }

    /**
     * Whether an output column stands for the input's column of that name: the id, which is the same as text, and the row's own
     * sampling parameters {@code seed} and {@code logprobs}, which become the seed used and the log-probabilities asked for.
     *
     * @param idColumn null if ids are made
     * @param parameter whether the column holds a sampling parameter
     */
    public static boolean replaces(String column, String idColumn, boolean parameter, Columns names) {
        return names.output(column).equals(column)
                && (REPLACED.contains(column) && parameter || column.equals(ID) && column.equals(idColumn));
    }

    /**
     * The columns of an earlier output of the job, which is asked again: those that have an output column's name and kind. None if the
     * input does not look like an output: it has no {@code error} and no {@code usage} as ours.
     */
    public static Set<String> ours(StructType input, Columns names) {
        Set<String> ours = new LinkedHashSet<>();
        boolean output = isOurs(input, ERROR, names.output(ERROR)) || isOurs(input, USAGE, names.output(USAGE));
        for (String column : names()) {
            String name = names.output(column);
            if (output && !column.equals(ID) && named(names).contains(name) && isOurs(input, column, name)) {
                ours.add(name);
            }
        }
        return ours;
    }

    /** Whether an output has calls of tools under that name; a user's own column may be something else. */
    public static boolean areToolCalls(StructType output, String name) {
        return output.getFieldIndex(name).isDefined()
                && output.apply(name).dataType() instanceof ArrayType calls
                && calls.elementType() instanceof StructType call
                && List.of(call.fieldNames()).contains("function");
    }

    /** By the names of its fields: JSON has other types of numbers, and leaves nulls out. */
    private static boolean isOurs(StructType input, String column, String name) {
        if (input.getFieldIndex(name).isEmpty()) {
            return false;
        }
        DataType type = input.apply(name).dataType();
        return switch (column) {
            case USAGE, ERROR ->
                type instanceof StructType struct
                        && List.of(struct.fieldNames()).containsAll(List.of(((StructType) type(column)).fieldNames()));
            case SEED -> type instanceof IntegralType;
            case OUTPUTS, LOGPROBS, PROMPT_LOGPROBS, EMBEDDING, TOOL_CALLS, TURNS, CONTEXTS ->
                type instanceof ArrayType;
            case SCORE -> type instanceof StructType;
            case CHOICE_PROBABILITIES -> type instanceof MapType || type instanceof StructType;
            case PARSED -> true;
            default -> type instanceof StringType;
        };
    }

    /** A top-level column, whatever characters its name has. */
    public static Column named(String column) {
        return functions.col("`" + column.replace("`", "``") + "`");
    }
}
