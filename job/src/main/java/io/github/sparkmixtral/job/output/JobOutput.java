package io.github.sparkmixtral.job.output;

import static io.github.sparkmixtral.job.options.OutputColumns.named;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.input.IdentifiedRows;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.model.ModelDigest;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.options.OutputTarget;
import io.github.sparkmixtral.job.options.RetryFailed;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.SparkSession;

/**
 * Where a job's answers go, from the first check to the last file: a directory of chunks, or a table.
 */
public final class JobOutput {
    private final SparkSession spark;
    private final JobOptions options;
    private final OutputTarget target;
    private final Configuration configuration;
    private final Optional<OutputDirectory> directory;
    private ChunkedOutput chunks;
    private Dataset<Row> rows;
    private long rowsToAnswer;
    private int tasks;
    private Fingerprint fingerprint;
    private int attempts = 1;
    private boolean done;

    /** @param spark a session of the job's own, whose settings are changed */
    public JobOutput(SparkSession spark, JobOptions options, Configuration configuration) {
        this.spark = spark;
        this.options = options;
        this.target = options.output();
        this.configuration = configuration;
        this.directory = target.directory().map(location -> new OutputDirectory(location, configuration));
    }

    /**
     * Refuses an output that may not be touched.
     *
     * @param inputs files of the input
     * @throws JobException with exit code 6 where it exists, 2 where it holds the input
     */
    public void requireUsable(List<FileStatus> inputs) throws IOException {
        if (directory.isPresent()) {
            directory.get().requireOutside(inputs);
        }
        if (target.table().isPresent()) {
            String table = target.table().get();
            if (options.inputFormat().equals(Optional.of(InputFormat.TABLE))
                    && options.input().getFirst().equalsIgnoreCase(table)) {
                throw JobException.usage("--output-table " + table + " is the input: give another table");
            }
            if (target.mode() == OutputMode.ERROR && spark.catalog().tableExists(table)) {
                throw new JobException(
                        ExitCode.OUTPUT_EXISTS,
                        "the table " + table + " exists: give another --output-table, drop it, or replace it with"
                                + " --output-mode overwrite");
            }
        } else {
            directory.orElseThrow().requireUsable(target.mode());
        }
    }

    /**
     * Compares the job with the one that has begun the output.
     *
     * @param contextDigest of the index that passages come from; null for none
     * @param files of the input
     * @throws JobException with exit code 6 where it is another one, saying what differs
     */
    public void requireSameJob(ModelDescription model, String contextDigest, InputFormat format, List<FileStatus> files)
            throws IOException {
        if (target.table().isPresent()) {
            return;
        }
        String digest = ModelDigest.of(options.generation().engine().model(), configuration);
        fingerprint = Fingerprint.of(options, model, digest, contextDigest, files, configuration);
        JobRecord record = directory.orElseThrow().record(target.mode());
        if (record != null) {
            List<String> differences = fingerprint.differencesFrom(record.fingerprint(), format, files, configuration);
            if (!differences.isEmpty()) {
                throw directory.orElseThrow().otherJob(differences);
            }
            attempts = record.attempts() + 1;
        }
        chunks = new ChunkedOutput(spark, options, directory.orElseThrow(), configuration, fingerprint, record);
        done = record != null
                && directory.orElseThrow().isComplete()
                && fingerprint.hasInputOf(record.fingerprint())
                && (target.retryFailed() == RetryFailed.NONE
                        || directory.orElseThrow().chunksToRetry(spark, options).isEmpty());
    }

    /** Whether nothing is left to do. */
    public boolean isDone() {
        return done;
    }

    /** Finds the rows that have no answer yet. */
    public void plan(Input input) throws IOException {
        PartitionValues.requireUsable(
                target.partitionBy(), input, options.generation().columns());
        if (target.table().isEmpty()) {
            chunks.plan(input);
            rows = chunks.rows();
            rowsToAnswer = chunks.rowsToAnswer();
            tasks = chunks.chunks();
        } else {
            planTable(input);
        }
    }

    /** The table's own commit makes it whole; a resumed job leaves out the rows whose ids are there. */
    private void planTable(Input input) {
        String table = target.table().orElseThrow();
        rows = input.rows();
        rowsToAnswer = input.survey().rows();
        if (target.mode() == OutputMode.RESUME && spark.catalog().tableExists(table)) {
            Dataset<Row> answered = Answered.in(spark, options, "").select(named(Answered.ID));
            rows = IdentifiedRows.of(input)
                    .join(answered, named(IdentifiedRows.ID).equalTo(named(Answered.ID)), "left_anti")
                    .drop(IdentifiedRows.ID, IdentifiedRows.BEGINNING);
            rowsToAnswer = rows.count();
        }
        tasks = (int) Math.max(
                1,
                Math.min(
                        rowsToAnswer,
                        Math.ceilDiv(
                                rowsToAnswer,
                                ChunkPlan.chunkRows(
                                        rowsToAnswer,
                                        options.generation()
                                                .defaults()
                                                .parameters()
                                                .maxTokens()))));
        tasks = options.partitions() > 0 ? options.partitions() : tasks;
        rows = rows.repartition(tasks);
    }

    public long rowsToAnswer() {
        return rowsToAnswer;
    }

    /** Tasks that answer them, one for each chunk. */
    public int tasks() {
        return tasks;
    }

    /**
     * Keeps how long the run will take, for the run to be compared with; not where answers go to a table, whose rows are no job's.
     *
     * @return where it is kept
     */
    public Optional<java.nio.file.Path> keep(Forecast forecast) throws IOException {
        Optional<java.nio.file.Path> file = forecastFile();
        if (file.isPresent()) {
            forecast.write(file.get());
        }
        return file;
    }

    /** How long a dry run has predicted that answering these very rows takes. */
    public Optional<Forecast> forecast() throws IOException {
        return forecastFile().flatMap(Forecast::read).filter(forecast -> forecast.rows() == rowsToAnswer);
    }

    /** Forgets it, when the run has been compared with it. */
    public void forgetForecast() throws IOException {
        Optional<java.nio.file.Path> file = forecastFile();
        if (file.isPresent()) {
            Files.deleteIfExists(file.get());
        }
    }

    private Optional<java.nio.file.Path> forecastFile() throws IOException {
        if (fingerprint == null) {
            return Optional.empty();
        }
        String job = directory.orElseThrow().qualified() + "\n"
                + options.generation().engine() + "\n" + fingerprint.json();
        return Optional.of(Forecast.file(ModelDigest.ofText(job)));
    }

    /** What is there already, in words; empty where nothing is. */
    public String existing() throws IOException {
        if (target.table().isPresent()) {
            return spark.catalog().tableExists(target.table().get()) ? "exists" : "";
        }
        if (!directory.orElseThrow().exists()) {
            return "";
        }
        return directory.get().isComplete() ? "exists and is complete" : "exists and is incomplete";
    }

    /** The rows to answer, spread as they are to be answered. */
    public Dataset<Row> rows() {
        return rows;
    }

    public int attempts() {
        return attempts;
    }

    /** Answers the rows and writes the answers. */
    public void write(Dataset<Row> answers) throws IOException {
        if (target.table().isPresent()) {
            writeTable(answers);
            return;
        }
        if (target.mode() == OutputMode.OVERWRITE) {
            directory.orElseThrow().clear();
        }
        chunks.begin();
        chunks.write(answers);
    }

    private void writeTable(Dataset<Row> answers) {
        DataFrameWriter<Row> writer = answers.write()
                .mode(target.mode() == OutputMode.OVERWRITE ? SaveMode.Overwrite : SaveMode.Append)
                .partitionBy(target.partitionBy().toArray(String[]::new));
        target.tableFormat().ifPresent(writer::format);
        writer.saveAsTable(target.table().orElseThrow());
    }

    /** Writes a file beside the answers, where they are in a directory. */
    public void publish(byte[] content, String name) throws IOException {
        if (directory.isPresent()) {
            directory.get().publish(content, name);
        }
    }

    /** Reads a file beside the answers, which are in a directory. */
    byte[] read(String name) throws IOException {
        return directory.orElseThrow().read(name);
    }

    /** Writes rows beside the answers and reads them back; returns them as they are if the answers are in a table only. */
    Dataset<Row> writeBeside(Dataset<Row> rows, String name) {
        if (directory.isEmpty()) {
            return rows;
        }
        String path = directory.get().location() + "/" + name;
        rows.write().mode(SaveMode.Overwrite).parquet(path);
        return spark.read().schema(rows.schema()).parquet(path);
    }

    /** Says that all answers are there. */
    public void markComplete() throws IOException {
        if (target.table().isEmpty()) {
            directory.orElseThrow().markComplete();
        }
    }

    /**
     * What a run that was broken off leaves, for messages.
     *
     * @param inputRows of the whole input
     */
    public String left(long inputRows) throws IOException {
        if (target.table().isPresent()) {
            return "of this run nothing is in " + shown() + ", whose commit comes last";
        }
        return String.format(
                Locale.ROOT,
                "%,d of %,d rows are answered and in %s",
                directory.orElseThrow().answeredRows(),
                inputRows,
                shown());
    }

    /** Where the answers are, for messages. */
    public String shown() {
        return target.table()
                .map(table -> "the table " + table)
                .orElseGet(() -> directory.orElseThrow().shown());
    }

    /** Whether there is anything to read. */
    boolean hasAnswers() throws IOException {
        return target.table().isPresent() || directory.orElseThrow().hasAnswers();
    }

    public Dataset<Row> answered() {
        return Answered.in(
                spark, options, directory.map(OutputDirectory::location).orElse(""));
    }

    /** @param rows by normalized URI */
    List<OutputFile> files(Map<String, Long> rows) throws IOException {
        if (target.table().isPresent()) {
            return List.of();
        }
        OutputDirectory files = directory.orElseThrow();
        return OutputFile.of(spark, files.qualified(), files.dataFiles(), rows, configuration);
    }
}
