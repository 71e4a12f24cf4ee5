package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.options.OutputColumns;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A row of an output as a person reads it.
 *
 * @param id as text
 * @param finishReason empty if there is none
 * @param text the answer, or what there is in its place; empty if there is none
 * @param errorCode null for a row that is answered
 * @param errorMessage null for a row that is answered
 * @param content the whole row
 */
public record StoredRow(
        String id, String finishReason, String text, String errorCode, String errorMessage, ObjectNode content) {

    public boolean failed() {
        return errorCode != null;
    }

    /** @param names other names of the output's columns */
    static StoredRow ofColumns(ObjectNode row, Map<String, String> names) {
        JsonNode error = row.path(name(OutputColumns.ERROR, names));
        String text = Stream.of(
                        OutputColumns.TEXT, OutputColumns.TOOL_CALLS, OutputColumns.SCORE, OutputColumns.EMBEDDING)
                .map(column -> row.path(name(column, names)))
                .filter(StoredRow::isThere)
                .findFirst()
                .map(value -> value.isTextual() ? value.textValue() : value.toString())
                .orElse("");
        return of(
                row.path(name(OutputColumns.ID, names)),
                row.path(name(OutputColumns.FINISH_REASON, names)),
                text,
                error,
                row);
    }

    /** @param line of OpenAI's batch output, or of Bedrock's */
    static StoredRow ofLine(ObjectNode line) {
        JsonNode body = line.path("response").path("body");
        JsonNode bedrock = line.path("modelOutput");
        JsonNode choice = body.path("choices").path(0);
        JsonNode output = isThere(bedrock.path("outputs"))
                ? bedrock.path("outputs").path(0)
                : bedrock.path("choices").path(0);
        String text = Stream.of(
                        choice.path("message").path("content"),
                        choice.path("text"),
                        output.path("text"),
                        output.path("message").path("content"),
                        choice.path("message").path("tool_calls"),
                        body.path("score"),
                        body.path("data"))
                .filter(StoredRow::isThere)
                .findFirst()
                .map(value -> value.isTextual() ? value.textValue() : value.toString())
                .orElse("");
        return of(
                isThere(line.path("custom_id")) ? line.path("custom_id") : line.path("recordId"),
                isThere(choice.path("finish_reason")) ? choice.path("finish_reason") : output.path("stop_reason"),
                text,
                line.path("error"),
                line);
    }

    private static StoredRow of(JsonNode id, JsonNode finishReason, String text, JsonNode error, ObjectNode content) {
        boolean failed = isThere(error);
        return new StoredRow(
                id.asText(""),
                isThere(finishReason) ? finishReason.asText() : "",
                text,
                failed ? error.path("code").asText() : null,
                failed ? error.path("message").asText() : null,
                content);
    }

    private static boolean isThere(JsonNode value) {
        return !value.isMissingNode() && !value.isNull();
    }

    static String name(String column, Map<String, String> names) {
        return names.getOrDefault(column, column);
    }
}
