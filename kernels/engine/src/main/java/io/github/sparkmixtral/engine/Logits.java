package io.github.sparkmixtral.engine;

/** Logits of the wanted rows of one step: all of them, or of each row only the best. Valid until the backend's next step. */
public sealed interface Logits permits AllLogits, TopLogits {

    /** Whether every logit of the row, those that are not here included, is a finite number. */
    boolean finite(int row);

    /** The row's logit of a token that is here. */
    float logit(int row, int token);

    /** Natural logarithm of the sum of the exponentials of all logits of the row. */
    double logSumExp(int row);
}
