package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.chat.Tool;
import io.github.sparkmixtral.grammar.SchemaReferences;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.util.List;
import java.util.Map;

/**
 * OpenAI's {@code tool_choice}.
 *
 * @param mode whether the model calls tools
 * @param name of the one tool that is called; null for any
 */
record ToolChoice(Mode mode, String name) {
    private static final JsonNodeFactory NODES = JsonNodeFactory.withExactBigDecimals(true);
    static final ToolChoice AUTO = new ToolChoice(Mode.AUTO, null);

    enum Mode {
        /** As it thinks best. */
        AUTO,
        /** It is told of none. */
        NONE,
        /** It does. */
        REQUIRED
    }

    /**
     * Reads a row's choice.
     *
     * @throws InvalidRowException where it is none
     */
    static ToolChoice of(Map<String, JsonNode> parameters) throws InvalidRowException {
        JsonNode given = parameters.get(ParametersReader.TOOL_CHOICE);
        if (given == null || given.isNull()) {
            return AUTO;
        }
        JsonNode choice = given.isTextual() && given.textValue().stripLeading().startsWith("{") ? parsed(given) : given;
        switch (choice.asText()) {
            case "auto" -> {
                return AUTO;
            }
            case "none" -> {
                return new ToolChoice(Mode.NONE, null);
            }
            case "required", "any" -> {
                return new ToolChoice(Mode.REQUIRED, null);
            }
            default -> {
                JsonNode name = choice.path("function").path("name");
                if (choice.path("type").asText("function").equals("function") && name.isTextual()) {
                    return new ToolChoice(Mode.REQUIRED, name.textValue());
                }
            }
        }
        throw invalid("must be auto, none, required or {\"type\": \"function\", \"function\": {\"name\": …}}, not "
                + Json.excerpt(given));
    }

    private static JsonNode parsed(JsonNode text) throws InvalidRowException {
        try {
            return Json.parse(ParametersReader.TOOL_CHOICE, text.textValue());
        } catch (IllegalArgumentException unreadable) {
            throw new InvalidRowException("invalid_tools", unreadable.getMessage());
        }
    }

    boolean isRequired() {
        return mode == Mode.REQUIRED;
    }

    /**
     * What an answer has to be that calls tools: an array of calls, of one if one is named.
     *
     * @throws InvalidRowException where there is no tool to call
     */
    StructuredOutput calls(List<Tool> tools) throws InvalidRowException {
        ObjectNode schema = NODES.objectNode().put("type", "array").put("minItems", 1);
        if (name != null) {
            schema.put("maxItems", 1);
        }
        ArrayNode alternatives = schema.putObject("items").putArray("anyOf");
        for (Tool tool : tools) {
            if (name == null || name.equals(tool.name())) {
                String path = "#/items/anyOf/" + alternatives.size() + "/properties/arguments";
                ObjectNode call = alternatives.addObject().put("type", "object");
                ObjectNode properties = call.putObject("properties");
                properties.putObject("name").put("const", tool.name());
                properties.set("arguments", arguments(tool, path));
                call.putArray("required").add("name").add("arguments");
                call.put("additionalProperties", false);
            }
        }
        if (alternatives.isEmpty()) {
            throw invalid(
                    tools.isEmpty()
                            ? "needs tools: give some, or leave it out"
                            : "names " + name + ", which is none of the row's tools");
        }
        return new StructuredOutput(Kind.JSON, schema.toString());
    }

    private static JsonNode arguments(Tool tool, String path) {
        JsonNode parameters = SchemaReferences.moved(tool.parameters(), path);
        return parameters.isEmpty() ? NODES.objectNode().put("type", "object") : parameters;
    }

    static InvalidRowException invalid(String message) {
        return new InvalidRowException("invalid_tools", ParametersReader.TOOL_CHOICE + " " + message);
    }
}
