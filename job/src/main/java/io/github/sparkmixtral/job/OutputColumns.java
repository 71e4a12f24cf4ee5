package io.github.sparkmixtral.job;

import java.util.List;
import java.util.Set;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** The columns that an answer adds to its row. */
final class OutputColumns {
    static final String ID = "custom_id";
    static final String TEXT = "generated_text";
    static final String FINISH_REASON = "finish_reason";
    static final String USAGE = "usage";
    static final String ERROR = "error";
    static final String MODEL = "model";
    static final String SEED = "seed";
    static final String OUTPUTS = "outputs";
    static final String LOGPROBS = "logprobs";

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

    private static final Set<String> RESERVED = Set.of(TEXT, FINISH_REASON, USAGE, ERROR, MODEL, OUTPUTS);
    private static final Set<String> REPLACED = Set.of(SEED, LOGPROBS);

    private OutputColumns() {}

    /**
     * The output's columns.
     *
     * @param input of the input's own columns
     */
    static StructType schema(StructType input, boolean severalOutputs, boolean logprobs) {
        StructType schema = new StructType(input.fields().clone())
                .add(ID, DataTypes.StringType)
                .add(TEXT, DataTypes.StringType)
                .add(FINISH_REASON, DataTypes.StringType)
                .add(USAGE, USAGE_TYPE)
                .add(ERROR, ERROR_TYPE)
                .add(MODEL, DataTypes.StringType)
                .add(SEED, DataTypes.LongType);
        if (severalOutputs) {
            StructType output = new StructType()
                    .add("index", DataTypes.IntegerType, false)
                    .add("text", DataTypes.StringType, false)
                    .add(FINISH_REASON, DataTypes.StringType, false);
            StructField[] fields =
                    logprobs ? output.add(LOGPROBS, LOGPROBS_TYPE).fields() : output.fields();
            schema = schema.add(OUTPUTS, DataTypes.createArrayType(new StructType(fields), false));
        }
        return logprobs ? schema.add(LOGPROBS, LOGPROBS_TYPE) : schema;
    }

    /**
     * Whether an output column stands for the input's column of that name: the id, which is the same as text, and the row's own
     * sampling parameters {@code seed} and {@code logprobs}, which become the seed used and the log-probabilities asked for.
     */
    static boolean replaces(String column, String idColumn) {
        return REPLACED.contains(column) || column.equals(ID) && column.equals(idColumn);
    }

    /**
     * Refuses an input column that the output needs for itself.
     *
     * @throws JobException with exit code 3
     */
    static void requireNoClash(List<String> columns, String idColumn) {
        for (String column : columns) {
            boolean id = column.equals(ID) && !column.equals(idColumn);
            if (RESERVED.contains(column) || id || column.startsWith("__mixtral_")) {
                throw JobException.input(
                        "the input's column " + column + " is in the way of the output column of that name: rename it");
            }
        }
    }
}
