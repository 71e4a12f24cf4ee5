package io.github.sparkmixtral.chat;

import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.List;

/** Mistral's instruct format. Immutable; may be used by many threads at once. */
public final class ChatFormat {

    private ChatFormat() {}

    /** The format of the version that the vocabulary shows: v3 where {@code [INST]} is a control token, else v1. */
    public static ChatFormat of(Tokenizer tokenizer) {
        throw new UnsupportedOperationException();
    }

    /**
     * The tokens of a conversation, BOS first, after which the model answers. A last assistant message is a primer that the
     * answer continues.
     *
     * @throws ChatException for a conversation that the format cannot express
     */
    public int[] render(List<ChatMessage> messages, List<Tool> tools) {
        throw new UnsupportedOperationException();
    }

    /** The tokens of a conversation, as {@link #render(List, List)} gives them. */
    public int[] render(Conversation conversation) {
        return render(conversation.messages(), conversation.tools());
    }
}
