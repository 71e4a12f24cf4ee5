package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.tokenizer.Tokenizer;

/**
 * One prompt, ready to run.
 *
 * @param id unique among the requests that an engine holds
 * @param customId the row's own name, which need not be unique: with the seed, the sample index and the position it decides
 *     every draw
 * @param promptTokens at least one token, BOS included where the format wants one; not to be changed
 * @param leadingSpace {@code STRIP} for an answer, {@code KEEP} for a text that continues the prompt
 * @param constraint what the answer has to be; null for anything
 * @param begun what of the answer the prompt holds already, as far as the constraint is concerned; empty for nothing
 */
public record Request(
        String id,
        String customId,
        int[] promptTokens,
        SamplingParameters parameters,
        Tokenizer.LeadingSpace leadingSpace,
        Constraint constraint,
        String begun) {

    /** A request for anything. */
    public Request(
            String id,
            String customId,
            int[] promptTokens,
            SamplingParameters parameters,
            Tokenizer.LeadingSpace leadingSpace) {
        this(id, customId, promptTokens, parameters, leadingSpace, null, "");
    }

    /** A request for anything whose custom id is its id. */
    public Request(String id, int[] promptTokens, SamplingParameters parameters, Tokenizer.LeadingSpace leadingSpace) {
        this(id, id, promptTokens, parameters, leadingSpace);
    }
}
