package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Mistral's instruct format, token for token as mistral-common gives it. Immutable; may be used by many threads at once.
 *
 * <p>v1 (Mixtral 8x7B) has no control tokens but BOS and EOS: {@code <s> [INST] system + blank line + user [/INST] assistant</s> [INST] user
 * [/INST]}, where each message is encoded on its own with the prefix space, and the system text is part of the first user message.
 *
 * <p>v3 (Mixtral 8x22B Instruct) has control tokens: {@code [INST] user [/INST] assistant</s>}, with the system text in the
 * <em>last</em> user message, {@code [AVAILABLE_TOOLS] … [/AVAILABLE_TOOLS]} before that message, {@code [TOOL_CALLS] …</s>} for calls and
 * {@code [TOOL_RESULTS] … [/TOOL_RESULTS]} for results. Spaces at the end of an assistant's text are dropped.
 *
 * <p>A last assistant message is a primer that the answer continues: encoded like any assistant message, but without EOS
 * (mistral-common's {@code prefix=True}).
 */
final class MistralFormat implements ChatFormat {

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private final Tokenizer tokenizer;
    private final Version version;

    MistralFormat(Tokenizer tokenizer, Version version) {
        this.tokenizer = tokenizer;
        this.version = version;
    }

    /** The version that the vocabulary shows: v3 where it has {@code [INST]} and {@code [/INST]}, of whatever type, else v1. */
    static Version versionOf(Tokenizer tokenizer) {
        boolean hasTokens = tokenizer.controlToken("[INST]").isPresent()
                && tokenizer.controlToken("[/INST]").isPresent();
        return hasTokens ? Version.V3 : Version.V1;
    }

    Version version() {
        return version;
    }

    @Override
    public String name() {
        return "mistral-" + version.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public boolean callsTools() {
        return version == Version.V3 && tokenizer.controlToken(ToolCalls.TOKEN).isPresent();
    }

    @Override
    public int[] render(List<ChatMessage> messages, List<Tool> tools) {
        ConversationRules.check(messages, tools);
        String system =
                messages.getFirst().role() == Role.SYSTEM ? messages.getFirst().content() : "";
        IntStream.Builder output = IntStream.builder();
        output.add(tokenizer.bosTokenId());
        switch (version) {
            case V1 -> renderV1(messages, tools, system, output);
            case V3 -> renderV3(messages, tools, system, output);
        }
        return output.build().toArray();
    }

    private void renderV1(List<ChatMessage> messages, List<Tool> tools, String system, IntStream.Builder output) {
        requireNoTools(messages, tools);
        int firstUser = indexOfUser(messages, 0, 1);
        for (int i = 0; i < messages.size(); i++) {
            String content = messages.get(i).content();
            switch (messages.get(i).role()) {
                case USER ->
                    encode("[INST] " + (i == firstUser ? withSystem(system, content) : content) + " [/INST]", output);
                case ASSISTANT -> {
                    encode(content, output);
                    endTurn(i, messages, output);
                }
                case SYSTEM, TOOL -> {}
            }
        }
    }

    private static void requireNoTools(List<ChatMessage> messages, List<Tool> tools) {
        String path = tools.isEmpty() ? null : "tools";
        for (int i = 0; path == null && i < messages.size(); i++) {
            path = messages.get(i).toolCalls().isEmpty() ? null : "messages[" + i + "].tool_calls";
        }
        if (path != null) {
            throw new ChatException(
                    path + ": this model (tokenizer v1) has no tokens for tools; describe them in a message's text "
                            + "instead, or use a model with tokenizer v3, such as Mixtral 8x22B Instruct");
        }
    }

    private void renderV3(List<ChatMessage> messages, List<Tool> tools, String system, IntStream.Builder output) {
        int lastUser = indexOfUser(messages, messages.size() - 1, -1);
        for (int i = 0; i < messages.size(); i++) {
            ChatMessage message = messages.get(i);
            switch (message.role()) {
                case USER -> {
                    if (i == lastUser && !tools.isEmpty()) {
                        encode("[AVAILABLE_TOOLS]", json(tools), "[/AVAILABLE_TOOLS]", output);
                    }
                    String content = i == lastUser ? withSystem(system, message.content()) : message.content();
                    encode("[INST]", content, "[/INST]", output);
                }
                case ASSISTANT -> {
                    if (message.toolCalls().isEmpty()) {
                        encode(withoutTrailingSpaces(message.content()), output);
                    } else {
                        output.add(controlToken(ToolCalls.TOKEN));
                        encode(callsJson(message.toolCalls()), output);
                    }
                    endTurn(i, messages, output);
                }
                case TOOL -> encode("[TOOL_RESULTS]", resultJson(message), "[/TOOL_RESULTS]", output);
                case SYSTEM -> {}
            }
        }
    }

    private static int indexOfUser(List<ChatMessage> messages, int start, int step) {
        int i = start;
        while (messages.get(i).role() != Role.USER) {
            i += step;
        }
        return i;
    }

    private static String withSystem(String system, String content) {
        return system.isEmpty() ? content : system + "\n\n" + content;
    }

    private static String withoutTrailingSpaces(String text) {
        int end = text.length();
        while (end > 0 && text.charAt(end - 1) == ' ') {
            end--;
        }
        return text.substring(0, end);
    }

    private void endTurn(int index, List<ChatMessage> messages, IntStream.Builder output) {
        if (index < messages.size() - 1) {
            output.add(tokenizer.eosTokenId());
        }
    }

    private void encode(String text, IntStream.Builder output) {
        for (int id : tokenizer.encode(text)) {
            output.add(id);
        }
    }

    private void encode(String begin, String text, String end, IntStream.Builder output) {
        output.add(controlToken(begin));
        encode(text, output);
        output.add(controlToken(end));
    }

    private int controlToken(String piece) {
        return tokenizer
                .controlToken(piece)
                .orElseThrow(() -> new ChatException("tools: the model's vocabulary has no control token " + piece
                        + "; leave the tools out, or use the tokenizer that Mistral ships with the model"));
    }

    private static String json(List<Tool> tools) {
        ArrayNode array = NODES.arrayNode();
        for (Tool tool : tools) {
            ObjectNode function = array.addObject().put("type", "function").putObject("function");
            function.put("name", tool.name()).put("description", tool.description());
            function.set("parameters", tool.parameters());
        }
        return PythonJson.write(array);
    }

    private static String callsJson(List<ToolCall> calls) {
        ArrayNode array = NODES.arrayNode();
        for (ToolCall call : calls) {
            ObjectNode object = array.addObject().put("name", call.name());
            object.set("arguments", PythonJson.readOrText(emptyAsObject(call.arguments())));
            object.put("id", call.id());
        }
        return PythonJson.write(array);
    }

    private static String resultJson(ChatMessage message) {
        ObjectNode object = NODES.objectNode();
        object.set("content", PythonJson.readOrText(emptyAsObject(message.content())));
        return PythonJson.write(object.put("call_id", message.toolCallId()));
    }

    private static String emptyAsObject(String json) {
        return json == null || json.isEmpty() ? "{}" : json;
    }
}
