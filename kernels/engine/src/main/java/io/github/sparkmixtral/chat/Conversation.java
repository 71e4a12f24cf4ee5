package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/** Messages, oldest first, and the tools that the assistant may call. */
public record Conversation(List<ChatMessage> messages, List<Tool> tools) {

    public Conversation {
        messages = List.copyOf(messages);
        tools = List.copyOf(tools);
    }

    /** A prompt as one user message. */
    public static Conversation ofPrompt(String prompt) {
        return new Conversation(List.of(new ChatMessage(Role.USER, prompt)), List.of());
    }

    /**
     * Reads OpenAI's JSON.
     *
     * @param messages array of messages
     * @param tools array of tools; null for none
     * @throws ChatException naming the path of what is wrong
     */
    public static Conversation ofJson(JsonNode messages, JsonNode tools) {
        throw new UnsupportedOperationException();
    }
}
