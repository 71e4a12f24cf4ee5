package io.github.sparkmixtral.service;

import io.github.sparkmixtral.agent.Dialogue;
import io.github.sparkmixtral.agent.Dialogue.Outcome;
import io.github.sparkmixtral.agent.Reply;
import io.github.sparkmixtral.chat.ToolCalls;
import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.Usage;
import io.github.sparkmixtral.engine.Request;
import java.util.List;
import java.util.Optional;

/** A row that is asked until a model with tools gives its final answer. One thread at a time. */
final class AgentCourse implements Course {
    private final Dialogue dialogue;
    private final ToolCallReader reader;
    private final Questions questions;
    private Usage usage = Usage.NONE;
    private boolean copied = true;

    /** Makes requests of what a dialogue has come to. */
    @FunctionalInterface
    interface Questions {
        /** @param turn from 1 */
        Request ask(Dialogue dialogue, int turn) throws InvalidRowException;
    }

    AgentCourse(Dialogue dialogue, ToolCallReader reader, Questions questions) {
        this.dialogue = dialogue;
        this.reader = reader;
        this.questions = questions;
    }

    /** The row's first request. */
    Request first() throws InvalidRowException {
        return questions.ask(dialogue, 1);
    }

    @Override
    public Step after(Answer answer) throws InterruptedException {
        copied &= answer.copied();
        if (answer.failed()) {
            return new End(failed(answer, answer.outcome().error()));
        }
        Usage spent = answer.outcome().usage();
        usage = new Usage(
                usage.promptTokens() + spent.promptTokens(),
                usage.completionTokens() + spent.completionTokens(),
                usage.cachedTokens() + spent.cachedTokens());
        Output output = answer.outcome().outputs().getFirst();
        Request request = answer.request();
        Reply reply = reader.read(request, output, call -> ToolCalls.id(answer.seed(), request.customId(), 0, call));
        Optional<Outcome> outcome = dialogue.take(reply, spent.promptTokens(), spent.completionTokens());
        if (outcome.isPresent()) {
            return new End(ended(answer, output, outcome.get()));
        }
        try {
            return new Ask(questions.ask(dialogue, dialogue.answers() + 1));
        } catch (InvalidRowException impossible) {
            RequestError error = impossible.error();
            return new End(failed(
                    answer,
                    new RequestError(
                            error.code(),
                            "turn " + (dialogue.answers() + 1) + ": " + error.message(),
                            error.retryable())));
        }
    }

    private Answer ended(Answer last, Output output, Outcome outcome) {
        Output answer = new Output(0, outcome.answer(), output.tokenIds(), outcome.reason(), List.of());
        return answer(last, new Completion(last.outcome().id(), List.of(answer), usage, null));
    }

    private Answer failed(Answer last, RequestError error) {
        return answer(last, new Completion(last.outcome().id(), List.of(), usage, error));
    }

    private Answer answer(Answer last, Completion completion) {
        return new Answer(
                last.row(),
                completion,
                last.seed(),
                copied,
                last.seconds(),
                last.request(),
                null,
                null,
                dialogue.turns());
    }
}
