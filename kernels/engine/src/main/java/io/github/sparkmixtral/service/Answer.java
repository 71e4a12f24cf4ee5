package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Completion.RequestError;
import java.util.List;

/**
 * What a row led to.
 *
 * @param outcome outputs or an error
 * @param seed the seed that the outputs were drawn with; without meaning where there is an error
 */
record Answer(String customId, Completion outcome, long seed) {

    boolean failed() {
        return outcome.error() != null;
    }

    /** The answer to a row that never became a request. */
    static Answer invalid(String customId, RequestError error) {
        return new Answer(customId, new Completion(customId, List.of(), null, error), 0);
    }
}
