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
 * @param ending how an answer ends to which the constraint lets nothing be added
 * @param reading what is wanted of the prompt itself; null for an answer alone
 */
public record Request(
        String id,
        String customId,
        int[] promptTokens,
        SamplingParameters parameters,
        Tokenizer.LeadingSpace leadingSpace,
        Constraint constraint,
        String begun,
        Ending ending,
        PromptReading reading) {

    public Request {
        if (reading != null && reading.pooling() == null && reading.scoredFrom() > promptTokens.length) {
            throw new IllegalArgumentException("scoredFrom is " + reading.scoredFrom() + ", but the prompt has "
                    + promptTokens.length + " tokens");
        }
        if (reading != null && !reading.generates() && reading.computed(promptTokens.length) < 1) {
            throw new IllegalArgumentException("a prompt of one token has nothing to be scored");
        }
    }

    /** How an answer ends to which nothing can be added. */
    public enum Ending {
        /** By itself, which saves a step. */
        IMPLIED,
        /** By a token that ends it, as any other text, so that the token's log-probability is known. */
        GENERATED
    }

    /** A request for an answer that ends by itself. */
    public Request(
            String id,
            String customId,
            int[] promptTokens,
            SamplingParameters parameters,
            Tokenizer.LeadingSpace leadingSpace,
            Constraint constraint,
            String begun) {
        this(id, customId, promptTokens, parameters, leadingSpace, constraint, begun, Ending.IMPLIED, null);
    }

    /** A request for anything. */
    public Request(
            String id,
            String customId,
            int[] promptTokens,
            SamplingParameters parameters,
            Tokenizer.LeadingSpace leadingSpace) {
        this(id, customId, promptTokens, parameters, leadingSpace, null, "");
    }

    /** A request for nothing but what a prompt itself gives. */
    public static Request reading(
            String id, String customId, int[] promptTokens, SamplingParameters parameters, PromptReading reading) {
        return new Request(
                id, customId, promptTokens, parameters, Tokenizer.LeadingSpace.KEEP, null, "", Ending.IMPLIED, reading);
    }

    /** Whether there is an answer. */
    public boolean generates() {
        return reading == null || reading.generates();
    }

    /** A request for anything whose custom id is its id. */
    public Request(String id, int[] promptTokens, SamplingParameters parameters, Tokenizer.LeadingSpace leadingSpace) {
        this(id, id, promptTokens, parameters, leadingSpace);
    }
}
