package io.github.sparkmixtral.job.output;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.input_file_name;
import static org.apache.spark.sql.functions.udf;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.model.FileBytes;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.options.RetryFailed;
import io.github.sparkmixtral.job.options.Uris;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataTypes;

/**
 * Where the answers go. At any moment it holds whole chunks, {@code _job.json} and nothing else; {@code _SUCCESS} is the last thing
 * written.
 */
public record OutputDirectory(String location, Configuration configuration) {
    /** The place of a row's chunk in a list of chunks. */
    static final String CHUNK = "__mixtral_chunk";

    private static final String SUCCESS = "_SUCCESS";

    /**
     * Refuses an output that holds an input, which replacing it would destroy.
     *
     * @throws JobException with exit code 2
     */
    public void requireOutside(List<FileStatus> inputs) throws IOException {
        String qualified = Uris.normalized(path().toUri().toString());
        for (FileStatus input : inputs) {
            String file = Uris.normalized(input.getPath().toUri().toString());
            if (file.equals(qualified) || file.startsWith(qualified + "/")) {
                throw JobException.usage("--output " + shown() + " holds the input "
                        + input.getPath().getName() + ": give another directory");
            }
        }
    }

    /**
     * Refuses an output that exists and may not be touched.
     *
     * @throws JobException with exit code 6
     */
    public void requireUsable(OutputMode mode) throws IOException {
        List<FileStatus> files = files(path());
        boolean started =
                files.stream().anyMatch(file -> file.getPath().getName().equals(JobRecord.FILE));
        if (files.isEmpty() || mode == OutputMode.OVERWRITE || mode == OutputMode.RESUME && started) {
            return;
        }
        boolean complete =
                files.stream().anyMatch(file -> file.getPath().getName().equals(SUCCESS));
        String state;
        if (mode == OutputMode.RESUME) {
            state = "exists and is not a job's that could be resumed (it has no " + JobRecord.FILE + ")";
        } else {
            state = complete ? "exists" : "exists, without " + SUCCESS + " and so incomplete";
        }
        throw exists(state + ": give another --output, remove it, or replace it with --output-mode overwrite");
    }

    private JobException exists(String state) {
        return new JobException(ExitCode.OUTPUT_EXISTS, "the output " + shown() + " " + state);
    }

    /**
     * What earlier runs have left to go on with; null for a fresh start.
     *
     * @throws JobException with exit code 6 where it is another job's
     */
    JobRecord record(OutputMode mode) throws IOException {
        return mode == OutputMode.RESUME ? JobRecord.read(path(), configuration) : null;
    }

    JobException otherJob(List<String> differences) {
        return exists("is another job's: " + String.join("; ", differences)
                + ". Give another --output, or replace it with --output-mode overwrite");
    }

    public boolean isComplete() throws IOException {
        return has(SUCCESS);
    }

    boolean exists() throws IOException {
        return fileSystem().exists(path());
    }

    boolean has(String name) throws IOException {
        return fileSystem().exists(new Path(path(), name));
    }

    byte[] read(String name) throws IOException {
        return FileBytes.of(fileSystem(), new Path(path(), name));
    }

    /** Whether one holds the other, or both are one. */
    boolean overlaps(OutputDirectory other) throws IOException {
        String here = Uris.normalized(path().toUri().toString()) + "/";
        String there = Uris.normalized(other.path().toUri().toString()) + "/";
        return here.startsWith(there) || there.startsWith(here);
    }

    /** Takes away what is there: answers first, so that what is left of them after a kill looks like no job's. */
    void clear() throws IOException {
        FileSystem fileSystem = fileSystem();
        fileSystem.delete(new Path(path(), SUCCESS), false);
        for (FileStatus file : everything(path())) {
            if (!file.getPath().getName().equals(JobRecord.FILE)) {
                fileSystem.delete(file.getPath(), true);
            }
        }
        fileSystem.delete(new Path(path(), JobRecord.FILE), false);
    }

    /** By chunk, how many of its rows are here: {@link Long#MAX_VALUE} for all. */
    Map<String, Long> published() throws IOException {
        List<String> names = new ArrayList<>();
        files(path()).forEach(file -> names.add(file.getPath().getName()));
        files(new Path(path(), ChunkNames.MARKERS))
                .forEach(file -> names.add(file.getPath().getName()));
        return ChunkNames.published(names);
    }

    /** How many rows are here, by what the chunks are called; only files of rows without positions are looked into. */
    long answeredRows() throws IOException {
        JobRecord record = JobRecord.read(path(), configuration);
        if (record == null) {
            return 0;
        }
        Map<String, Long> published = published();
        Set<String> counted = new HashSet<>();
        long rows = 0;
        for (Chunk chunk : record.chunks()) {
            Long done = published.get(chunk.name());
            if (done != null && !chunk.segments().isEmpty()) {
                rows += Math.min(done, chunk.rows());
                counted.add(chunk.name());
            }
        }
        for (FileStatus file : dataFiles()) {
            String chunk = ChunkNames.chunk(file.getPath().getName());
            if (published.containsKey(chunk) && !counted.contains(chunk)) {
                rows += AnswerFile.rows(file, configuration);
            }
        }
        return rows;
    }

    boolean hasAnswers() throws IOException {
        return !published().isEmpty();
    }

    /** The files, without their extension, that hold rows to be asked again. */
    Set<String> chunksToRetry(SparkSession spark, JobOptions options) throws IOException {
        if (options.output().retryFailed() == RetryFailed.NONE || !hasAnswers()) {
            return Set.of();
        }
        Dataset<Row> answers = Answered.in(spark, options, location);
        Column failed = options.output().retryFailed() == RetryFailed.ALL
                ? col(Answered.ERROR).isNotNull()
                : col(Answered.ERROR).getField("retryable");
        Set<String> names = new HashSet<>();
        for (Row file :
                answers.filter(failed).select(input_file_name()).distinct().collectAsList()) {
            names.add(chunkOf(file.getString(0)));
        }
        return names;
    }

    /** The ids of the rows in these chunks' files: {@link Answered#ID}, and {@link #CHUNK}, the chunk's place in the list. */
    Dataset<Row> rowsOf(List<Chunk> chunks, SparkSession spark, JobOptions options) {
        Map<String, Integer> places = new HashMap<>();
        chunks.forEach(chunk -> places.put(chunk.name(), places.size()));
        UDF1<String, Integer> place = file -> places.get(chunkOf(file));
        return Answered.in(spark, options, location)
                .select(
                        col(Answered.ID),
                        udf(place, DataTypes.IntegerType)
                                .apply(input_file_name())
                                .as(CHUNK))
                .filter(col(CHUNK).isNotNull())
                .distinct();
    }

    /** The name of a file, without its extension, as that of the chunk's answers. */
    private static String chunkOf(String file) {
        String name = new Path(file).getName();
        return name.substring(0, name.lastIndexOf('.')).replaceFirst("^errors-", "part-");
    }

    /** Says what is to come; nobody else may have said so before. */
    void create(byte[] record) throws IOException {
        if (!new ChunkPublisher(location, configuration).create(record, JobRecord.FILE)) {
            throw exists("is being written by another run, which started at the same time: let it finish");
        }
    }

    void replace(byte[] record) throws IOException {
        fileSystem().delete(new Path(path(), SUCCESS), false);
        new ChunkPublisher(location, configuration).publish(record, JobRecord.FILE);
    }

    void publish(byte[] content, String name) throws IOException {
        new ChunkPublisher(location, configuration).publish(content, name);
    }

    /** Sweeps up what killed runs have left hidden, and says that the output is complete. */
    public void markComplete() throws IOException {
        for (FileStatus file : everything(path())) {
            String name = file.getPath().getName();
            if (name.startsWith(".part-") || name.startsWith(".errors-") || name.equals("_temporary")) {
                fileSystem().delete(file.getPath(), true);
            }
        }
        new ChunkPublisher(location, configuration).publishEmpty(SUCCESS);
    }

    /** All files that readers see, those in directories of partitions too. */
    List<FileStatus> dataFiles() throws IOException {
        List<FileStatus> found = new ArrayList<>();
        collect(path(), found);
        found.sort(java.util.Comparator.comparing(file -> file.getPath().toString()));
        return found;
    }

    private void collect(Path folder, List<FileStatus> found) throws IOException {
        for (FileStatus file : everything(folder)) {
            String name = file.getPath().getName();
            boolean hidden = name.startsWith(".") || name.startsWith("_") && !name.contains("=");
            if (file.isDirectory() && !hidden) {
                collect(file.getPath(), found);
            } else if (!hidden) {
                found.add(file);
            }
        }
    }

    /** What of a directory counts: not what a job of Spark's own has left half done, and nothing hidden. */
    private List<FileStatus> files(Path folder) throws IOException {
        return everything(folder).stream()
                .filter(file -> !file.getPath().getName().equals("_temporary")
                        && !file.getPath().getName().startsWith("."))
                .toList();
    }

    private List<FileStatus> everything(Path folder) throws IOException {
        try {
            return List.of(fileSystem().listStatus(folder));
        } catch (FileNotFoundException e) {
            return List.of();
        }
    }

    public String shown() {
        return Redaction.redact(location);
    }

    String qualified() throws IOException {
        return path().toString();
    }

    private FileSystem fileSystem() throws IOException {
        return new Path(location).getFileSystem(configuration);
    }

    private Path path() throws IOException {
        return fileSystem().makeQualified(new Path(location));
    }
}
