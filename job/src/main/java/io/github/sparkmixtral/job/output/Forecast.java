package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.model.ModelCache;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Optional;

/**
 * How long a dry run has predicted the run of a job to take. It is kept in the user's cache on the driver's host, in a file called after
 * the job and its output, so that the run can be compared with it.
 *
 * @param made when the dry run was
 * @param rows that were to be answered
 * @param executors that there were
 * @param low the least seconds that were expected
 * @param high the most
 */
public record Forecast(Instant made, long rows, int executors, double seconds, double low, double high) {
    private static final JsonMapper JSON = new JsonMapper();

    /** The file of a job's forecast. */
    static Path file(String job) {
        return ModelCache.defaultDirectory().resolveSibling("forecasts").resolve(job + ".json");
    }

    /** Keeps it, in the place of an earlier one. */
    void write(Path file) throws IOException {
        ObjectNode root = JSON.createObjectNode()
                .put("made", made.toString())
                .put("rows", rows)
                .put("executors", executors)
                .put("seconds", seconds)
                .put("low", low)
                .put("high", high);
        Files.createDirectories(file.getParent());
        Files.write(file, JSON.writeValueAsBytes(root));
    }

    /** What was kept; empty where there is nothing that can be read. */
    static Optional<Forecast> read(Path file) {
        if (!Files.isRegularFile(file)) {
            return Optional.empty();
        }
        try {
            JsonNode root = JSON.readTree(Files.readAllBytes(file));
            return Optional.of(new Forecast(
                    Instant.parse(root.path("made").asText()),
                    root.path("rows").asLong(),
                    root.path("executors").asInt(),
                    root.path("seconds").asDouble(),
                    root.path("low").asDouble(),
                    root.path("high").asDouble()));
        } catch (IOException | DateTimeParseException e) {
            return Optional.empty();
        }
    }

    /** With what it took in the end. */
    ObjectNode json(double actualSeconds) {
        return JSON.createObjectNode()
                .put("made", made.toString())
                .put("executors", executors)
                .put("predicted_seconds", seconds)
                .put("predicted_seconds_low", low)
                .put("predicted_seconds_high", high)
                .put("seconds", actualSeconds)
                .put("error", seconds / actualSeconds - 1);
    }
}
