package io.github.sparkmixtral.chat;

import java.util.List;

/**
 * One message of a conversation. Any content can be held; {@link ChatFormat#render} says what is wrong with it.
 *
 * @param content its text; null or empty where the assistant calls tools
 * @param toolCalls the assistant's calls; empty for every other role
 * @param toolCallId the call that a tool message answers; null for every other role
 * @param toolName the tool that a tool message comes from; may be null
 */
public record ChatMessage(Role role, String content, List<ToolCall> toolCalls, String toolCallId, String toolName) {

    public ChatMessage {
        toolCalls = List.copyOf(toolCalls);
    }

    /** A message that is only text. */
    public ChatMessage(Role role, String content) {
        this(role, content, List.of(), null, null);
    }

    boolean hasContent() {
        return content != null && !content.isEmpty();
    }
}
