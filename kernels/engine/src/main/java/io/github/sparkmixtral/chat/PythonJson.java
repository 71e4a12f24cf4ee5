package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.chat.template.PythonFloat;
import java.util.Iterator;
import java.util.Map;

/**
 * JSON as Python's {@code json} module reads and writes it with {@code ensure_ascii=False}: the form in which the models have seen tools,
 * calls and results, down to the space after each comma and the spelling of numbers.
 */
final class PythonJson {
    private static final JsonMapper STRICT = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private static final JsonMapper WITH_NAN =
            STRICT.rebuild().enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS).build();

    private PythonJson() {}

    /** The JSON in a text; the text itself, as a JSON string, where it is no JSON. */
    static JsonNode readOrText(String text) {
        // Jackson also takes INF and +Infinity, which Python does not.
        boolean onlyJackson = text.contains("INF") || text.contains("+I");
        try {
            JsonNode node = (onlyJackson ? STRICT : WITH_NAN).readTree(text);
            return node == null || node.isMissingNode() ? TextNode.valueOf(text) : node;
        } catch (JsonProcessingException e) {
            return TextNode.valueOf(text);
        }
    }

    static String write(JsonNode node) {
        StringBuilder output = new StringBuilder();
        write(node, output);
        return output.toString();
    }

    private static void write(JsonNode node, StringBuilder output) {
        switch (node.getNodeType()) {
            case OBJECT -> writeObject(node, output);
            case ARRAY -> writeArray(node, output);
            case STRING -> writeString(node.textValue(), output);
            case NUMBER ->
                output.append(node.isIntegralNumber() ? node.asText() : PythonFloat.json(node.doubleValue()));
            case BOOLEAN, NULL, MISSING, BINARY, POJO -> output.append(node.asText());
        }
    }

    private static void writeObject(JsonNode node, StringBuilder output) {
        output.append('{');
        String separator = "";
        for (Map.Entry<String, JsonNode> field : node.properties()) {
            output.append(separator);
            writeString(field.getKey(), output);
            output.append(": ");
            write(field.getValue(), output);
            separator = ", ";
        }
        output.append('}');
    }

    private static void writeArray(JsonNode node, StringBuilder output) {
        output.append('[');
        for (Iterator<JsonNode> items = node.elements(); items.hasNext(); ) {
            write(items.next(), output);
            output.append(items.hasNext() ? ", " : "");
        }
        output.append(']');
    }

    private static void writeString(String text, StringBuilder output) {
        output.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> output.append("\\\"");
                case '\\' -> output.append("\\\\");
                case '\n' -> output.append("\\n");
                case '\r' -> output.append("\\r");
                case '\t' -> output.append("\\t");
                case '\b' -> output.append("\\b");
                case '\f' -> output.append("\\f");
                default -> {
                    if (c < ' ') {
                        output.append(String.format("\\u%04x", (int) c));
                    } else {
                        output.append(c);
                    }
                }
            }
        }
        output.append('"');
    }
}
