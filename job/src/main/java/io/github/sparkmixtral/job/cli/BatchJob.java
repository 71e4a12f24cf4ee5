package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.output.OutputColumns.named;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.xxhash64;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.inference.Generation;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.InputReader;
import io.github.sparkmixtral.job.model.ModelCache;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.EngineIdentity;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.output.Manifest;
import io.github.sparkmixtral.job.output.OutputColumns;
import io.github.sparkmixtral.job.output.OutputDirectory;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One run of the job: checks all that can be checked, answers the input, writes answers and manifest. */
final class BatchJob {
    private static final Logger LOG = LoggerFactory.getLogger(BatchJob.class);

    /** Rows that are worth a task of their own when the input is spread over more tasks than it came in. */
    private static final long ROWS_PER_TASK = 32;

    private final SparkSession spark;
    private final JobOptions options;
    private final Configuration configuration;
    private final OutputDirectory output;

    BatchJob(SparkSession spark, JobOptions options) {
        this.spark = spark;
        this.options = options;
        this.configuration = spark.sessionState().newHadoopConf();
        this.output = new OutputDirectory(options.output(), configuration);
    }

    /**
     * Runs the job: checks all that can be checked, then generates.
     *
     * @throws JobException with the exit code and the sentence for a fault of the user's
     */
    Manifest run() throws Exception {
        Instant start = Instant.now();
        InputReader inputReader = new InputReader(spark, options);
        output.requireFree(options.outputMode(), inputReader.files());
        ModelDescription model = describe();
        requireLength(model);
        Input input = inputReader.read();
        LOG.info(
                "{}: {} million parameters, {}; {} rows",
                options.generation().engine().modelName(),
                String.format(Locale.ROOT, "%,.1f", model.parameters() / 1e6),
                model.format(),
                String.format(Locale.ROOT, "%,d", input.survey().rows()));
        StructType schema = generate(input);
        Manifest manifest = Manifest.of(spark, options, schema);
        if (manifest.rows() != input.survey().rows()) {
            throw new JobException(
                    ExitCode.FAILED,
                    "the output has " + manifest.rows() + " rows for "
                            + input.survey().rows()
                            + " of the input: the input has changed while the job ran, or Spark has lost some");
        }
        manifest.write(options, model, start, Instant.now(), configuration);
        finish(manifest, Duration.between(start, Instant.now()));
        return manifest;
    }

    private ModelDescription describe() {
        EngineIdentity engine = options.generation().engine();
        return new ModelCache(java.nio.file.Path.of(engine.modelCache()), configuration, LOG::info)
                .describe(engine.model(), engine.quantization());
    }

    private void requireLength(ModelDescription model) {
        if (options.generation().engine().maxModelLen() > model.config().maxPositions()) {
            throw JobException.usage(
                    "--max-model-len must be at most " + model.config().maxPositions() + ", the model's own limit, not "
                            + options.generation().engine().maxModelLen());
        }
    }

    /** Writes the answers; returns the schema they were written with. */
    private StructType generate(Input input) {
        Dataset<Row> answers = Generation.answers(
                partitioned(input),
                input,
                options.generation(),
                configuration,
                Generation.Done.in(spark.sparkContext()));
        SparkContext context = spark.sparkContext();
        try (ProgressReporter progress = new ProgressReporter(input.survey().rows(), LOG::info)) {
            context.addSparkListener(progress);
            try {
                interruptible(() -> {
                    answers.write()
                            .mode(options.outputMode() == OutputMode.OVERWRITE ? SaveMode.Overwrite : SaveMode.Append)
                            .option("mapreduce.fileoutputcommitter.marksuccessfuljobs", false)
                            .parquet(options.output());
                    return null;
                });
            } finally {
                context.removeSparkListener(progress);
            }
        }
        return answers.schema();
    }

    /** Lets the kill of a task interrupt its thread, which may be waiting for the engine. */
    private void interruptible(Callable<Void> action) {
        spark.sparkContext().setInterruptOnCancel(true);
        try {
            action.call();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /**
     * The rows, spread over enough tasks to give every core one. Neighbours stay together, for they often share a prefix; which
     * row goes where depends on the input alone.
     */
    private Dataset<Row> partitioned(Input input) {
        int given = input.rows().rdd().getNumPartitions();
        long worthwhile = Math.ceilDiv(input.survey().rows(), ROWS_PER_TASK);
        int automatic = (int) Math.max(given, Math.min(2L * spark.sparkContext().defaultParallelism(), worthwhile));
        int wanted = options.partitions() > 0 ? options.partitions() : automatic;
        if (wanted == given) {
            return input.rows();
        }
        return input.reader().format() == InputFormat.TABLE
                ? input.rows().repartition(wanted)
                : input.rows().repartitionByRange(wanted, new Column(Input.FILE), new Column(Input.POSITION));
    }

    private void finish(Manifest manifest, Duration time) throws IOException {
        if (options.show() > 0) {
            show();
        }
        manifest.score().ifPresent(score -> score.show(spark));
        double seconds = time.toMillis() / 1e3;
        LOG.info(String.format(
                Locale.ROOT,
                "%,d rows: %,d answered (%,d of them cut at max_tokens), %,d with errors%s; %,d tokens in %.1f s (%,.1f/s)",
                manifest.rows(),
                manifest.rows() - manifest.failedRows(),
                manifest.cutRows(),
                manifest.failedRows(),
                manifest.errors().isEmpty() ? "" : " " + manifest.errors(),
                manifest.completionTokens(),
                seconds,
                manifest.completionTokens() / seconds));
        if (manifest.errorRatio() > options.toleratedErrorRatio()) {
            throw new JobException(
                    ExitCode.TOO_MANY_ERRORS,
                    String.format(
                            Locale.ROOT,
                            "%,d of %,d rows have errors, more than %s allows; all rows are in %s; one error: %s",
                            manifest.failedRows(),
                            manifest.rows(),
                            options.failOnError()
                                    ? "--fail-on-error"
                                    : "--max-error-ratio " + OptionValues.text(options.maxErrorRatio()),
                            output.shown(),
                            manifest.firstError()));
        }
        output.markComplete();
        LOG.info("The answers are in {}", output.shown());
    }

    private void show() {
        Columns names = options.generation().columns();
        Column id = named(names.output(OutputColumns.ID));
        Column error = named(names.output(OutputColumns.ERROR));
        List<Column> columns = new ArrayList<>();
        columns.add(id);
        columns.add(coalesce(named(names.output(OutputColumns.TEXT)), error.getField("message"))
                .as("answer"));
        options.expectedColumn().map(OutputColumns::named).ifPresent(column -> columns.add(column.as("expected")));
        columns.add(named(names.output(OutputColumns.FINISH_REASON)));
        // A sample of all rows, always the same: what is written first are the short answers.
        spark.read()
                .parquet(options.output())
                .orderBy(xxhash64(id))
                .select(columns.toArray(Column[]::new))
                .show(options.show(), 60);
    }
}
