package io.github.sparkmixtral.service;

import io.github.sparkmixtral.agent.Turn;
import io.github.sparkmixtral.chat.ToolCall;
import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Request;
import java.util.List;

/**
 * What a row led to.
 *
 * @param row the number that it was submitted with
 * @param outcome outputs or an error
 * @param seed the seed that the outputs were drawn with; without meaning where there is an error
 * @param copied whether it was computed for an equal row
 * @param seconds since it was submitted
 * @param request what was asked; null for a row that never became a request
 * @param choiceProbabilities of the choices of its constraint, in their order; null where they were not asked for
 * @param toolCalls of each output; null where they were not looked for
 * @param turns of an agent's row, also of one that has an error; null for other rows
 */
record Answer(
        long row,
        Completion outcome,
        long seed,
        boolean copied,
        double seconds,
        Request request,
        double[] choiceProbabilities,
        List<List<ToolCall>> toolCalls,
        List<Turn> turns) {

    Answer(
            long row,
            Completion outcome,
            long seed,
            boolean copied,
            double seconds,
            Request request,
            double[] choiceProbabilities) {
        this(row, outcome, seed, copied, seconds, request, choiceProbabilities, null, null);
    }

    /** Whether something was generated, so that the seed has a meaning. */
    boolean drawn() {
        return request.generates() && !outcome.outputs().isEmpty();
    }

    boolean failed() {
        return outcome.error() != null;
    }

    /** The same with other outputs, in which calls of tools were found. */
    Answer withToolCalls(List<Completion.Output> outputs, List<List<ToolCall>> calls) {
        Completion read = new Completion(outcome.id(), outputs, outcome.usage(), outcome.error());
        return new Answer(row, read, seed, copied, seconds, request, choiceProbabilities, calls, turns);
    }

    /** The answer to a row that never became a request. */
    static Answer invalid(long row, RequestError error) {
        return new Answer(row, new Completion("", List.of(), null, error), 0, false, 0, null, null);
    }
}
