package io.github.sparkmixtral.agent;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.agent.CallFormat.Call;
import io.github.sparkmixtral.agent.CallFormat.Calls;
import io.github.sparkmixtral.agent.CallFormat.Final;
import io.github.sparkmixtral.agent.CallFormat.Unreadable;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.engine.FinishReason;
import io.github.sparkmixtral.grammar.StructuredOutput;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a model and its tools say about one row. One thread at a time. */
public final class Dialogue {
    private final Toolbox toolbox;
    private final CallFormat format;
    private final int maxTurns;
    private final List<Turn> turns = new ArrayList<>();
    private Conversation conversation;
    private int answers;

    /**
     * How a row ends.
     *
     * @param answer null where there is none
     */
    public record Outcome(String answer, FinishReason reason) {}

    Dialogue(Toolbox toolbox, CallFormat format, int maxTurns, String question) {
        this.toolbox = toolbox;
        this.format = format;
        this.maxTurns = maxTurns;
        this.conversation = format.begin(question);
    }

    /** What to ask the model next. */
    public Conversation asked() {
        return format.asked(conversation);
    }

    /** What its answer has to be; null for anything. */
    public StructuredOutput constraint() {
        return format.constraint();
    }

    /** What was called so far, and at last what was answered. */
    public List<Turn> turns() {
        return List.copyOf(turns);
    }

    /** How many answers there were. */
    public int answers() {
        return answers;
    }

    /**
     * Takes an answer, and calls the tools that it calls.
     *
     * @return how the row ends; empty if the model is to be asked again
     */
    public Optional<Outcome> take(Reply reply, int promptTokens, int completionTokens) throws InterruptedException {
        answers++;
        if (reply.cut()) {
            turns.add(new Turn(null, reply.text(), null, null, promptTokens, completionTokens));
            return Optional.of(new Outcome(null, FinishReason.LENGTH));
        }
        switch (format.read(reply)) {
            case Final answer -> {
                turns.add(new Turn(Toolbox.FINAL_ANSWER, answer.text(), null, null, promptTokens, completionTokens));
                return Optional.of(new Outcome(answer.text(), FinishReason.FINAL));
            }
            case Unreadable words -> {
                turns.add(new Turn(null, reply.text(), null, words.reason(), promptTokens, completionTokens));
                conversation = conversation.with(format.told(reply, words.reason()));
            }
            case Calls wanted -> {
                List<Toolbox.Output> outputs = new ArrayList<>();
                for (Call call : wanted.calls()) {
                    Toolbox.Output output = toolbox.call(call.tool(), call.input());
                    boolean first = outputs.isEmpty();
                    outputs.add(output);
                    turns.add(new Turn(
                            call.tool(),
                            text(call.input()),
                            output.text(),
                            output.error(),
                            first ? promptTokens : 0,
                            first ? completionTokens : 0));
                }
                conversation = conversation.with(format.told(reply, wanted.calls(), outputs));
            }
        }
        if (answers < maxTurns) {
            return Optional.empty();
        }
        boolean failed = turns.getLast().error() != null;
        return Optional.of(new Outcome(null, failed ? FinishReason.TOOL_ERROR : FinishReason.MAX_TURNS));
    }

    private static String text(JsonNode input) {
        return input.isTextual() ? input.textValue() : input.toString();
    }
}
