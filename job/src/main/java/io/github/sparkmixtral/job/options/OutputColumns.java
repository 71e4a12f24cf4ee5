package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.job.fault.JobException;
import java.util.List;
import java.util.Set;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
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

    private static final List<String> ALWAYS = List.of(ID, TEXT, FINISH_REASON, USAGE, ERROR, MODEL, SEED);
    private static final Set<String> REPLACED = Set.of(SEED, LOGPROBS);

    private OutputColumns() {}

    /** All names, whether or not an output has the column. */
    public static List<String> names() {
        return List.of(ID, TEXT, FINISH_REASON, USAGE, ERROR, MODEL, SEED, OUTPUTS, LOGPROBS);
    }

    /**
     * The output's columns.
     *
     * @param input of the input's own columns
     */
    public static StructType schema(StructType input, boolean severalOutputs, boolean logprobs, Columns names) {
        StructType schema = new StructType(input.fields().clone());
        for (String column : ALWAYS) {
            schema = schema.add(names.output(column), type(column));
        }
        if (severalOutputs) {
            StructType output = new StructType()
                    .add("index", DataTypes.IntegerType, false)
                    .add("text", DataTypes.StringType, false)
                    .add(FINISH_REASON, DataTypes.StringType, false);
            StructField[] fields =
                    logprobs ? output.add(LOGPROBS, LOGPROBS_TYPE).fields() : output.fields();
            schema = schema.add(names.output(OUTPUTS), DataTypes.createArrayType(new StructType(fields), false));
        }
        return logprobs ? schema.add(names.output(LOGPROBS), LOGPROBS_TYPE) : schema;
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
     */
    public static boolean replaces(String column, String idColumn, Columns names) {
        return names.output(column).equals(column)
                && (REPLACED.contains(column) || column.equals(ID) && column.equals(idColumn));
    }

    /**
     * Refuses an input column that the output needs for itself.
     *
     * @throws JobException with exit code 3
     */
    public static void requireNoClash(List<String> columns, String idColumn, Columns names) {
        List<String> output = names().stream().map(names::output).toList();
        for (String column : columns) {
            boolean wanted = output.contains(column) && !replaces(column, idColumn, names);
            if (wanted || column.startsWith("__mixtral_")) {
                throw JobException.input(
                        "the input's column " + column + " is in the way of the output column of that name: rename it");
            }
        }
    }

    /** A top-level column, whatever characters its name has. */
    public static Column named(String column) {
        return functions.col("`" + column.replace("`", "``") + "`");
    }
}
