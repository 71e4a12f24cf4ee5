package io.github.sparkmixtral.engine;

/** Logits of the wanted rows of one step: of each row all of them, or only the best. Valid until the backend's next step. */
public sealed interface Logits permits AllLogits, TopLogits, MixedLogits {

    /** The logits that the row is to be read from, as its row {@link #rowOf}; these ones, or {@link AllLogits} or {@link TopLogits} within. */
    default Logits of(int row) {
        return this;
    }

    /** Which row of {@link #of} the row is. */
    default int rowOf(int row) {
        return row;
    }

    /** The best logits of every row; null if all are here instead. */
    default TopLogits best() {
        return null;
    }

    /** Whether every logit of the row, those that are not here included, is a finite number. */
    boolean finite(int row);

    /** The row's logit of a token that is here. */
    float logit(int row, int token);

    /** Natural logarithm of the sum of the exponentials of all logits of the row. */
    double logSumExp(int row);
}
