package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Messages, oldest first, and the tools that the assistant may call. */
public record Conversation(List<ChatMessage> messages, List<Tool> tools) {
    /** The text that Mistral's API puts first if {@code safe_prompt} is true (docs.mistral.ai, "Guardrailing"). */
    public static final String SAFE_PROMPT =
            "Always assist with care, respect, and truth. Respond with utmost utility yet"
                    + " securely. Avoid harmful, unethical, prejudiced, or negative content. Ensure replies promote fairness and"
                    + " positivity.";

    public Conversation {
        messages = List.copyOf(messages);
        tools = List.copyOf(tools);
    }

    /** A prompt as one user message. */
    public static Conversation ofPrompt(String prompt) {
        return new Conversation(List.of(new ChatMessage(Role.USER, prompt)), List.of());
    }

    /**
     * Reads OpenAI's JSON. A message is {@code {role, content, tool_calls, tool_call_id, name}}; content is a string or an array of
     * {@code {type: "text", text}}, which are joined by a blank line. Other keys are passed over.
     *
     * @param messages array of messages
     * @param tools array of {@code {type: "function", function: {name, description, parameters}}}; null for none
     * @throws ChatException naming the path of a value of the wrong type
     */
    public static Conversation ofJson(JsonNode messages, JsonNode tools) {
        return ConversationJson.read(messages, tools);
    }

    /**
     * The same with tools.
     *
     * @param tools as in {@link #ofJson}; null for none
     * @throws ChatException naming the path of a value of the wrong type
     */
    public Conversation withTools(JsonNode tools) {
        return new Conversation(messages, ConversationJson.tools(tools));
    }

    /** The same with more messages at the end. */
    public Conversation with(List<ChatMessage> more) {
        List<ChatMessage> extended = new ArrayList<>(messages);
        extended.addAll(more);
        return new Conversation(extended, tools);
    }

    /** The same with a system message at the beginning; unchanged where there is one already, or the text is empty. */
    public Conversation withSystem(String text) {
        if (text.isEmpty() || messages.stream().anyMatch(message -> message.role() == Role.SYSTEM)) {
            return this;
        }
        List<ChatMessage> extended = new ArrayList<>();
        extended.add(new ChatMessage(Role.SYSTEM, text));
        extended.addAll(messages);
        return new Conversation(extended, tools);
    }

    /** The same with a text at the end of the assistant's last message, or as one if the last message is another's. */
    public Conversation continued(String text) {
        List<ChatMessage> extended = new ArrayList<>(messages);
        String begun = "";
        if (endsWithPrimer()) {
            String primer = extended.removeLast().content();
            begun = primer == null ? "" : primer;
        }
        extended.add(new ChatMessage(Role.ASSISTANT, begun + text));
        return new Conversation(extended, tools);
    }

    /**
     * The same with {@link #SAFE_PROMPT} first: before the text of the system message and parted from it by a blank line, as
     * mistral-common joins system messages, or as a system message of its own if the conversation does not begin with one.
     */
    public Conversation withSafePrompt() {
        List<ChatMessage> extended = new ArrayList<>(messages);
        ChatMessage first = messages.isEmpty() ? null : messages.getFirst();
        if (first == null || first.role() != Role.SYSTEM) {
            extended.addFirst(new ChatMessage(Role.SYSTEM, SAFE_PROMPT));
        } else if (first.hasContent()) {
            String text = SAFE_PROMPT + "\n\n" + first.content();
            extended.set(0, new ChatMessage(Role.SYSTEM, text, List.of(), null, null, first.json()));
        } else {
            extended.set(0, new ChatMessage(Role.SYSTEM, SAFE_PROMPT));
        }
        return new Conversation(extended, tools);
    }

    /**
     * Whether the last message is the assistant's, a primer that the answer continues. Such an answer is decoded with its leading space
     * kept, so that primer and answer can be put together.
     */
    public boolean endsWithPrimer() {
        return !messages.isEmpty() && messages.getLast().role() == Role.ASSISTANT;
    }
}
