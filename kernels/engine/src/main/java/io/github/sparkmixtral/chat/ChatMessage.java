package io.github.sparkmixtral.chat;

import java.util.List;

/**
 * One message of a conversation.
 *
 * @param content its text; may be empty only where the assistant calls tools
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
}
