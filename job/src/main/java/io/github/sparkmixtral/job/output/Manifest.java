package io.github.sparkmixtral.job.output;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.input_file_name;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.sum;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.Uris;
import io.github.sparkmixtral.job.options.Version;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.DoubleUnaryOperator;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * What the output holds, counted in the files as they were written, whatever was tried again on the way there.
 *
 * @param errors rows by error code
 * @param finishReasons answered rows by finish reason of their first output, those that have one
 * @param examples one row of each error code
 * @param files of the answers, by name
 */
public record Manifest(
        long rows,
        Map<String, Long> errors,
        Map<String, Long> finishReasons,
        Map<String, FailedRow> examples,
        long promptTokens,
        long completionTokens,
        long cachedTokens,
        List<OutputFile> files) {

    static final String FILE = "_manifest.json";

    /** A row that has an error. */
    record FailedRow(String id, String message) {}

    /** Counts the answers that are there. */
    public static Manifest of(JobOutput output) throws IOException {
        if (!output.hasAnswers()) {
            return new Manifest(0, Map.of(), Map.of(), Map.of(), 0, 0, 0, List.of());
        }
        Dataset<Row> answers = output.answered();
        Column error = named(Answered.ERROR);
        Column usage = named(Answered.USAGE);
        List<Row> groups = answers.groupBy(
                        error.getField("code").as("code"), named(Answered.FINISH_REASON), input_file_name())
                .agg(
                        count(lit(1)),
                        min(struct(error.getField("message"), named(Answered.ID))),
                        tokens(usage, "prompt_tokens"),
                        tokens(usage, "completion_tokens"),
                        tokens(usage, "cached_tokens"))
                .collectAsList();
        Map<String, Long> rowsByFile = new TreeMap<>();
        groups.forEach(group -> rowsByFile.merge(fileName(group.getString(2)), group.getLong(3), Long::sum));
        Map<String, Long> errors = new TreeMap<>();
        Map<String, Long> finishReasons = new TreeMap<>();
        Map<String, FailedRow> examples = new TreeMap<>();
        for (Row group : groups) {
            boolean answered = group.isNullAt(0);
            if (!answered) {
                Row row = group.getStruct(4);
                examples.putIfAbsent(group.getString(0), new FailedRow(row.getString(1), row.getString(0)));
            }
            String key = group.getString(answered ? 1 : 0);
            // A row whose prompt was only read has no reason to finish.
            if (key != null) {
                (answered ? finishReasons : errors).merge(key, group.getLong(3), Long::sum);
            }
        }
        return new Manifest(
                groups.stream().mapToLong(group -> group.getLong(3)).sum(),
                errors,
                finishReasons,
                examples,
                groups.stream().mapToLong(group -> group.getLong(5)).sum(),
                groups.stream().mapToLong(group -> group.getLong(6)).sum(),
                groups.stream().mapToLong(group -> group.getLong(7)).sum(),
                output.files(rowsByFile));
    }

    private static String fileName(String uri) {
        return uri.isEmpty() ? "" : Uris.normalized(uri);
    }

    private static Column tokens(Column usage, String field) {
        return coalesce(sum(usage.getField(field)), lit(0L)).cast("bigint");
    }

    public long failedRows() {
        return errors.values().stream().mapToLong(Long::longValue).sum();
    }

    /** The message of an error that many rows have; null if no row has one. */
    public String commonError() {
        return errors.entrySet().stream()
                .max(Map.Entry.comparingByValue())
                .map(error -> examples.get(error.getKey()).message())
                .orElse(null);
    }

    public double errorRatio() {
        return (double) failedRows() / rows;
    }

    /** The share of the prompts' tokens that were not computed again, in [0, 1]. */
    public double cacheHitRate() {
        return promptTokens == 0 ? 0 : (double) cachedTokens / promptTokens;
    }

    /** Answers that {@code max_tokens} or the context's end has cut. */
    public long cutRows() {
        return finishReasons.getOrDefault("length", 0L);
    }

    /**
     * Writes {@code _manifest.json} beside the answers.
     *
     * @param run what is known of this run
     * @return what it says
     */
    public ObjectNode write(JobOptions options, ModelDescription model, Run run, Verdict verdict, JobOutput output)
            throws IOException {
        JsonMapper json = new JsonMapper();
        ObjectNode root = json.createObjectNode();
        root.put("schema_version", 1);
        root.put("status", status(options, run));
        root.put("terminal_reason", run.terminalReason());
        root.put("result_uri", output.shown());
        root.put("request_count", run.inputRows());
        long left = Math.max(0, run.inputRows() - rows);
        root.putObject("counts")
                .put("succeeded", rows - failedRows())
                .put("errored", failedRows())
                .put("cancelled", run.isStopped() ? left : 0)
                .put("missing", run.isStopped() ? 0 : left);
        root.put("attempts", output.attempts());
        ObjectNode rowCounts = root.putObject("rows");
        rowCounts
                .put("total", rows)
                .put("answered", rows - failedRows())
                .put("failed", failedRows())
                .put("resumed", run.inputRows() - output.rowsToAnswer())
                .put("copied", run.copiedRows());
        rowCounts.set("errors", json.valueToTree(errors));
        ObjectNode failed = rowCounts.putObject("error_examples");
        examples.forEach(
                (code, row) -> failed.putObject(code).put("custom_id", row.id()).put("message", row.message()));
        rowCounts.set("finish_reasons", json.valueToTree(finishReasons));
        root.putObject("tokens")
                .put("prompt", promptTokens)
                .put("completion", completionTokens)
                .put("total", promptTokens + completionTokens)
                .put("cached", cachedTokens)
                .put("cache_hit_rate", cacheHitRate());
        verdict.write(root);
        double seconds = run.seconds();
        root.putObject("time")
                .put("start", run.start().toString())
                .put("end", run.end().toString())
                .put("seconds", seconds)
                .put("rows", run.rows())
                .put("completion_tokens", run.completionTokens())
                .put("rows_per_second", run.rows() / seconds)
                .put("completion_tokens_per_second", run.completionTokens() / seconds)
                .put("seconds_per_row_p50", run.secondsPerRow().applyAsDouble(0.5))
                .put("seconds_per_row_p95", run.secondsPerRow().applyAsDouble(0.95));
        ArrayNode slowest = root.putArray("slowest_rows");
        run.slowestRows()
                .forEach(row -> slowest.addObject()
                        .put("custom_id", row.id())
                        .put("seconds", row.seconds())
                        .put("prompt_tokens", row.promptTokens())
                        .put("completion_tokens", row.completionTokens()));
        root.set("expert_tokens", json.valueToTree(run.expertTokens()));
        run.forecast().ifPresent(forecast -> root.set("prediction", forecast.json(seconds)));
        run.cost()
                .ifPresent(cost -> root.putObject("cost")
                        .put("price_per_hour", cost.pricePerHour())
                        .put("executor_hours", cost.executorHours())
                        .put("total", cost.total()));
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
        ObjectNode byExecutor = root.putObject("executors");
        run.tokensByExecutor().forEach(byExecutor::put);
        ArrayNode list = root.putArray("files");
        files.forEach(file -> list.addObject()
                .put("name", file.name())
                .put("rows", file.rows())
                .put("bytes", file.bytes())
                .put("sha256", file.sha256()));
        output.publish(json.writerWithDefaultPrettyPrinter().writeValueAsBytes(root), FILE);
        return root;
    }

    /**
     * What a run costs.
     *
     * @param pricePerHour of an executor's machine
     * @param executorHours of all executors together
     */
    public record Cost(double pricePerHour, double executorHours) {
        public double total() {
            return pricePerHour * executorHours;
        }
    }

    private String status(JobOptions options, Run run) {
        if (run.isStopped()) {
            return "stopped";
        }
        return isTolerated(options) ? "done" : "too_many_errors";
    }

    /** Whether no more rows have errors than the job allows; never if all have. */
    public boolean isTolerated(JobOptions options) {
        return failedRows() < rows && errorRatio() <= options.toleratedErrorRatio();
    }

    /**
     * What is known of a run beside its answers.
     *
     * @param inputRows of the whole input
     * @param rows answered by this run
     * @param copiedRows of these, those that got an equal row's answer
     * @param completionTokens of this run's answers
     * @param tokensByExecutor the same by executor
     * @param secondsPerRow what shares of the rows did not exceed, from a row's way into the engine to its answer
     * @param slowestRows the slowest one first
     * @param expertTokens {@code [layers, experts]} how many tokens each expert has had; empty if the backend does not count
     * @param cost empty if no price is known
     * @param forecast of this very run; empty if there is none
     * @param terminalReason {@link #COMPLETED}, or why the job stopped before its end
     */
    public record Run(
            Instant start,
            Instant end,
            long inputRows,
            long rows,
            long copiedRows,
            long completionTokens,
            Map<String, Long> tokensByExecutor,
            DoubleUnaryOperator secondsPerRow,
            List<SlowRow> slowestRows,
            long[][] expertTokens,
            Optional<Cost> cost,
            Optional<Forecast> forecast,
            String terminalReason) {
        public static final String COMPLETED = "completed";
        public static final String DEADLINE = "deadline";
        public static final String MAX_TOTAL_TOKENS = "max_total_tokens";

        /** Whether rows are left for the next run. */
        public boolean isStopped() {
            return !terminalReason.equals(COMPLETED);
        }

        public double seconds() {
            return Math.max(1, Duration.between(start, end).toMillis()) / 1e3;
        }
    }
}
