package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OutputFormat;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * The complete output of an earlier run, which answers are compared with.
 *
 * @param format that it was written in
 * @param names other names of its columns
 */
public record Baseline(OutputDirectory directory, OutputFormat format, Map<String, String> names) {
    /** Beside the answers: those that are other ones than the baseline's. */
    static final String CHANGED = "_baseline";

    /**
     * Finds and checks the directory that {@code --baseline} names; empty if it names none.
     *
     * @throws JobException with exit code 2 if it is no complete output of a job, or overlaps with this job's
     */
    public static Optional<Baseline> of(JobOptions options, Configuration configuration) {
        if (options.evaluation().baseline().isEmpty()) {
            return Optional.empty();
        }
        OutputDirectory directory =
                new OutputDirectory(options.evaluation().baseline().get(), configuration);
        try {
            Optional<String> output = options.output().directory();
            if (output.isPresent() && directory.overlaps(new OutputDirectory(output.get(), configuration))) {
                throw unusable(directory, "overlaps with --output: give another output");
            }
            if (!directory.exists()) {
                throw unusable(directory, "does not exist: give the --output directory of an earlier run");
            }
            if (!directory.has(JobRecord.FILE)) {
                throw unusable(
                        directory,
                        "is no job's output, for it has no " + JobRecord.FILE
                                + ": give the --output directory of an earlier run");
            }
            if (!directory.isComplete()) {
                throw unusable(directory, "is incomplete, for it has no _SUCCESS: run its job again until it is done");
            }
            if (directory.dataFiles().isEmpty()) {
                throw unusable(directory, "holds no answers: give the --output directory of a run that has some");
            }
            JsonNode written =
                    new JsonMapper().readTree(directory.read(Manifest.FILE)).path("options");
            OutputFormat format = written.path("output-format").asText().equalsIgnoreCase("jsonl")
                    ? OutputFormat.JSONL
                    : OutputFormat.PARQUET;
            return Optional.of(new Baseline(directory, format, names(written.path("output-columns"))));
        } catch (JacksonException e) {
            throw unusable(directory, "cannot be used, for its " + Manifest.FILE + " is no JSON: give another run's");
        } catch (IOException | IllegalArgumentException e) {
            throw new JobException(
                    ExitCode.USAGE, "--baseline " + directory.shown() + " cannot be read: " + e.getMessage(), e);
        }
    }

    private static JobException unusable(OutputDirectory directory, String why) {
        return JobException.usage("--baseline " + directory.shown() + " " + why);
    }

    /** As the options have them: {@code custom_id=key}, one or several, apart or with commas. */
    static Map<String, String> names(JsonNode written) {
        Map<String, String> names = new HashMap<>();
        for (JsonNode value :
                written.isArray() ? written : new JsonMapper().createArrayNode().add(written)) {
            for (String pair : value.asText().split(",", -1)) {
                int equals = pair.indexOf('=');
                if (equals > 0) {
                    names.put(pair.substring(0, equals), pair.substring(equals + 1));
                }
            }
        }
        return names;
    }

    /** See {@link Answered}. */
    Dataset<Row> answers(SparkSession spark) {
        return Answered.in(spark, format, directory.location(), column -> names.getOrDefault(column, column));
    }
}
