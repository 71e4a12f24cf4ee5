package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/** Reads messages and tools in OpenAI's JSON. Every fault is a {@link ChatException} with the path of what is wrong. */
final class ConversationJson {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** What mistral-common puts between the text parts of one message. */
    private static final String PART_SEPARATOR = "\n\n";

    private ConversationJson() {}

    static Conversation read(JsonNode messages, JsonNode tools) {
        return new Conversation(messages("messages", messages), tools("tools", tools));
    }

    private static List<ChatMessage> messages(String path, JsonNode node) {
        List<ChatMessage> messages = new ArrayList<>();
        for (JsonNode message : array(path, node)) {
            messages.add(message(path + "[" + messages.size() + "]", message));
        }
        return messages;
    }

    private static ChatMessage message(String path, JsonNode node) {
        requireObject(path, node);
        if (node.has("from") && !node.has("role")) {
            return shared(path, node);
        }
        Role role = role(path + ".role", node.get("role"));
        List<ToolCall> calls = toolCalls(path + ".tool_calls", node.get("tool_calls"));
        return new ChatMessage(
                role,
                content(path + ".content", node.get("content"), role == Role.ASSISTANT && !calls.isEmpty()),
                calls,
                optionalText(path + ".tool_call_id", node.get("tool_call_id")),
                optionalText(path + ".name", node.get("name")),
                node);
    }

    /** A message as ShareGPT's data sets have it: {@code {"from": "human", "value": "…"}}. */
    private static ChatMessage shared(String path, JsonNode node) {
        String from = text(path + ".from", node.get("from"));
        Role role = switch (from) {
            case "system" -> Role.SYSTEM;
            case "human", "user" -> Role.USER;
            case "gpt", "assistant" -> Role.ASSISTANT;
            default -> throw new ChatException(path + ".from: \"" + from + "\" is nobody; use system, human or gpt");
        };
        return new ChatMessage(role, text(path + ".value", node.get("value")));
    }

    private static Role role(String path, JsonNode node) {
        String text = text(path, node);
        for (Role role : Role.values()) {
            if (role.text().equals(text)) {
                return role;
            }
        }
        throw new ChatException(path + ": \"" + text + "\" is no role; use system, user, assistant or tool");
    }

    private static String content(String path, JsonNode node, boolean mayBeNull) {
        if (mayBeNull && isAbsent(node)) {
            return null;
        }
        if (node == null || !node.isArray()) {
            return text(path, node);
        }
        StringJoiner joined = new StringJoiner(PART_SEPARATOR);
        for (int i = 0; i < node.size(); i++) {
            String part = part(path + "[" + i + "]", node.get(i));
            if (!part.isEmpty()) {
                joined.add(part);
            }
        }
        return joined.toString();
    }

    private static String part(String path, JsonNode node) {
        requireObject(path, node);
        String type = text(path + ".type", node.get("type"));
        if (!type.equals("text")) {
            throw new ChatException(path + ".type: \"" + type + "\" cannot be given to a text model; use \"text\"");
        }
        return text(path + ".text", node.get("text"));
    }

    private static List<ToolCall> toolCalls(String path, JsonNode node) {
        List<ToolCall> calls = new ArrayList<>();
        if (!isAbsent(node)) {
            for (JsonNode call : array(path, node)) {
                calls.add(toolCall(path + "[" + calls.size() + "]", call));
            }
        }
        return calls;
    }

    private static ToolCall toolCall(String path, JsonNode node) {
        requireObject(path, node);
        requireFunction(path, node);
        JsonNode function = node.get("function");
        return new ToolCall(
                optionalText(path + ".id", node.get("id")),
                text(path + ".function.name", function.get("name")),
                arguments(path + ".function.arguments", function.get("arguments")));
    }

    private static String arguments(String path, JsonNode node) {
        if (isAbsent(node)) {
            return "{}";
        }
        return node.isObject() ? PythonJson.write(node) : text(path, node);
    }

    static List<Tool> tools(JsonNode node) {
        return tools("tools", node);
    }

    private static List<Tool> tools(String path, JsonNode node) {
        List<Tool> tools = new ArrayList<>();
        if (!isAbsent(node)) {
            for (JsonNode tool : array(path, node)) {
                tools.add(tool(path + "[" + tools.size() + "]", tool));
            }
        }
        return tools;
    }

    private static Tool tool(String path, JsonNode node) {
        requireObject(path, node);
        requireFunction(path, node);
        JsonNode function = node.get("function");
        String description = optionalText(path + ".function.description", function.get("description"));
        JsonNode parameters = function.get("parameters");
        return new Tool(
                text(path + ".function.name", function.get("name")),
                description == null ? "" : description,
                isAbsent(parameters) ? NODES.objectNode() : parameters,
                node);
    }

    private static void requireFunction(String path, JsonNode node) {
        String type = optionalText(path + ".type", node.get("type"));
        if (type != null && !type.equals("function")) {
            throw new ChatException(path + ".type: \"" + type + "\" is not known; use \"function\"");
        }
        requireObject(path + ".function", node.get("function"));
    }

    private static JsonNode array(String path, JsonNode node) {
        if (node == null || !node.isArray()) {
            throw wrongType(path, "an array", node);
        }
        return node;
    }

    private static void requireObject(String path, JsonNode node) {
        if (node == null || !node.isObject()) {
            throw wrongType(path, "an object", node);
        }
    }

    private static String text(String path, JsonNode node) {
        if (node == null || !node.isTextual()) {
            throw wrongType(path, "a string", node);
        }
        return node.textValue();
    }

    private static String optionalText(String path, JsonNode node) {
        return isAbsent(node) ? null : text(path, node);
    }

    private static boolean isAbsent(JsonNode node) {
        return node == null || node.isNull() || node.isMissingNode();
    }

    private static ChatException wrongType(String path, String wanted, JsonNode node) {
        String found = node == null || node.isMissingNode()
                ? "is missing"
                : switch (node.getNodeType()) {
                    case NULL -> "is null";
                    case OBJECT -> "is an object";
                    case ARRAY -> "is an array";
                    case STRING -> "is a string";
                    case NUMBER -> "is a number";
                    case BOOLEAN -> "is a boolean";
                    case MISSING, BINARY, POJO -> "is no JSON";
                };
        return new ChatException(path + ": " + found + "; it must be " + wanted);
    }
}
