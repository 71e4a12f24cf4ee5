package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.model.FileBytes;
import io.github.sparkmixtral.job.output.Chunk.Segment;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * {@code _job.json}: what decides the answers, and which rows are in which chunk. It is written before the first chunk, and again
 * when a resumed job adds chunks, before the first of them.
 *
 * @param fingerprint see {@link Fingerprint}
 * @param attempts how many runs have begun
 * @param rows of the input when the last one began; negative if that is not known
 */
record JobRecord(Fingerprint fingerprint, int attempts, long rows, List<Chunk> chunks) {
    static final String FILE = "_job.json";
    private static final int VERSION = 1;
    private static final JsonMapper JSON = new JsonMapper();

    JobRecord {
        chunks = List.copyOf(chunks);
    }

    /**
     * Reads an output's record; null where it has none.
     *
     * @throws JobException with exit code 6 where it cannot be understood
     */
    static JobRecord read(Path directory, Configuration configuration) throws IOException {
        FileSystem fileSystem = directory.getFileSystem(configuration);
        Path file = new Path(directory, FILE);
        if (!fileSystem.exists(file)) {
            return null;
        }
        try {
            JsonNode root = JSON.readTree(FileBytes.of(fileSystem, file));
            if (root.path("schema_version").asInt() != VERSION) {
                throw unusable(file, "it is of another version of spark-mixtral");
            }
            return new JobRecord(
                    Fingerprint.of(root.path("fingerprint")),
                    root.path("attempts").asInt(),
                    root.path("rows").asLong(-1),
                    chunks(root));
        } catch (com.fasterxml.jackson.core.JacksonException e) {
            throw unusable(file, "it is not valid JSON");
        }
    }

    private static JobException unusable(Path file, String reason) {
        return new JobException(
                ExitCode.OUTPUT_EXISTS,
                "the output's " + file + " cannot be used, " + reason
                        + ": give another --output, or replace it with --output-mode overwrite");
    }

    private static List<Chunk> chunks(JsonNode root) {
        List<String> files = new ArrayList<>();
        root.path("files").forEach(file -> files.add(file.asText()));
        List<Chunk> chunks = new ArrayList<>();
        for (JsonNode chunk : root.path("chunks")) {
            List<Segment> segments = new ArrayList<>();
            JsonNode rows = chunk.path("rows");
            for (int i = 0; i + 2 < rows.size(); i += 3) {
                segments.add(new Segment(
                        files.get(rows.get(i).asInt()),
                        rows.get(i + 1).asLong(),
                        rows.get(i + 2).asLong()));
            }
            chunks.add(new Chunk(chunk.path("name").asText(), segments));
        }
        return chunks;
    }

    /** As JSON, which is another one each time, so that a run knows its own. A segment is three numbers: the place of its file in {@code files}, its first row and its last. */
    byte[] json() throws IOException {
        ObjectNode root = JSON.createObjectNode();
        root.put("schema_version", VERSION)
                .put("written_as", UUID.randomUUID().toString())
                .put("attempts", attempts)
                .put("rows", rows);
        root.set("fingerprint", fingerprint.json());
        Map<String, Integer> places = new HashMap<>();
        ArrayNode files = root.putArray("files");
        ArrayNode list = root.putArray("chunks");
        for (Chunk chunk : chunks) {
            ArrayNode rows = list.addObject().put("name", chunk.name()).putArray("rows");
            for (Segment segment : chunk.segments()) {
                Integer place = places.get(segment.file());
                if (place == null) {
                    place = places.size();
                    places.put(segment.file(), place);
                    files.add(segment.file());
                }
                rows.add(place).add(segment.first()).add(segment.last());
            }
        }
        return JSON.writeValueAsBytes(root);
    }

    JobRecord with(Fingerprint newer, long newRows, List<Chunk> more) {
        List<Chunk> all = new ArrayList<>(chunks);
        all.addAll(more);
        return new JobRecord(newer, attempts + 1, newRows, all);
    }
}
