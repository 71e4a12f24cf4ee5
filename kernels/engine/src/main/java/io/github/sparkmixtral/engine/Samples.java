package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.TokenLogprobs;

/**
 * What was drawn in one step, one entry per row of logits.
 *
 * @param tokens token ids; {@link #NO_TOKEN} where the row of logits was no distribution
 * @param logprobs null entries where none were asked for
 */
record Samples(int[] tokens, TokenLogprobs[] logprobs) {
    static final int NO_TOKEN = -1;
}
