package io.github.sparkmixtral.job.chat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What was said, and how answers are drawn: the row of a job that every turn is. */
final class Transcript {
    private static final JsonNodeFactory NODES = JsonNodeFactory.withExactBigDecimals(true);

    /** Messages but the system's, oldest first: the user's and the assistant's in turn. */
    private final List<ObjectNode> messages = new ArrayList<>();

    private final Map<String, JsonNode> parameters = new TreeMap<>();
    private String system;

    /** @param system text of the system message; empty for none */
    Transcript(String system) {
        this.system = system;
    }

    void system(String text) {
        system = text;
    }

    /** Those that were set here, by name. */
    Map<String, JsonNode> parameters() {
        return parameters;
    }

    void ask(String text) {
        messages.add(message("user", text));
    }

    void answer(String text) {
        messages.add(message("assistant", text));
    }

    /** Takes the last question back. */
    void withdraw() {
        messages.removeLast();
    }

    /** Forgets what was said; the system message and the parameters stay. */
    void reset() {
        messages.clear();
    }

    /** What is wrong with the parameters; null if nothing is. */
    RequestError fault(RequestDefaults defaults) {
        Field any = new Field("prompt", NODES.textNode("any"));
        return new RowRequest(null, null, any, null, null, parameters).fault(defaults);
    }

    /** The row that asks the last question, which is not answered yet. */
    RowRequest row() {
        ArrayNode asked = NODES.arrayNode();
        if (!system.isEmpty()) {
            asked.add(message("system", system));
        }
        asked.addAll(messages);
        return new RowRequest(null, null, null, new Field("messages", asked), null, new TreeMap<>(parameters));
    }

    /**
     * A row as a line of a job's input, with the answer that it got.
     *
     * @param customId by which it was drawn
     */
    static ObjectNode line(RowRequest row, String customId, String answer) {
        ObjectNode line = NODES.objectNode().put("custom_id", customId);
        line.set("messages", row.messages().value());
        line.setAll(row.parameters());
        return line.put("answer", answer);
    }

    private static ObjectNode message(String role, String content) {
        return NODES.objectNode().put("role", role).put("content", content);
    }
}
