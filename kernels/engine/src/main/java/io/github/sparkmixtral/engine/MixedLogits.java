package io.github.sparkmixtral.engine;

import java.util.Arrays;

/**
 * The best logits of every row, and every logit of some.
 *
 * @param best of every row
 * @param whole ascending; the rows of which every logit is here
 * @param all {@code [whole.length, vocabulary]} their logits
 */
public record MixedLogits(TopLogits best, int[] whole, AllLogits all) implements Logits {

    @Override
    public Logits of(int row) {
        return index(row) < 0 ? best : all;
    }

    @Override
    public int rowOf(int row) {
        int index = index(row);
        return index < 0 ? row : index;
    }

    private int index(int row) {
        return Arrays.binarySearch(whole, row);
    }

    @Override
    public boolean finite(int row) {
        return best.finite(row);
    }

    @Override
    public float logit(int row, int token) {
        return of(row).logit(rowOf(row), token);
    }

    @Override
    public double logSumExp(int row) {
        return of(row).logSumExp(rowOf(row));
    }
}
