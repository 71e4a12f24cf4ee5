package io.github.sparkmixtral.job.output;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.options.Uris;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Where the answers go. {@code _SUCCESS} is the last thing written: a directory without it is not complete. */
public record OutputDirectory(String location, Configuration configuration) {
    private static final String SUCCESS = "_SUCCESS";

    /**
     * Refuses an output that exists, or that holds an input which overwriting would destroy. What a killed job has left in {@code
     * _temporary} does not count.
     *
     * @throws JobException with exit code 6 where it exists, 2 where it holds the input
     */
    public void requireFree(OutputMode mode, List<FileStatus> inputs) throws IOException {
        FileSystem fileSystem = path().getFileSystem(configuration);
        String qualified =
                Uris.normalized(fileSystem.makeQualified(path()).toUri().toString());
        for (FileStatus input : inputs) {
            String file = Uris.normalized(input.getPath().toUri().toString());
            if (file.equals(qualified) || file.startsWith(qualified + "/")) {
                throw JobException.usage("--output " + shown() + " holds the input "
                        + input.getPath().getName() + ": give another directory");
            }
        }
        if (mode == OutputMode.ERROR && exists(fileSystem)) {
            String state = fileSystem.exists(new Path(path(), SUCCESS))
                    ? "exists"
                    : "exists, without " + SUCCESS + " and so incomplete";
            throw new JobException(
                    ExitCode.OUTPUT_EXISTS,
                    "the output " + shown() + " " + state
                            + ": give another --output, remove it, or replace it with --output-mode overwrite");
        }
    }

    private boolean exists(FileSystem fileSystem) throws IOException {
        FileStatus[] files;
        try {
            files = fileSystem.listStatus(path());
        } catch (FileNotFoundException e) {
            return false;
        }
        for (FileStatus file : files) {
            if (!file.getPath().getName().equals("_temporary")) {
                return true;
            }
        }
        return false;
    }

    /** Says that the output is complete. */
    public void markComplete() throws IOException {
        Path success = new Path(path(), SUCCESS);
        success.getFileSystem(configuration).create(success, true).close();
    }

    public String shown() {
        return Redaction.redact(location);
    }

    private Path path() {
        return new Path(location);
    }
}
