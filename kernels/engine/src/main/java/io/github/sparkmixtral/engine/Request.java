package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.tokenizer.Tokenizer;

/**
 * One prompt, ready to run.
 *
 * @param id unique among the requests that an engine holds
 * @param customId the row's own name, which need not be unique: with the seed, the sample index and the position it decides
 *     every draw
 * @param promptTokens at least one token, BOS included where the format wants one; not to be changed
 * @param leadingSpace {@code STRIP} for an answer, {@code KEEP} for a text that continues the prompt
 */
public record Request(
        String id,
        String customId,
        int[] promptTokens,
        SamplingParameters parameters,
        Tokenizer.LeadingSpace leadingSpace) {

    /** A request whose custom id is its id. */
    public Request(String id, int[] promptTokens, SamplingParameters parameters, Tokenizer.LeadingSpace leadingSpace) {
        this(id, id, promptTokens, parameters, leadingSpace);
    }
}
