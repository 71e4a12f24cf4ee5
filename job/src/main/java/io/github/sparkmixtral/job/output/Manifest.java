package io.github.sparkmixtral.job.output;

import static io.github.sparkmixtral.job.output.OutputColumns.named;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.sum;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.Version;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/**
 * What the output holds, counted in the files as they were written, whatever was tried again on the way there.
 *
 * @param errors rows by error code
 * @param finishReasons answered rows by finish reason of their first output
 * @param firstError one error's message; null where there is none
 * @param score where the job has an {@code --expected-column}
 */
public record Manifest(
        long rows,
        Map<String, Long> errors,
        Map<String, Long> finishReasons,
        String firstError,
        long promptTokens,
        long completionTokens,
        long cachedTokens,
        Optional<Score> score) {

    static final String FILE = "_manifest.json";

    /** Counts the Parquet files at the job's output, which have that schema. */
    public static Manifest of(SparkSession spark, JobOptions options, StructType schema) {
        Dataset<Row> answers = spark.read().schema(schema).parquet(options.output());
        Columns names = options.generation().columns();
        Column error = named(names.output(OutputColumns.ERROR));
        Column usage = named(names.output(OutputColumns.USAGE));
        List<Row> groups = answers.groupBy(
                        error.getField("code").as("code"), named(names.output(OutputColumns.FINISH_REASON)))
                .agg(
                        count(lit(1)),
                        min(error.getField("message")),
                        tokens(usage, "prompt_tokens"),
                        tokens(usage, "completion_tokens"),
                        tokens(usage, "cached_tokens"))
                .collectAsList();
        Map<String, Long> errors = new TreeMap<>();
        Map<String, Long> finishReasons = new TreeMap<>();
        for (Row group : groups) {
            Map<String, Long> counts = group.isNullAt(0) ? finishReasons : errors;
            counts.merge(group.getString(group.isNullAt(0) ? 1 : 0), group.getLong(2), Long::sum);
        }
        return new Manifest(
                groups.stream().mapToLong(group -> group.getLong(2)).sum(),
                errors,
                finishReasons,
                groups.stream()
                        .filter(group -> !group.isNullAt(0))
                        .max(Comparator.comparingLong(group -> group.getLong(2)))
                        .map(group -> group.getString(3))
                        .orElse(null),
                groups.stream().mapToLong(group -> group.getLong(4)).sum(),
                groups.stream().mapToLong(group -> group.getLong(5)).sum(),
                groups.stream().mapToLong(group -> group.getLong(6)).sum(),
                options.expectedColumn()
                        .map(expected ->
                                Score.of(answers, names.output(OutputColumns.TEXT), expected, options.scoreBy())));
    }

    private static Column tokens(Column usage, String field) {
        return coalesce(sum(usage.getField(field)), lit(0L)).cast("bigint");
    }

    public long failedRows() {
        return errors.values().stream().mapToLong(Long::longValue).sum();
    }

    public double errorRatio() {
        return (double) failedRows() / rows;
    }

    /** Answers that {@code max_tokens} or the context's end has cut. */
    public long cutRows() {
        return finishReasons.getOrDefault("length", 0L);
    }

    /** Writes {@code _manifest.json} beside the Parquet files. */
    public void write(
            JobOptions options, ModelDescription model, Instant start, Instant end, Configuration configuration)
            throws IOException {
        JsonMapper json = new JsonMapper();
        ObjectNode root = json.createObjectNode();
        root.put("status", errorRatio() > options.toleratedErrorRatio() ? "too_many_errors" : "done");
        ObjectNode rowCounts = root.putObject("rows");
        rowCounts.put("total", rows).put("answered", rows - failedRows()).put("failed", failedRows());
        rowCounts.set("errors", json.valueToTree(errors));
        rowCounts.set("finish_reasons", json.valueToTree(finishReasons));
        root.putObject("tokens")
                .put("prompt", promptTokens)
                .put("completion", completionTokens)
                .put("total", promptTokens + completionTokens)
                .put("cached", cachedTokens);
        score.ifPresent(found -> write(found, options, root.putObject("score")));
        double seconds = Duration.between(start, end).toMillis() / 1e3;
        root.putObject("time")
                .put("start", start.toString())
                .put("end", end.toString())
                .put("seconds", seconds)
                .put("rows_per_second", rows / seconds)
                .put("completion_tokens_per_second", completionTokens / seconds);
        root.putObject("model")
                .put("path", Redaction.redact(options.generation().engine().model()))
                .put("format", model.format())
                .put("parameters", model.parameters())
                .put("bytes", model.bytes())
                .put("layers", model.config().layers())
                .put("experts", model.config().experts())
                .put("experts_per_token", model.config().expertsPerToken())
                .put("vocabulary_size", model.config().vocabularySize())
                .put("max_positions", model.config().maxPositions());
        ObjectNode settings = root.putObject("options");
        options.resolved().forEach((name, values) -> {
            if (values.size() == 1) {
                settings.put(name, values.getFirst());
            } else {
                settings.set(name, json.valueToTree(values));
            }
        });
        root.putObject("versions")
                .put("spark_mixtral", Version.job())
                .put("spark", Version.spark())
                .put("java", Version.java());
        Path path = new Path(options.output(), FILE);
        try (OutputStream out = path.getFileSystem(configuration).create(path, true)) {
            json.writerWithDefaultPrettyPrinter().writeValue(out, root);
        }
    }

    private void write(Score found, JobOptions options, ObjectNode node) {
        options.expectedColumn().ifPresent(column -> node.put("expected_column", column));
        write(found.total(), node);
        node.put("unlabelled_rows", rows - found.total().rows());
        found.by().ifPresent(column -> {
            node.put("by", column);
            ArrayNode groups = node.putArray("groups");
            found.groups().forEach(group -> write(group, groups.addObject().put("value", group.value())));
        });
    }

    private static void write(Score.Share share, ObjectNode node) {
        node.put("rows", share.rows()).put("exact", share.exact()).put("ratio", share.ratio());
    }
}
