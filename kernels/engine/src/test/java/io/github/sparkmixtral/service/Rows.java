package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.service.RowRequest.Field;
import java.util.LinkedHashMap;
import java.util.Map;

/** Builds rows for tests. */
final class Rows {
    private Rows() {}

    static RowRequest prompt(String id, String prompt) {
        return prompt(id, prompt, "{}");
    }

    static RowRequest prompt(String id, String prompt, String parameters) {
        return new RowRequest(id, null, field("prompt", prompt), null, null, parameters(parameters));
    }

    static RowRequest messages(String id, String messages) {
        return new RowRequest(id, null, null, field("messages", messages), null, Map.of());
    }

    static RowRequest tools(String id, String prompt, String tools) {
        return new RowRequest(id, null, field("prompt", prompt), null, field("tools", tools), Map.of());
    }

    static RowRequest task(String id, String prompt, Task task) {
        return new RowRequest(id, task, field("prompt", prompt), null, null, Map.of());
    }

    static Field field(String name, String text) {
        return new Field(name, text == null ? null : TextNode.valueOf(text));
    }

    static Map<String, JsonNode> parameters(String json) {
        Map<String, JsonNode> parameters = new LinkedHashMap<>();
        Json.parse("parameters", json).properties().forEach(entry -> parameters.put(entry.getKey(), entry.getValue()));
        return parameters;
    }
}
