package io.github.sparkmixtral.tornado;

import static io.github.sparkmixtral.tornado.Grids.GROUP;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * A mixture of experts without a loop over experts: each token is routed to its experts, the (token, expert) pairs are sorted by
 * expert, {@link MatrixKernels} multiply each expert's rows with its matrices, and the results are combined token by token. The
 * {@code routing} array is laid out as {@link Routing} says. Integers are constants of the compiled kernel; the
 * number of tokens is {@link StepLayout#TOKENS} of {@code step}.
 */
final class ExpertKernels {

    /** Most experts of a layer. */
    static final int MAX_EXPERTS = 256;

    /** Experts whose router rows one pass over a token's activations meets. */
    private static final int EXPERTS = 8;

    /** Partial sums of one expert's logit: fewer than threads, so that few of them are left to add. */
    private static final int PARTS = 16;

    /** Counters of {@link #sortByExpert}: 32 threads can count 256 experts. */
    private static final int COUNTERS = MAX_EXPERTS * 33;

    private ExpertKernels() {}

    /** Grid of {@link #route} and {@link #combine}: a work-group for each of at most so many tokens. */
    static WorkerGrid perToken(int tokens) {
        return Grids.of(tokens, 1);
    }

    /** Grid of {@link #sortByExpert}. */
    static WorkerGrid single() {
        return perToken(1);
    }

    /**
     * Chooses the experts of each token: the largest of its router logits, {@code router} [experts, stride] times {@code x}
     * [tokens, stride], the lower expert first where two are equal. Writes the chosen experts, largest logit first, at
     * {@code chosenAt} of {@code routing}, and the softmax over their logits to {@code routeWeights} [tokens, choices].
     *
     * <p>A logit that is no number counts as the smallest, so that there are always {@code choices} different experts; its weight
     * is no number either.
     *
     * @param experts at most {@link #MAX_EXPERTS}
     * @param choices at most {@code experts}
     */
    static void route(
            KernelContext ctx,
            IntArray step,
            IntArray routing,
            int chosenAt,
            FloatArray routeWeights,
            FloatArray x,
            int stride,
            FloatArray router,
            int experts,
            int choices) {
        float[] parts = ctx.allocateFloatLocalArray(EXPERTS * GROUP);
        float[] folded = ctx.allocateFloatLocalArray(EXPERTS * PARTS);
        float[] logits = ctx.allocateFloatLocalArray(MAX_EXPERTS);
        float[] ranked = ctx.allocateFloatLocalArray(MAX_EXPERTS);
        int token = ctx.groupIdx;
        if (token >= step.get(StepLayout.TOKENS)) {
            return;
        }
        int thread = ctx.localIdx;
        for (int from = 0; from < experts; from += EXPERTS) {
            float[] sum = new float[EXPERTS];
            for (int e = 0; e < EXPERTS; e++) {
                sum[e] = 0f;
            }
            for (int c = thread; c < stride; c += GROUP) {
                float value = x.get(token * stride + c);
                for (int e = 0; e < EXPERTS; e++) {
                    // Past the last expert the last one is read once more, to no effect.
                    sum[e] += value * router.get(TornadoMath.min(from + e, experts - 1) * stride + c);
                }
            }
            for (int e = 0; e < EXPERTS; e++) {
                parts[e * GROUP + thread] = sum[e];
            }
            ctx.localBarrier();
            float part = 0f;
            int first = thread / PARTS * GROUP + thread % PARTS;
            for (int i = 0; i < GROUP; i += PARTS) {
                part += parts[first + i];
            }
            folded[thread] = part;
            ctx.localBarrier();
            if (thread < EXPERTS && from + thread < experts) {
                float logit = 0f;
                for (int i = 0; i < PARTS; i++) {
                    logit += folded[thread * PARTS + i];
                }
                logits[from + thread] = logit;
            }
        }
        ctx.localBarrier();
        for (int expert = thread; expert < experts; expert += GROUP) {
            float key = HeadKernels.finite(logits[expert]);
            int rank = 0;
            for (int other = 0; other < experts; other++) {
                float rival = HeadKernels.finite(logits[other]);
                int larger = rival > key ? 1 : 0;
                int equal = rival == key ? 1 : 0;
                int lower = other < expert ? 1 : 0;
                rank += larger + equal * lower;
            }
            if (rank < choices) {
                routing.set(chosenAt + token * choices + rank, expert);
                ranked[rank] = logits[expert];
            }
        }
        ctx.localBarrier();
        for (int choice = thread; choice < choices; choice += GROUP) {
            float total = 0f;
            for (int other = 0; other < choices; other++) {
                total += TornadoMath.exp(ranked[other] - ranked[0]);
            }
            routeWeights.set(token * choices + choice, TornadoMath.exp(ranked[choice] - ranked[0]) / total);
        }
    }

    /**
     * Sorts the (token, choice) pairs by expert, within an expert by token: a counting sort of one work-group, in which each thread
     * counts a run of pairs of its own, so that the order is that of the pairs. Reads what {@link #route} has written at
     * {@code chosenAt}; writes the start of each expert's entries from 0 on, the token of each entry at {@code entryTokenAt}
     * and the entry of each pair at {@code entryOfAt}.
     */
    static void sortByExpert(
            KernelContext ctx,
            IntArray step,
            IntArray routing,
            int experts,
            int choices,
            int entryTokenAt,
            int entryOfAt,
            int chosenAt) {
        int[] counts = ctx.allocateIntLocalArray(COUNTERS);
        int[] starts = ctx.allocateIntLocalArray(MAX_EXPERTS + 1);
        int thread = ctx.localIdx;
        int pairs = step.get(StepLayout.TOKENS) * choices;
        int runs = TornadoMath.min(GROUP, COUNTERS / experts - 1);
        // One more than there are runs, against bank conflicts.
        int pitch = runs + 1;
        int length = (pairs + runs - 1) / runs;
        int from = thread * length;
        int to = thread < runs ? TornadoMath.min(from + length, pairs) : from;
        if (thread < runs) {
            for (int expert = 0; expert < experts; expert++) {
                counts[expert * pitch + thread] = 0;
            }
            for (int pair = from; pair < to; pair++) {
                counts[routing.get(chosenAt + pair) * pitch + thread] += 1;
            }
        }
        ctx.localBarrier();
        for (int expert = thread; expert < experts; expert += GROUP) {
            int before = 0;
            for (int run = 0; run < runs; run++) {
                int count = counts[expert * pitch + run];
                counts[expert * pitch + run] = before;
                before += count;
            }
            starts[expert + 1] = before;
        }
        ctx.localBarrier();
        if (thread == 0) {
            int before = 0;
            starts[0] = 0;
            for (int expert = 0; expert < experts; expert++) {
                before += starts[expert + 1];
                starts[expert + 1] = before;
            }
        }
        ctx.localBarrier();
        for (int expert = thread; expert <= experts; expert += GROUP) {
            routing.set(expert, starts[expert]);
        }
        for (int pair = from; pair < to; pair++) {
            int expert = routing.get(chosenAt + pair);
            int entry = starts[expert] + counts[expert * pitch + thread];
            counts[expert * pitch + thread] += 1;
            routing.set(entryTokenAt + entry, pair / choices);
            routing.set(entryOfAt + pair, entry);
        }
    }

    /**
     * Adds to each row of {@code hidden} [tokens, stride] its experts' outputs, {@code expertOut} [entries, stride], times
     * their weights, in the order in which the experts were chosen.
     */
    static void combine(
            KernelContext ctx,
            IntArray step,
            FloatArray hidden,
            int stride,
            FloatArray expertOut,
            IntArray routing,
            int entryOfAt,
            FloatArray routeWeights,
            int width,
            int choices) {
        int token = ctx.groupIdx;
        if (token < step.get(StepLayout.TOKENS)) {
            for (int c = ctx.localIdx; c < width; c += GROUP) {
                float sum = 0f;
                for (int i = token * choices; i < token * choices + choices; i++) {
                    sum += routeWeights.get(i) * expertOut.get(routing.get(entryOfAt + i) * stride + c);
                }
                hidden.set(token * stride + c, hidden.get(token * stride + c) + sum);
            }
        }
    }
}
