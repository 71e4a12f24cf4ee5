package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.options.OutputColumns;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.filter2.predicate.FilterApi;
import org.apache.parquet.io.api.Binary;
import org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils;

/** The output of a job as it lies in its directory, complete or not, read without Spark. */
public final class StoredOutput {
    private static final String NO_VALUE = "__HIVE_DEFAULT_PARTITION__";

    private final OutputDirectory directory;
    private final Configuration configuration;
    private final boolean complete;
    private final JobRecord record;
    private final JsonNode manifest;
    private final List<FileStatus> files;
    private final Map<String, String> names;

    /** Which rows are wanted. */
    public enum Selection {
        ALL,
        /** Those that have an error. */
        FAILED
    }

    /** Rows that have one error, and one of them. */
    public record Failure(long rows, String id, String message) {}

    private StoredOutput(OutputDirectory directory, Configuration configuration) throws IOException {
        this.directory = directory;
        this.configuration = configuration;
        this.complete = directory.isComplete();
        Path path = new Path(directory.qualified());
        this.record = JobRecord.read(path, configuration);
        this.manifest = directory.has(Manifest.FILE)
                ? new JsonMapper().readTree(directory.read(Manifest.FILE))
                : MissingNode.getInstance();
        this.files = directory.dataFiles().stream()
                .filter(file -> !ChunkNames.chunk(file.getPath().getName()).isEmpty())
                // Files of errors only come behind the answers.
                .sorted(Comparator.comparing(file -> file.getPath().getName().startsWith("errors-")))
                .toList();
        this.names = record == null
                ? Map.of()
                : Baseline.names(record.fingerprint().json().path("options").path("output-columns"));
    }

    /**
     * Opens a directory.
     *
     * @param location path or URI
     * @throws JobException with exit code 2 if it is no output of a job, saying what it is
     */
    public static StoredOutput open(String location, Configuration configuration) {
        OutputDirectory directory = new OutputDirectory(location, configuration);
        try {
            requireOutput(directory, configuration);
            return new StoredOutput(directory, configuration);
        } catch (JobException e) {
            throw JobException.usage(e.getMessage());
        } catch (JacksonException e) {
            throw unusable(directory, "cannot be shown, for its " + Manifest.FILE + " is no JSON");
        } catch (IOException | IllegalArgumentException e) {
            throw new JobException(
                    ExitCode.USAGE,
                    directory.shown() + " cannot be read: " + Redaction.redact(RootCause.sentence(e)),
                    e);
        }
    }

    private static JobException unusable(OutputDirectory directory, String why) {
        return JobException.usage(directory.shown() + " " + why);
    }

    private static void requireOutput(OutputDirectory directory, Configuration configuration) throws IOException {
        Path path = new Path(directory.qualified());
        FileSystem fileSystem = path.getFileSystem(configuration);
        Set<String> found = new HashSet<>();
        try {
            if (fileSystem.getFileStatus(path).isFile()) {
                throw unusable(directory, "is a file: give the --output directory of a job");
            }
            for (FileStatus file : fileSystem.listStatus(path)) {
                found.add(file.getPath().getName());
            }
        } catch (FileNotFoundException e) {
            throw unusable(directory, "does not exist: give the --output directory of a job");
        }
        if (found.isEmpty()) {
            throw unusable(directory, "is empty: give the --output directory of a job");
        }
        if (found.contains(JobRecord.FILE) || found.contains(Manifest.FILE)) {
            return;
        }
        String why = "is no job's output, for it has no " + JobRecord.FILE;
        if (found.contains("_index.json")) {
            why = "is an index of documents, and no job's output";
        } else if (found.contains("answers") && fileSystem.exists(new Path(path, "answers/" + JobRecord.FILE))) {
            why += ": its answers are in " + directory.shown() + "/answers";
        }
        throw unusable(directory, why);
    }

    /** For messages. */
    public String shown() {
        return directory.shown();
    }

    public boolean isComplete() {
        return complete;
    }

    /** The table that has the answers, if they are not here; empty if they are. */
    public String table() {
        return record == null ? manifest.at("/options/output-table").asText() : "";
    }

    /** How many files hold answers, or errors. */
    public int files() {
        return files.size();
    }

    /** What the last run has told of the rows that are here; missing if there are others now. */
    public JsonNode manifest() {
        if (!table().isEmpty()) {
            return manifest;
        }
        Set<String> told = new HashSet<>();
        manifest.path("files")
                .forEach(file -> told.add(
                        file.path("name").asText() + ":" + file.path("bytes").asLong()));
        Set<String> here = new HashSet<>();
        for (FileStatus file : files) {
            here.add(nameBelow(file) + ":" + file.getLen());
        }
        return told.equals(here) ? manifest : MissingNode.getInstance();
    }

    private String nameBelow(FileStatus file) {
        try {
            return file.getPath().toString().substring(directory.qualified().length() + 1);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Rows that are here. */
    public long rows() throws IOException {
        JsonNode told = manifest();
        return told.isMissingNode()
                ? directory.answeredRows()
                : told.at("/rows/total").asLong();
    }

    /** Rows of the input; empty if that is not known. */
    public OptionalLong wantedRows() {
        if (record != null && record.rows() >= 0) {
            return OptionalLong.of(record.rows());
        }
        return manifest.has("request_count")
                ? OptionalLong.of(manifest.path("request_count").asLong())
                : OptionalLong.empty();
    }

    /** Errors by their codes: as the manifest has them, or else as the rows have them. */
    public Map<String, Failure> failures() throws IOException {
        Map<String, Failure> failures = new TreeMap<>();
        JsonNode told = manifest().path("rows");
        if (told.has("error_examples")) {
            told.path("errors").properties().forEach(error -> {
                JsonNode row = told.path("error_examples").path(error.getKey());
                failures.put(
                        error.getKey(),
                        new Failure(
                                error.getValue().asLong(),
                                row.path("custom_id").asText(),
                                row.path("message").asText()));
            });
            return failures;
        }
        read(Selection.FAILED, row -> {
            failures.merge(
                    row.errorCode(),
                    new Failure(1, row.id(), row.errorMessage()),
                    (first, _) -> new Failure(first.rows() + 1, first.id(), first.message()));
            return true;
        });
        return failures;
    }

    /**
     * Reads rows in the order of their files.
     *
     * @param wanted gets each, and says whether to go on
     */
    public void read(Selection selection, Predicate<StoredRow> wanted) throws IOException {
        boolean failed = selection == Selection.FAILED;
        FilterCompat.Filter filter = !failed
                ? FilterCompat.NOOP
                : FilterCompat.get(FilterApi.notEq(
                        FilterApi.binaryColumn(StoredRow.name(OutputColumns.ERROR, names) + ".code"), null));
        read(filter, row -> failed && !row.failed() || wanted.test(row));
    }

    /** All rows that have that id; more than one only if the ids of the input are none. */
    public List<StoredRow> rowsOf(String id) throws IOException {
        List<StoredRow> found = new ArrayList<>();
        String column = StoredRow.name(OutputColumns.ID, names);
        FilterCompat.Filter filter =
                FilterCompat.get(FilterApi.eq(FilterApi.binaryColumn(column), Binary.fromString(id)));
        read(filter, row -> {
            if (row.id().equals(id)) {
                found.add(row);
            }
            return true;
        });
        return found;
    }

    private void read(FilterCompat.Filter filter, Predicate<StoredRow> wanted) throws IOException {
        // A dot in a column's name would be read as the way into a struct.
        boolean usable = names.values().stream().noneMatch(name -> name.contains("."));
        for (FileStatus file : files) {
            boolean lines = file.getPath().getName().endsWith(".jsonl");
            boolean more = AnswerFile.read(
                    file,
                    configuration,
                    usable ? filter : FilterCompat.NOOP,
                    row -> wanted.test(
                            lines ? StoredRow.ofLine(row) : StoredRow.ofColumns(withPath(row, file), names)));
            if (!more) {
                return;
            }
        }
    }

    /** Adds the columns whose values are the names of directories. */
    private ObjectNode withPath(ObjectNode row, FileStatus file) {
        String[] folders = nameBelow(file).split("/", -1);
        for (String folder : Arrays.copyOf(folders, folders.length - 1)) {
            int equals = folder.indexOf('=');
            String value = folder.substring(equals + 1);
            row.put(
                    ExternalCatalogUtils.unescapePathName(folder.substring(0, equals)),
                    value.equals(NO_VALUE) ? null : ExternalCatalogUtils.unescapePathName(value));
        }
        return row;
    }
}
