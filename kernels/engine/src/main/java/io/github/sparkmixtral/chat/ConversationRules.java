package io.github.sparkmixtral.chat;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What a conversation must be so that the instruct format can express it: at most one system message, at the beginning; then user and
 * assistant in turn; every call of a tool answered at once; last a user, a tool or a primer. mistral-common joins neighbours of the same
 * role; here they are an error, since in a table of rows they are a sign of broken data.
 */
final class ConversationRules {
    private static final Pattern FUNCTION_NAME = Pattern.compile("[a-zA-Z0-9_-]{1,64}");
    private static final Pattern CALL_ID = Pattern.compile("[a-zA-Z0-9]{9}");

    private ConversationRules() {}

    /** Throws a {@link ChatException} for the first fault. */
    static void check(List<ChatMessage> messages, List<Tool> tools) {
        if (messages.isEmpty()) {
            throw new ChatException("messages: is empty; give at least one user message");
        }
        Set<String> openCalls = new HashSet<>();
        ChatMessage previous = null;
        for (int i = 0; i < messages.size(); i++) {
            ChatMessage message = messages.get(i);
            String path = "messages[" + i + "]";
            checkOrder(path, previous, message, openCalls);
            checkContent(path, message);
            for (int j = 0; j < message.toolCalls().size(); j++) {
                ToolCall call = message.toolCalls().get(j);
                checkCall(path + ".tool_calls[" + j + "]", call);
                if (!openCalls.add(call.id())) {
                    throw new ChatException(path + ".tool_calls[" + j + "].id: \"" + call.id()
                            + "\" is the id of an earlier call of the message; give each call its own");
                }
            }
            previous = message;
        }
        checkEnd("messages[" + (messages.size() - 1) + "]", previous, openCalls);
        for (int i = 0; i < tools.size(); i++) {
            checkTool("tools[" + i + "].function", tools.get(i));
        }
    }

    private static void checkOrder(String path, ChatMessage previous, ChatMessage message, Set<String> openCalls) {
        if (message.role() == Role.TOOL) {
            checkResult(path, message, openCalls);
            return;
        }
        if (!openCalls.isEmpty()) {
            throw unanswered(path, openCalls);
        }
        Role before = previous == null ? null : previous.role();
        String fault = switch (message.role()) {
            case SYSTEM -> before == null ? "" : "a system message can only be the first message; put it there";
            case USER ->
                before == Role.USER
                        ? "user follows user; put the assistant's answer between them, or join the two into one message"
                        : "";
            case ASSISTANT -> assistantAfter(before);
            case TOOL -> "";
        };
        if (!fault.isEmpty()) {
            throw new ChatException(path + ".role: " + fault);
        }
    }

    private static String assistantAfter(Role before) {
        if (before == Role.ASSISTANT) {
            return "assistant follows assistant; put the user's message between them, or join the two into one message";
        }
        return before == null || before == Role.SYSTEM
                ? "the assistant cannot speak first; put a user message before it"
                : "";
    }

    private static void checkResult(String path, ChatMessage message, Set<String> openCalls) {
        if (openCalls.isEmpty()) {
            throw new ChatException(
                    path + ".role: a tool's result without a call; put an assistant message with tool_calls "
                            + "before it, one call for each result");
        }
        if (message.toolCallId() == null) {
            throw new ChatException(
                    path + ".tool_call_id: is missing; give the id of the call that is answered, one of " + openCalls);
        }
        if (!openCalls.remove(message.toolCallId())) {
            throw new ChatException(path + ".tool_call_id: \"" + message.toolCallId()
                    + "\" is none of the calls that wait for a result, which are " + openCalls);
        }
    }

    private static ChatException unanswered(String path, Set<String> openCalls) {
        return new ChatException(path + ".role: the tool calls " + openCalls
                + " have no result yet; put a tool message for each of them before it");
    }

    private static void checkContent(String path, ChatMessage message) {
        boolean calls = !message.toolCalls().isEmpty();
        if (calls && message.role() != Role.ASSISTANT) {
            throw new ChatException(path + ".tool_calls: only the assistant calls tools, not the "
                    + message.role().text());
        }
        if (calls && message.hasContent()) {
            throw new ChatException(
                    path + ".content: an assistant message has either content or tool_calls, not both; leave "
                            + "one of them out");
        }
        if (calls) {
            return;
        }
        if (message.content() == null) {
            throw new ChatException(path + ".content: is null; give the message's text");
        }
        boolean mayBeEmpty = message.role() == Role.SYSTEM || message.role() == Role.TOOL;
        if (!mayBeEmpty && message.content().isEmpty()) {
            throw new ChatException(path + ".content: is empty; give the message's text");
        }
    }

    private static void checkCall(String path, ToolCall call) {
        if (call.id() == null || !CALL_ID.matcher(call.id()).matches()) {
            throw new ChatException(path + ".id: is " + (call.id() == null ? "missing" : "\"" + call.id() + "\"")
                    + "; the model knows only ids of nine letters or digits, such as \"a1B2c3D4e\"");
        }
        checkFunctionName(path + ".function.name", call.name());
    }

    private static void checkTool(String path, Tool tool) {
        checkFunctionName(path + ".name", tool.name());
        if (tool.parameters() == null || !tool.parameters().isObject()) {
            throw new ChatException(path + ".parameters: must be an object, the JSON schema of the arguments");
        }
    }

    static boolean isFunctionName(String name) {
        return name != null && FUNCTION_NAME.matcher(name).matches();
    }

    private static void checkFunctionName(String path, String name) {
        if (!isFunctionName(name)) {
            throw new ChatException(path + ": is " + (name == null ? "missing" : "\"" + name + "\"")
                    + "; a function's name is 1 to 64 letters, digits, underscores and dashes");
        }
    }

    private static void checkEnd(String path, ChatMessage last, Set<String> openCalls) {
        if (last.role() == Role.SYSTEM) {
            throw new ChatException(path + ".role: there is only a system message; add a user message");
        }
        if (!openCalls.isEmpty()) {
            throw new ChatException(path + ".role: the tool calls " + openCalls
                    + " have no result yet; add a tool message for each of them");
        }
    }
}
