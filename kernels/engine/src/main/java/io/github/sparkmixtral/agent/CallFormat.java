package io.github.sparkmixtral.agent;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.chat.ChatMessage;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.grammar.StructuredOutput;
import java.util.List;

/** How a model is told of tools, how it calls them, and how it is told what they say. */
sealed interface CallFormat permits JsonCalls, FunctionCalls {

    /** What a model wants. */
    sealed interface Wish {}

    /** @param calls at least one */
    record Calls(List<Call> calls) implements Wish {}

    /** The answer to the row. */
    record Final(String text) implements Wish {}

    /** Words that are no call. */
    record Unreadable(String reason) implements Wish {}

    /** @param id null where the format has none */
    record Call(String id, String tool, JsonNode input) {}

    /** The messages before the first answer. */
    Conversation begin(String question);

    /** The messages that an answer is to, with what the model begins with. */
    Conversation asked(Conversation conversation);

    /** What answers have to be; null for anything. */
    StructuredOutput constraint();

    Wish read(Reply reply);

    /** The messages that answer and outputs add, one output for each call. */
    List<ChatMessage> told(Reply reply, List<Call> calls, List<Toolbox.Output> outputs);

    /** The messages that words add that were no call. */
    List<ChatMessage> told(Reply reply, String reason);
}
