package io.github.sparkmixtral.job.longcontext;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** The directory of a long-context figure, on any file system: its prompts, its answers, its table and its picture. */
public record ContextFiles(String directory, Configuration configuration) {

    /** Where the job's answers go. */
    public String answers() {
        return path("answers");
    }

    String path(String name) {
        return directory.replaceAll("/+$", "") + "/" + name;
    }

    /** Writes a file of lines, unless it has just these: a file that stays as it is lets the job go on. */
    void writeLines(String name, List<String> lines) throws IOException {
        write(name, (String.join("\n", lines) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    void write(String name, byte[] content) throws IOException {
        Path path = new Path(path(name));
        FileSystem files = path.getFileSystem(configuration);
        if (files.exists(path)) {
            try (InputStream in = files.open(path)) {
                if (Arrays.equals(in.readAllBytes(), content)) {
                    return;
                }
            }
        }
        try (OutputStream out = files.create(path, true)) {
            out.write(content);
        }
    }
}
