package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/**
 * The last message of the user in a conversation: what a row that has messages asks.
 *
 * @param messages array of OpenAI's or of ShareGPT's messages
 * @param index its place
 * @param text its text parts, joined by a blank line as where they are rendered
 */
record LastUserMessage(ArrayNode messages, int index, String text) {

    /**
     * Finds it.
     *
     * @param given an array, or JSON text of one
     * @return null where there is none, or the messages are no conversation, which is told where they become a request
     */
    static LastUserMessage of(JsonNode given) {
        JsonNode messages = given != null && given.isTextual() ? CellValues.json(given.textValue()) : given;
        if (!(messages instanceof ArrayNode array)) {
            return null;
        }
        for (int i = array.size() - 1; i >= 0; i--) {
            JsonNode message = array.get(i);
            String role = message.path("role").asText(message.path("from").asText());
            if (role.equals("user") || role.equals("human")) {
                String text = text(message.path(field(message)));
                return text == null ? null : new LastUserMessage(array, i, text);
            }
        }
        return null;
    }

    private static String field(JsonNode message) {
        return message.has("role") ? "content" : "value";
    }

    private static String text(JsonNode content) {
        if (!content.isArray()) {
            return content.textValue();
        }
        List<String> parts = new ArrayList<>();
        for (JsonNode part : content) {
            if (!part.path("text").isTextual()) {
                return null;
            }
            parts.add(part.path("text").textValue());
        }
        return String.join("\n\n", parts);
    }

    /** The conversation with another text in that place. */
    ArrayNode with(String other) {
        ArrayNode changed = messages.deepCopy();
        ObjectNode message = (ObjectNode) changed.get(index);
        message.put(field(message), other);
        return changed;
    }
}
