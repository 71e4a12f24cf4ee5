package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.EngineLimits;
import io.github.sparkmixtral.engine.PromptReading;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.SamplingParameters;

/**
 * What fits: prompts into the context, answers into memory.
 *
 * @param engine what the engine takes
 * @param wayOut what to do about a prompt that is too long
 */
record RequestLimits(EngineLimits engine, String wayOut) {
    /** What a row's answers may hold where log-probabilities are asked for: 64 MiB as a row of objects. */
    private static final long MOST_ENTRIES = 1 << 19;

    void requireSize(int promptTokens, SamplingParameters parameters) throws InvalidRowException {
        try {
            checkSize(promptTokens, parameters);
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_parameters", invalid.getMessage());
        }
    }

    /**
     * Refuses answers that one row could not hold in memory.
     *
     * @throws IllegalArgumentException where they may be too large, saying what to lower
     */
    void checkSize(int promptTokens, SamplingParameters parameters) {
        long entries = entries(promptTokens, parameters);
        if (parameters.logprobs() >= 0 && entries > MOST_ENTRIES) {
            throw new IllegalArgumentException("n x max_tokens x (1 + logprobs) must be at most " + MOST_ENTRIES
                    + ", not " + entries + ": lower one of them");
        }
        long promptEntries = (long) promptTokens * (1 + parameters.promptLogprobs());
        if (promptEntries > MOST_ENTRIES) {
            throw new IllegalArgumentException("the prompt's tokens x (1 + prompt_logprobs) must be at most "
                    + MOST_ENTRIES + ", not " + promptEntries + ": lower prompt_logprobs, or shorten the prompt");
        }
    }

    /** How many tokens, alternatives to tokens, and probabilities of choices the answers may have, or numbers of embeddings. */
    long entries(Request request) {
        int choices =
                ChoiceScores.wanted(request) ? request.constraint().choices().size() : 0;
        PromptReading reading = request.reading();
        long read = 0;
        if (reading != null) {
            read = reading.pooling() == null
                    ? (long) request.promptTokens().length * (1 + reading.alternatives())
                    : engine.hiddenSize();
        }
        return read
                + choices
                + (request.generates() ? entries(request.promptTokens().length, request.parameters()) : 0);
    }

    private long entries(int promptTokens, SamplingParameters parameters) {
        long tokens = Math.min(parameters.maxTokens(), engine.maxModelLength() - promptTokens);
        return parameters.n() * tokens * (1 + Math.max(0, parameters.logprobs()));
    }

    /** @param answered whether an answer follows, which needs room */
    int[] checked(int[] tokens, boolean answered) throws InvalidRowException {
        int longest = engine.maxModelLength();
        if (tokens.length + (answered ? 1 : 0) > longest) {
            String what = answered ? "the prompt has " : "the text has ";
            String limit =
                    answered ? " tokens, but prompt and answer together must fit into " : " tokens, but must fit into ";
            throw new InvalidRowException(
                    "context_length_exceeded", what + tokens.length + limit + longest + ": " + wayOut);
        }
        try {
            engine.checkPrompt(tokens, answered);
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_prompt", invalid.getMessage());
        }
        return tokens;
    }
}
