package io.github.sparkmixtral.engine;

import java.util.List;

/**
 * What one step computes.
 *
 * @param sequences the sequences of the batch, in its order
 * @param sampled those of them that get a next token, in the order of {@code batch.logitRows()}
 */
record Plan(Batch batch, List<Sequence> sequences, List<Sequence> sampled) {

    boolean isEmpty() {
        return sequences.isEmpty();
    }
}
