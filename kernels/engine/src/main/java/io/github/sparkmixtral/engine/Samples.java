package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.TokenLogprobs;

/**
 * What one step gave, one entry per row that was asked for.
 *
 * @param tokens token ids; {@link #NO_TOKEN} where the row of logits was no distribution
 * @param logprobs null entries where none were asked for
 * @param scored log-probabilities of prompts' tokens; null entries where the row of logits was no distribution
 */
record Samples(int[] tokens, TokenLogprobs[] logprobs, TokenLogprobs[] scored) {
    static final int NO_TOKEN = -1;
}
