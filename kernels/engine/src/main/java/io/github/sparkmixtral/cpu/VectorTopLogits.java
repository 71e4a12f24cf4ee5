package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.engine.TopTokens;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** See {@link Kernels#topLogits}. */
final class VectorTopLogits {

    /** Exponentials that are added up in floats, which takes 16 additions in each lane; such sums are added up in double. */
    private static final int BLOCK = 16 * Matrix.LANES;

    private static final int STEP = FLOATS.length();

    private final float[] exponentials = new float[BLOCK];
    private final float[] lanes = new float[Matrix.LANES];

    void find(TopLogits out, int row, float[] logits, int offset, int vocabulary, double temperature) {
        long[] best = new long[out.count()];
        select(logits, offset, vocabulary, best);
        out.set(row, best);
        float highest = TopTokens.value(best[0]);
        double sum = sum(logits, offset, vocabulary, highest, 1);
        out.logSumExp()[row] = isFinite(logits, offset, vocabulary) ? (float) (highest + Math.log(sum)) : Float.NaN;
        if (temperature > 0) {
            out.totals()[row] = (float)
                    (temperature == 1 ? sum : sum(logits, offset, vocabulary, highest, (float) (1 / temperature)));
        }
    }

    /** Best first. */
    private static void select(float[] logits, int offset, int vocabulary, long[] best) {
        float worst = TopTokens.begin(logits, offset, best.length, best);
        for (int from = best.length; from < vocabulary; from += STEP) {
            int to = Math.min(from + STEP, vocabulary);
            boolean whole = to - from == STEP;
            if (whole
                    && !FloatVector.fromArray(FLOATS, logits, offset + from)
                            .compare(VectorOperators.GT, worst)
                            .anyTrue()) {
                continue;
            }
            for (int id = from; id < to; id++) {
                if (logits[offset + id] > worst) {
                    worst = TopTokens.replaceWorst(best, best.length, logits[offset + id], id);
                }
            }
        }
        Arrays.sort(best);
    }

    private static boolean isFinite(float[] logits, int offset, int vocabulary) {
        // Zero times anything else is not a number.
        FloatVector zeros = FloatVector.zero(FLOATS);
        int whole = FLOATS.loopBound(vocabulary);
        for (int id = 0; id < whole; id += STEP) {
            zeros = FloatVector.fromArray(FLOATS, logits, offset + id).mul(0).add(zeros);
        }
        float zero = zeros.reduceLanes(VectorOperators.ADD);
        for (int id = whole; id < vocabulary; id++) {
            zero += 0 * logits[offset + id];
        }
        return zero == 0;
    }

    /** Sum of {@code exp((logit - highest) * scale)}. */
    private double sum(float[] logits, int offset, int vocabulary, float highest, float scale) {
        double sum = 0;
        for (int from = 0; from < vocabulary; from += BLOCK) {
            int count = Math.min(BLOCK, vocabulary - from);
            int whole = FLOATS.loopBound(count);
            for (int i = 0; i < whole; i += STEP) {
                FloatVector.fromArray(FLOATS, logits, offset + from + i)
                        .sub(highest)
                        .mul(scale)
                        .intoArray(exponentials, i);
            }
            for (int i = whole; i < count; i++) {
                exponentials[i] = (logits[offset + from + i] - highest) * scale;
            }
            int end = Matrix.padded(count);
            Arrays.fill(exponentials, count, end, Float.NEGATIVE_INFINITY);
            VectorMath.exp(exponentials, 0, end, 0);
            sum += VectorMath.sum(exponentials, 0, end, lanes);
        }
        return sum;
    }
}
