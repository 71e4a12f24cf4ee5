package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/**
 * One message of a conversation. Any content can be held; {@link ChatFormat#render} says what is wrong with it.
 *
 * @param content its text; null or empty where the assistant calls tools
 * @param toolCalls the assistant's calls; empty for every other role
 * @param toolCallId the call that a tool message answers; null for every other role
 * @param toolName the tool that a tool message comes from; may be null
 * @param json the object that it was read from, whose other keys a chat template may look at; null where there is none
 */
public record ChatMessage(
        Role role, String content, List<ToolCall> toolCalls, String toolCallId, String toolName, JsonNode json) {

    public ChatMessage {
        toolCalls = List.copyOf(toolCalls);
    }

    public ChatMessage(Role role, String content, List<ToolCall> toolCalls, String toolCallId, String toolName) {
        this(role, content, toolCalls, toolCallId, toolName, null);
    }

    /** A message that is only text. */
    public ChatMessage(Role role, String content) {
        this(role, content, List.of(), null, null);
    }

    boolean hasContent() {
        return content != null && !content.isEmpty();
    }
}
