package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.function.Predicate;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.hadoop.util.HadoopInputFile;

/** The rows of one file of answers, Parquet or JSON lines, as JSON objects. Read without Spark, which takes seconds to start. */
final class AnswerFile {
    private static final JsonMapper JSON = new JsonMapper();

    private AnswerFile() {}

    private static boolean isParquet(FileStatus file) {
        return file.getPath().getName().endsWith(".parquet");
    }

    static long rows(FileStatus file, Configuration configuration) throws IOException {
        if (isParquet(file)) {
            try (ParquetFileReader reader =
                    ParquetFileReader.open(HadoopInputFile.fromPath(file.getPath(), configuration))) {
                return reader.getRecordCount();
            }
        }
        try (BufferedReader lines = lines(file.getPath(), configuration)) {
            return lines.lines().count();
        }
    }

    /**
     * Reads rows as long as they are wanted.
     *
     * @param filter rows of Parquet that do not pass may be left out
     * @param wanted gets each row, and says whether to go on
     * @return whether to go on
     */
    static boolean read(
            FileStatus file, Configuration configuration, FilterCompat.Filter filter, Predicate<ObjectNode> wanted)
            throws IOException {
        if (!isParquet(file)) {
            return readLines(file, configuration, wanted);
        }
        try (ParquetReader<Group> reader = ParquetReader.builder(new GroupReadSupport(), file.getPath())
                .withConf(configuration)
                .withFilter(filter)
                .build()) {
            for (Group row = reader.read(); row != null; row = reader.read()) {
                if (!wanted.test(ParquetJson.object(row))) {
                    return false;
                }
            }
            return true;
        }
    }

    private static boolean readLines(FileStatus file, Configuration configuration, Predicate<ObjectNode> wanted)
            throws IOException {
        try (BufferedReader lines = lines(file.getPath(), configuration)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonNode row = JSON.readTree(line);
                if (row instanceof ObjectNode object && !wanted.test(object)) {
                    return false;
                }
            }
            return true;
        }
    }

    private static BufferedReader lines(Path file, Configuration configuration) throws IOException {
        return new BufferedReader(
                new InputStreamReader(file.getFileSystem(configuration).open(file), StandardCharsets.UTF_8));
    }
}
