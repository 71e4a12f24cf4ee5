package io.github.sparkmixtral.engine;

import java.util.List;

/**
 * What one step computes.
 *
 * @param sequences the sequences of the batch, in its order
 * @param sampled those of them that get a next token
 * @param sampledRows {@code [sampled]} which of {@code batch.logitRows()} is theirs
 * @param scored positions of prompts whose next tokens' log-probabilities are wanted
 * @param pooled positions of prompts whose hidden states are wanted, in the order of {@code batch.hiddenRows()}
 */
record Plan(
        Batch batch,
        List<Sequence> sequences,
        List<Sequence> sampled,
        int[] sampledRows,
        List<Reading> scored,
        List<Reading> pooled) {

    /**
     * A position of a prompt that is read.
     *
     * @param row which of {@code batch.logitRows()}, or of {@code batch.hiddenRows()}, is its
     */
    record Reading(Sequence sequence, int position, int row) {}

    boolean isEmpty() {
        return sequences.isEmpty();
    }
}
