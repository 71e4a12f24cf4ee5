package io.github.sparkmixtral.job;

import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.xxhash64;

import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelLoader;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Tuple2;

/** Answers a table of prompts with Mixtral and writes the answers as Parquet: the class to give to {@code spark-submit}. */
public final class BatchInferenceJob {
    private static final Logger LOG = LoggerFactory.getLogger(BatchInferenceJob.class);

    /** Rows that are worth a task of their own when the input is spread over more tasks than it came in. */
    private static final long ROWS_PER_TASK = 32;

    private final SparkSession spark;
    private final JobOptions options;
    private final Configuration configuration;
    private final OutputDirectory output;

    BatchInferenceJob(SparkSession spark, JobOptions options) {
        this.spark = spark;
        this.options = options;
        this.configuration = spark.sessionState().newHadoopConf();
        this.output = new OutputDirectory(options.output(), configuration);
    }

    /** Runs the job, and ends the JVM with its exit code. */
    public static void main(String[] arguments) {
        System.exit(execute(arguments, System.out, System.err).value());
    }

    /** Runs the job. What goes wrong is the last line on {@code err}, in words. */
    static ExitCode execute(String[] arguments, PrintStream out, PrintStream err) {
        boolean verbose = Arrays.asList(arguments).contains("--verbose");
        try {
            PrintWriter writer = new PrintWriter(out, true, StandardCharsets.UTF_8);
            Optional<JobOptions> options = OptionParser.parse(arguments, writer);
            if (options.isPresent()) {
                verbose = options.get().verbose();
                ConsoleLog.configure(verbose);
                submit(options.get());
            }
            return ExitCode.DONE;
        } catch (Throwable t) {
            JobException cause = RootCause.of(t);
            if (verbose) {
                t.printStackTrace(err);
            }
            err.println("spark-mixtral: " + cause.getMessage());
            return cause.exitCode();
        }
    }

    private static void submit(JobOptions options) throws Exception {
        requireBackend(options.backend());
        if (ModelCache.isLocal(options.model())) {
            localModel(options, new Configuration());
        }
        try (Session session = Session.start(options.verbose())) {
            if (session.spark().sparkContext().isLocal()) {
                requireNoTaskResources(session.spark().sparkContext().getConf());
                requireUsable(options.backend());
            }
            new BatchInferenceJob(session.spark(), options).run();
        } finally {
            ExecutorEngine.closeCurrent();
        }
    }

    /** Spark's session; one that was there before is left as it was. */
    private record Session(SparkSession spark, boolean own) implements AutoCloseable {
        static Session start(boolean verbose) {
            boolean own = SparkSession.getDefaultSession().isEmpty();
            SparkConf conf = new SparkConf()
                    .setIfMissing("spark.master", "local[*]")
                    .setIfMissing("spark.app.name", "spark-mixtral")
                    .setIfMissing("spark.log.level", verbose ? "INFO" : "OFF");
            SparkSession spark = SparkSession.builder().config(conf).getOrCreate();
            // Spark sets its own log up while it starts.
            ConsoleLog.configure(verbose);
            return new Session(spark, own);
        }

        @Override
        public void close() {
            if (own) {
                spark.stop();
            }
        }
    }

    private static void requireBackend(String name) {
        if (!Backends.names().contains(name)) {
            throw JobException.usage(
                    "--backend must be one of " + String.join(", ", Backends.names()) + ", not " + name);
        }
    }

    /** Asks for the backend where the engine will run in this JVM; elsewhere it is for the executors to say. */
    private static void requireUsable(String backend) {
        try {
            if (!backend.equals(Backends.AUTO)) {
                BackendProvider _ = Backends.find(backend);
            }
        } catch (IllegalStateException e) {
            throw new JobException(ExitCode.MODEL_UNUSABLE, e.getMessage(), e);
        }
    }

    /** Local mode gives out no resources: tasks that want some would wait for ever. */
    private static void requireNoTaskResources(SparkConf conf) {
        String prefix = "spark.task.resource.";
        Tuple2<String, String>[] wanted = conf.getAllWithPrefix(prefix);
        if (wanted.length > 0) {
            throw JobException.usage(
                    prefix + wanted[0]._1() + " is set, but Spark gives out no GPUs in local mode: leave it out"
                            + " (conf/spark-gpu.conf is for clusters); the engine takes a GPU by itself");
        }
    }

    private static java.nio.file.Path localModel(JobOptions options, Configuration configuration) {
        return new ModelCache(options.modelCache(), configuration, LOG::info).localPath(options.model());
    }

    /**
     * Runs the job: checks all that can be checked, then generates.
     *
     * @throws JobException with the exit code and the sentence for a fault of the user's
     */
    Manifest run() throws Exception {
        // Two columns whose names differ in case are two columns.
        spark.conf().set("spark.sql.caseSensitive", true);
        spark.conf().set("spark.sql.shuffle.partitions", spark.sparkContext().defaultParallelism());
        Instant start = Instant.now();
        InputReader inputReader = new InputReader(spark, options);
        output.requireFree(options.outputMode(), inputReader.files());
        ModelDescription model = ModelLoader.describe(localModel(options, configuration), options.quantization());
        requireLength(model);
        Input input = inputReader.read();
        LOG.info(
                "{}: {} million parameters, {}; {} rows",
                modelName(),
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

    private void requireLength(ModelDescription model) {
        if (options.maxModelLen() > model.config().maxPositions()) {
            throw JobException.usage("--max-model-len must be at most "
                    + model.config().maxPositions() + ", the model's own limit, not " + options.maxModelLen());
        }
    }

    /** Writes the answers; returns the schema they were written with. */
    private StructType generate(Input input) {
        int own = input.columns().size();
        boolean several = input.survey().severalOutputs() || options.sampling().n() > 1;
        boolean logprobs = input.survey().logprobs() || options.sampling().logprobs() >= 0;
        StructType ownColumns =
                new StructType(Arrays.copyOf(input.rows().schema().fields(), own));
        StructType schema = OutputColumns.schema(ownColumns, several, logprobs);
        SparkContext context = spark.sparkContext();
        Generation.Done done = new Generation.Done(
                context.longAccumulator(ProgressReporter.ROWS),
                context.longAccumulator(ProgressReporter.ERRORS),
                context.longAccumulator(ProgressReporter.PROMPT_TOKENS),
                context.longAccumulator(ProgressReporter.COMPLETION_TOKENS));
        Generation generation = new Generation(
                EngineSettings.of(options),
                new SerializableConfiguration(configuration),
                input.reader(),
                own,
                modelName(),
                several,
                logprobs,
                done);
        Dataset<Row> answers = partitioned(input).mapPartitions(generation, Encoders.row(schema));
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
        return schema;
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

    private String modelName() {
        String path = options.model().replaceAll("/+$", "");
        return path.substring(path.lastIndexOf('/') + 1);
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
        List<Column> columns = new ArrayList<>();
        columns.add(col(OutputColumns.ID));
        columns.add(coalesce(col(OutputColumns.TEXT), col("error.message")).as("answer"));
        options.expectedColumn().map(ColumnChoice::named).ifPresent(column -> columns.add(column.as("expected")));
        columns.add(col(OutputColumns.FINISH_REASON));
        // A sample of all rows, always the same: what is written first are the short answers.
        spark.read()
                .parquet(options.output())
                .orderBy(xxhash64(col(OutputColumns.ID)))
                .select(columns.toArray(Column[]::new))
                .show(options.show(), 60);
    }
}
