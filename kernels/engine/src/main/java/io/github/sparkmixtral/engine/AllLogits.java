package io.github.sparkmixtral.engine;

/**
 * Every logit of every row.
 *
 * @param vocabulary tokens per row
 * @param values {@code [rows, vocabulary]}, row-major; may be longer
 */
public record AllLogits(int vocabulary, float[] values) implements Logits {

    /** Where the row begins. */
    int offset(int row) {
        return Math.multiplyExact(row, vocabulary);
    }

    @Override
    public boolean finite(int row) {
        int offset = offset(row);
        boolean finite = true;
        for (int id = 0; id < vocabulary; id++) {
            finite &= Math.abs(values[offset + id]) <= Float.MAX_VALUE;
        }
        return finite;
    }

    @Override
    public float logit(int row, int token) {
        return values[offset(row) + token];
    }

    @Override
    public double logSumExp(int row) {
        int offset = offset(row);
        double highest = Double.NEGATIVE_INFINITY;
        for (int id = 0; id < vocabulary; id++) {
            highest = Math.max(highest, values[offset + id]);
        }
        double sum = 0;
        for (int id = 0; id < vocabulary; id++) {
            sum += Math.exp(values[offset + id] - highest);
        }
        return highest + Math.log(sum);
    }
}
