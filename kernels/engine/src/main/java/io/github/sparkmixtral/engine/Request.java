package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.tokenizer.Tokenizer;

/**
 * One prompt, ready to run.
 *
 * @param id unique among the requests that an engine holds; with the seed and the position it decides every draw
 * @param promptTokens at least one token, BOS included where the format wants one; not copied, not to be changed
 * @param leadingSpace {@code STRIP} for an answer, {@code KEEP} for a text that continues the prompt
 */
public record Request(
        String id, int[] promptTokens, SamplingParameters parameters, Tokenizer.LeadingSpace leadingSpace) {}
