package io.github.sparkmixtral.job.input;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.Uris;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/**
 * The files that {@code --input} names.
 *
 * @param files every one of them, hidden ones left out
 * @param root the deepest directory that holds them all, as a URI with a slash at its end
 */
public record InputPaths(List<FileStatus> files, String root) {

    /** Files that somebody may name, and that have no rows for us, by their extension. */
    private static final Map<String, String> UNREAD = Map.of(
            "orc", "an ORC file",
            "avro", "an Avro file",
            "arrow", "an Arrow file",
            "feather", "an Arrow file",
            "xlsx", "a spreadsheet",
            "xls", "a spreadsheet",
            "pkl", "a Python pickle",
            "zip", "a zip archive",
            "tar", "an archive",
            "tgz", "an archive");

    /** Directories that a table has beside its data; files named by hand would be rows of all its versions. */
    private static final Map<String, String> TABLES =
            Map.of("_delta_log", "a Delta table", ".hoodie", "a Hudi table", "metadata", "an Iceberg table");

    public InputPaths {
        files = List.copyOf(files);
    }

    /**
     * Resolves paths, directories and globs.
     *
     * @throws JobException with exit code 3 for a path without files
     */
    static InputPaths resolve(List<String> inputs, Configuration configuration) {
        List<FileStatus> files = new ArrayList<>();
        for (String input : inputs) {
            int before = files.size();
            try {
                Path path = new Path(input);
                FileSystem fileSystem = path.getFileSystem(configuration);
                FileStatus[] matches = fileSystem.globStatus(path);
                if (matches == null || matches.length == 0) {
                    throw JobException.input("no such input: " + input);
                }
                for (FileStatus match : matches) {
                    addFiles(fileSystem, match, files);
                }
            } catch (IOException | IllegalArgumentException e) {
                throw new JobException(
                        ExitCode.INPUT_INVALID, "the input " + input + " cannot be read: " + e.getMessage(), e);
            }
            if (files.size() == before) {
                throw JobException.input("the input " + input + " holds no files");
            }
        }
        Set<String> names = new HashSet<>();
        for (FileStatus file : files) {
            if (!names.add(uri(file))) {
                throw JobException.input("--input names " + uri(file) + " more than once");
            }
        }
        return new InputPaths(files, root(files));
    }

    private static void addFiles(FileSystem fileSystem, FileStatus match, List<FileStatus> files) throws IOException {
        if (match.isFile()) {
            files.add(match);
            return;
        }
        String directory = match.getPath().toString();
        RemoteIterator<LocatedFileStatus> found = fileSystem.listFiles(match.getPath(), true);
        while (found.hasNext()) {
            FileStatus file = found.next();
            requireNoTable(directory, file);
            if (!hidden(file.getPath().toString().substring(directory.length()))) {
                files.add(file);
            }
        }
    }

    private static void requireNoTable(String directory, FileStatus file) {
        String relative = file.getPath().toString().substring(directory.length() + 1);
        String first = relative.substring(0, Math.max(0, relative.indexOf('/')));
        String table = TABLES.get(first);
        if (table != null && (!first.equals("metadata") || relative.endsWith(".metadata.json"))) {
            throw JobException.input("the input " + directory + " is " + table
                    + ", whose files are not all rows of today's: read it as a table of Spark's catalog with"
                    + " --input-format table, or write it as Parquet");
        }
    }

    /** Whether Spark leaves the file out: its name or that of a directory above it begins with a dot or an underscore. */
    private static boolean hidden(String relative) {
        for (String name : relative.split("/", -1)) {
            if (name.startsWith(".") || name.startsWith("_") && !name.contains("=")) {
                return true;
            }
        }
        return false;
    }

    private static String root(List<FileStatus> files) {
        String common = directory(files.getFirst());
        for (FileStatus file : files) {
            while (!directory(file).startsWith(common)) {
                common = common.substring(0, common.lastIndexOf('/', common.length() - 2) + 1);
            }
        }
        return common;
    }

    private static String directory(FileStatus file) {
        String uri = uri(file);
        return uri.substring(0, uri.lastIndexOf('/') + 1);
    }

    private static String uri(FileStatus file) {
        return Uris.normalized(file.getPath().toUri().toString());
    }

    /**
     * The format that the files' names tell.
     *
     * @throws JobException with exit code 2 where they tell none or several
     */
    InputFormat format() {
        Set<InputFormat> formats = EnumSet.noneOf(InputFormat.class);
        for (FileStatus file : files) {
            Optional<InputFormat> format = InputFormat.ofFileName(file.getPath().getName());
            String name = file.getPath().getName();
            String unread = UNREAD.get(name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT));
            if (format.isEmpty() && unread != null) {
                throw JobException.input(
                        name + " is " + unread + ", which is not read: convert it to Parquet, CSV or JSON lines");
            }
            if (format.isEmpty()) {
                throw JobException.usage("the format of " + file.getPath().getName()
                        + " cannot be guessed from its name: give --input-format");
            }
            formats.add(format.get());
        }
        if (formats.size() > 1) {
            throw JobException.usage("the input has files of several formats ("
                    + String.join(", ", formats.stream().map(InputFormat::text).toList())
                    + "): give --input-format and name the files");
        }
        return formats.iterator().next();
    }

    long bytes() {
        return files.stream().mapToLong(FileStatus::getLen).sum();
    }
}
