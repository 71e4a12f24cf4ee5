package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.model.ModelConfig;

/**
 * Distances between rows of device arrays, in elements: widths rounded up to whole blocks of quantized weights, so that a
 * kernel never asks where a row ends. What is added is zero and stays zero.
 *
 * @param hidden of the residual stream
 * @param qkv of a token's query, key and value heads, end to end
 * @param query of a token's query heads, and of what they attended to
 * @param intermediate of an expert's activations
 * @param vocabulary of a row of logits
 */
record Widths(int hidden, int qkv, int query, int intermediate, int vocabulary) {

    /** Columns of weights that share a scale, at most. */
    static final int BLOCK = 32;

    static Widths of(ModelConfig config) {
        int query = config.heads() * config.headDimension();
        return new Widths(
                padded(config.hiddenSize()),
                padded(query + 2 * config.kvHeads() * config.headDimension()),
                padded(query),
                padded(config.intermediateSize()),
                padded(config.vocabularySize()));
    }

    static int padded(int width) {
        return Math.ceilDiv(width, BLOCK) * BLOCK;
    }
}
