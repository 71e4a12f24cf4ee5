package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.model.ModelConfig;

/** Scratch memory of one worker thread. */
final class Workspace {

    /** Rows of weights that are decoded at a time. */
    static final int PANEL_ROWS = 32;

    /** Inputs of such a row that are decoded at a time: a multiple of every format's block. */
    static final int PANEL_COLUMNS = 1024;

    /** {@code [PANEL_ROWS, PANEL_COLUMNS]} decoded weights. */
    final float[] panel = new float[PANEL_ROWS * PANEL_COLUMNS];

    /** Partial sums of one tile of dot products. */
    final float[] lanes = new float[8 * Matrix.LANES];

    /** {@code [heads per kv head, block]} scores of one block of keys, then their exponentials. */
    final float[] scores;

    /** {@code [heads per kv head, padded head dimension]} weighted values so far. */
    final float[] values;

    /** {@code [heads per kv head]} largest score so far. */
    final float[] maxima;

    /** {@code [heads per kv head]} sum of exponentials so far. */
    final float[] sums;

    Workspace(ModelConfig config) {
        int group = config.heads() / config.kvHeads();
        scores = new float[group * KeyValueCache.BLOCK];
        values = new float[group * Matrix.padded(config.headDimension())];
        maxima = new float[group];
        sums = new float[group];
    }
}
