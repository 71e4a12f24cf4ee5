package io.github.sparkmixtral.tornado;

import static io.github.sparkmixtral.tornado.Grids.GROUP;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** What the host needs of a row of logits in order to sample from it, which is much less than the row. */
final class HeadKernels {

    /** Most logits of a row that {@link #topLogits} gives, and the stride of its results. */
    static final int MAX_TOP = 64;

    /** Partial results of a reduction: few threads make few of them, and each thread of the group goes over those. */
    private static final int PARTS = 16;

    /** The exponential of this is infinite. */
    private static final float OVERFLOW = 1000f;

    private HeadKernels() {}

    /** Grid of {@link #topLogits}: a work-group for each of at most so many rows. */
    static WorkerGrid perRow(int rows) {
        return ExpertKernels.perToken(rows);
    }

    /** Relative error of {@link #topLogits}' totals, at most: a thread's sum of a part of the vocabulary, some more additions, the exponentials. */
    static double totalError(int vocabulary) {
        return 0x1p-24 * (vocabulary / GROUP + 128);
    }

    /**
     * Finds the largest logits of each of the {@link StepLayout#WANTED} rows of {@code logits} [rows, stride], as many as
     * {@link StepLayout#TOP_COUNT} says, in descending order and the lower token first where two are equal, and two sums over all
     * {@code vocabulary} logits of the row: the logarithm of that of their exponentials, and that of their weights at the row's
     * temperature, {@code exp((logit - largest) * inverse)}.
     *
     * <p>A row is dealt out to 128 lists, one to each thread, which knows the largest element of its own. A round takes the
     * largest of those, then looks, with all threads, for the next one in the list that it came from.
     *
     * <p>The sum of a row with a logit that is no finite number is not finite. NaN counts as smaller than any number here,
     * so that the tokens are different ones of the vocabulary whatever the logits are.
     *
     * @param inverses [rows] one over the temperature
     * @param topTokens [rows, {@value #MAX_TOP}]; -1 past the end of a vocabulary that is smaller than the count
     * @param topValues [rows, {@value #MAX_TOP}] their logits
     * @param logSumExp [rows]
     * @param totals [rows]
     */
    static void topLogits(
            KernelContext ctx,
            IntArray step,
            FloatArray inverses,
            IntArray topTokens,
            FloatArray topValues,
            FloatArray logSumExp,
            FloatArray totals,
            FloatArray logits,
            int stride,
            int vocabulary) {
        float[] keys = ctx.allocateFloatLocalArray(GROUP);
        float[] folded = ctx.allocateFloatLocalArray(PARTS);
        int[] tokens = ctx.allocateIntLocalArray(GROUP);
        int[] foldedTokens = ctx.allocateIntLocalArray(PARTS);
        int row = ctx.groupIdx;
        if (row >= step.get(StepLayout.WANTED)) {
            return;
        }
        int thread = ctx.localIdx;
        int base = row * stride;
        float head = -Float.MAX_VALUE;
        int headToken = vocabulary;
        if (thread < vocabulary) {
            head = finite(logits.get(base + thread));
            headToken = thread;
        }
        for (int token = thread + GROUP; token < vocabulary; token += GROUP) {
            float key = finite(logits.get(base + token));
            if (key > head) {
                head = key;
                headToken = token;
            }
        }
        int count = TornadoMath.min(step.get(StepLayout.TOP_COUNT), MAX_TOP);
        float largest = 0f;
        float found = 0f;
        int foundToken = 0;
        // Even turns take the largest head, odd ones find its successor. The sum needs the largest even where none is
        // wanted.
        for (int turn = 0; turn < 2 * TornadoMath.max(count, 1); turn++) {
            float best = head;
            int bestToken = headToken;
            if (turn % 2 == 1) {
                best = -Float.MAX_VALUE;
                bestToken = vocabulary;
                for (int token = foundToken % GROUP + thread * GROUP; token < vocabulary; token += GROUP * GROUP) {
                    float key = finite(logits.get(base + token));
                    int below = key < found ? 1 : 0;
                    int equal = key == found ? 1 : 0;
                    int later = token > foundToken ? 1 : 0;
                    int larger = key > best ? 1 : 0;
                    int only = bestToken == vocabulary ? 1 : 0;
                    if ((below + equal * later) * (larger + only) > 0) {
                        best = key;
                        bestToken = token;
                    }
                }
            }
            keys[thread] = best;
            ctx.localBarrier();
            if (thread < PARTS) {
                float part = keys[thread];
                for (int i = thread + PARTS; i < GROUP; i += PARTS) {
                    part = TornadoMath.max(part, keys[i]);
                }
                folded[thread] = part;
            }
            ctx.localBarrier();
            float key = folded[0];
            for (int i = 1; i < PARTS; i++) {
                key = TornadoMath.max(key, folded[i]);
            }
            tokens[thread] = best == key ? bestToken : vocabulary;
            ctx.localBarrier();
            if (thread < PARTS) {
                int part = tokens[thread];
                for (int i = thread + PARTS; i < GROUP; i += PARTS) {
                    part = TornadoMath.min(part, tokens[i]);
                }
                foldedTokens[thread] = part;
            }
            ctx.localBarrier();
            int token = foldedTokens[0];
            for (int i = 1; i < PARTS; i++) {
                token = TornadoMath.min(token, foldedTokens[i]);
            }
            if (turn == 0) {
                largest = key;
            }
            if (turn % 2 == 0) {
                found = key;
                foundToken = token;
                if (thread == 0 && turn < 2 * count) {
                    int at = row * MAX_TOP + turn / 2;
                    topTokens.set(at, token < vocabulary ? token : -1);
                    topValues.set(at, logits.get(base + TornadoMath.min(token, vocabulary - 1)));
                }
            } else if (thread == foundToken % GROUP) {
                head = key;
                headToken = token;
            }
        }
        // First the sum at the row's temperature, then that of the logits as they are.
        for (int turn = 0; turn < 2; turn++) {
            float scale = turn == 0 ? inverses.get(row) : 1f;
            float sum = 0f;
            for (int token = thread; token < vocabulary; token += GROUP) {
                float logit = logits.get(base + token);
                sum += TornadoMath.exp(logit == finite(logit) ? (logit - largest) * scale : OVERFLOW);
            }
            keys[thread] = sum;
            ctx.localBarrier();
            if (thread < PARTS) {
                float part = 0f;
                for (int i = thread; i < GROUP; i += PARTS) {
                    part += keys[i];
                }
                folded[thread] = part;
            }
            ctx.localBarrier();
            if (thread == 0) {
                float total = 0f;
                for (int i = 0; i < PARTS; i++) {
                    total += folded[i];
                }
                if (turn == 0) {
                    totals.set(row, total);
                } else {
                    logSumExp.set(row, largest + TornadoMath.log(total));
                }
            }
        }
    }

    /** The nearest finite number, or the smallest one for NaN: what comes out is ordered. */
    static float finite(float value) {
        float low = value > -Float.MAX_VALUE ? value : -Float.MAX_VALUE;
        return low < Float.MAX_VALUE ? low : Float.MAX_VALUE;
    }
}
