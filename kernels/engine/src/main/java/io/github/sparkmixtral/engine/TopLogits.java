package io.github.sparkmixtral.engine;

/**
 * The best logits of every row, highest first and among equals the lowest token id first (a negative zero equals a positive
 * one), and what of the others a draw has to know. The arrays may be longer.
 *
 * @param count logits per row, in [1, {@link #MAX}] and at most the vocabulary
 * @param tokens {@code [rows, count]} token ids
 * @param values {@code [rows, count]} their logits
 * @param logSumExp {@code [rows]} natural logarithm of the sum of the exponentials of all logits of the row; NaN or infinite where
 *     any logit of the row, one that is not among the best included, is NaN or infinite of either sign. Of a row of which {@link
 *     MixedLogits} has all logits, too, it need not be that logarithm, but any number that is finite if it is
 * @param totals {@code [rows]} sum over all tokens of {@code exp((logit - highest) / temperature)}, at the row's temperature; any number
 *     if that is 0
 * @param totalError relative error that a total may have; below it by far are the roundings of sums in double
 */
public record TopLogits(int count, int[] tokens, float[] values, float[] logSumExp, float[] totals, double totalError)
        implements Logits {

    /** Most that are asked for. */
    public static final int MAX = 64;

    /** Room for that many rows. */
    public static TopLogits of(int rows, int count, double totalError) {
        int size = Math.multiplyExact(rows, count);
        return new TopLogits(count, new int[size], new float[size], new float[rows], new float[rows], totalError);
    }

    /** Finds the best logits of a row among all, and whether those are finite. */
    public void select(AllLogits all, int row) {
        long[] best = new long[count];
        TopTokens.select(all, row, count, best);
        for (int i = 0; i < count; i++) {
            tokens[row * count + i] = TopTokens.id(best[i]);
            values[row * count + i] = TopTokens.value(best[i]);
        }
        logSumExp[row] = all.finite(row) ? values[row * count] : Float.NaN;
    }

    @Override
    public TopLogits best() {
        return this;
    }

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
