package io.github.sparkmixtral.job.output;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.array_join;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.concat;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.size;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.transform;
import static org.apache.spark.sql.functions.when;

import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.job.options.OutputFormat;
import java.util.function.UnaryOperator;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/**
 * An output read back, whatever format it has: {@link #ID}, {@link #TEXT}, {@link #FINISH_REASON}, {@link #USAGE} and {@link #ERROR},
 * and the other columns by their names, where the format has them. A text that has an error is no answer, and is null here. The text
 * of an answer that calls tools is the calls as JSON, {@code [{"name": …, "arguments": …}]}.
 */
public final class Answered {
    public static final String ID = "__mixtral_id";
    public static final String TEXT = "__mixtral_text";
    public static final String FINISH_REASON = "__mixtral_finish_reason";
    public static final String USAGE = "__mixtral_usage";
    public static final String ERROR = "__mixtral_error";

    /** What is read of a line of OpenAI's batch output. */
    private static final StructType LINE = StructType.fromDDL(
            "custom_id string, error struct<code: string, message: string, retryable: boolean>, response struct<body:"
                    + " struct<choices: array<struct<text: string, message: struct<content: string, tool_calls:"
                    + " array<struct<function: struct<name: string, arguments: string>>>>, finish_reason: string>>,"
                    + " usage: struct<prompt_tokens: bigint, completion_tokens: bigint, total_tokens: bigint,"
                    + " prompt_tokens_details: struct<cached_tokens: bigint>>>>, recordId string, modelOutput struct<outputs:"
                    + " array<struct<text: string, stop_reason: string>>, choices: array<struct<message: struct<content: string>,"
                    + " stop_reason: string>>, usage: struct<prompt_tokens: bigint, completion_tokens: bigint, total_tokens:"
                    + " bigint, cached_tokens: bigint>>");

    private Answered() {}

    /** @param directory of the answers; not looked at if they are in a table */
    static Dataset<Row> in(SparkSession spark, JobOptions options, String directory) {
        Columns names = options.generation().columns();
        return options.output().format() == OutputFormat.TABLE
                ? columns(spark.table(options.output().table().orElseThrow()), names::output)
                : in(spark, options.output().format(), directory, names::output);
    }

    /**
     * Of a directory that may be another job's.
     *
     * @param names the names that the output's columns have there
     */
    static Dataset<Row> in(SparkSession spark, OutputFormat format, String directory, UnaryOperator<String> names) {
        return format == OutputFormat.JSONL
                ? lines(spark.read()
                        .schema(LINE)
                        .option("pathGlobFilter", "*.jsonl")
                        .json(directory))
                : columns(spark.read().option("mergeSchema", false).parquet(directory), names);
    }

    private static Dataset<Row> columns(Dataset<Row> output, UnaryOperator<String> names) {
        Column error = named(names.apply(OutputColumns.ERROR));
        Column text = named(names.apply(OutputColumns.TEXT));
        String calls = names.apply(OutputColumns.TOOL_CALLS);
        boolean called = OutputColumns.areToolCalls(output.schema(), calls);
        return output.withColumn(ID, named(names.apply(OutputColumns.ID)))
                .withColumn(TEXT, when(error.isNull(), called ? coalesce(json(named(calls)), text) : text))
                .withColumn(FINISH_REASON, named(names.apply(OutputColumns.FINISH_REASON)))
                .withColumn(USAGE, named(names.apply(OutputColumns.USAGE)))
                .withColumn(ERROR, error);
    }

    /** Calls without what differs from run to run; null if there are none. Names need no escapes, and arguments are JSON. */
    private static Column json(Column calls) {
        Column each = transform(calls, call -> {
            Column function = call.getField("function");
            return concat(
                    lit("{\"name\": \""),
                    function.getField("name"),
                    lit("\", \"arguments\": "),
                    function.getField("arguments"),
                    lit("}"));
        });
        return when(size(calls).gt(0), concat(lit("["), array_join(each, ", "), lit("]")));
    }

    private static Dataset<Row> lines(Dataset<Row> lines) {
        Column choice = col("response.body.choices").getItem(0);
        Column usage = col("response.body.usage");
        return lines.select(
                coalesce(col("custom_id"), col("recordId")).as(ID),
                coalesce(
                                json(choice.getField("message").getField("tool_calls")),
                                choice.getField("message").getField("content"),
                                choice.getField("text"),
                                col("modelOutput.outputs").getItem(0).getField("text"))
                        .as(TEXT),
                coalesce(
                                choice.getField("finish_reason"),
                                col("modelOutput.outputs").getItem(0).getField("stop_reason"),
                                col("modelOutput.choices").getItem(0).getField("stop_reason"))
                        .as(FINISH_REASON),
                when(
                                usage.isNotNull(),
                                struct(
                                        usage.getField("prompt_tokens").as("prompt_tokens"),
                                        usage.getField("completion_tokens").as("completion_tokens"),
                                        usage.getField("total_tokens").as("total_tokens"),
                                        coalesce(
                                                        usage.getField("prompt_tokens_details")
                                                                .getField("cached_tokens"),
                                                        lit(0L))
                                                .as("cached_tokens")))
                        .otherwise(col("modelOutput.usage"))
                        .as(USAGE),
                col("error").as(ERROR));
    }
}
