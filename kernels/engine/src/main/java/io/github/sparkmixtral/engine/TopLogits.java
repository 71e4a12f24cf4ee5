package io.github.sparkmixtral.engine;

/**
 * The best logits of every row, highest first and among equals the lowest token id first (a negative zero equals a positive
 * one). The arrays may be longer.
 *
 * @param count logits per row, in [1, {@link #MAX}] and at most the vocabulary
 * @param tokens {@code [rows, count]} token ids
 * @param values {@code [rows, count]} their logits
 * @param logSumExp {@code [rows]} natural logarithm of the sum of the exponentials of all logits of the row; NaN or infinite where
 *     any logit of the row, one that is not among the best included, is NaN or infinite of either sign
 */
public record TopLogits(int count, int[] tokens, float[] values, float[] logSumExp) implements Logits {

    /** Most that are asked for. */
    public static final int MAX = 64;

    @Override
    public boolean finite(int row) {
        return Float.isFinite(logSumExp[row]);
    }

    @Override
    public float logit(int row, int token) {
        for (int i = row * count; i < (row + 1) * count; i++) {
            if (tokens[i] == token) {
                return values[i];
            }
        }
        throw new IllegalArgumentException("token " + token + " is not among the best " + count + " of row " + row);
    }

    @Override
    public double logSumExp(int row) {
        return logSumExp[row];
    }
}
