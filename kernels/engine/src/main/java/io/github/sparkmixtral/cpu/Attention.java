package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Attention of some tokens of a sequence, the heads that share a key/value head: an online softmax over spans of positions in ascending
 * order (Milakov and Gimelshein 2018). All tokens go through a span before the next one, so that its keys and values are read once.
 */
final class Attention {

    private static final int STEP = FLOATS.length();
    private static final int LANES = Matrix.LANES;
    private static final int BLOCK = KeyValueCache.BLOCK;

    /** Positions whose scores are turned into weights together: the exponentials' overhead is per span, not per block. */
    private static final int SPAN = Workspace.SPAN;

    private Attention() {}

    /**
     * The heads of one token that share a key/value head, and those of its positions that lie in a span.
     *
     * @param heads how many they are
     * @param query where the first one's query begins in {@code queries}
     * @param first position of the span
     * @param from first position that counts, relative to {@code first}
     * @param to one past the last one, relative to {@code first}
     * @param state where the token's sums are in the workspace, counted in heads
     */
    record Part(
            Matrix queries,
            int heads,
            int query,
            KeyValueCache cache,
            int layer,
            int kvHead,
            Span span,
            int first,
            int from,
            int to,
            int state) {

        /** First position of the blocks that hold what counts, relative to {@link #first}. */
        int firstBlock() {
            return from / BLOCK * BLOCK;
        }

        /** The physical block of a position relative to {@link #first}. */
        int block(int position) {
            return span.block((first + position) / BLOCK);
        }
    }

    /** The two products. */
    interface Products {
        /**
         * Writes {@code query . key / sqrt(size)} into {@link Workspace#scores}, {@code [heads, SPAN]}, for all positions of the blocks that
         * hold positions that count.
         */
        void scores(Part part, Workspace workspace);

        /**
         * Replaces the scores {@code [from, to)}, a whole number of {@link Matrix#LANES}, by exponentials relative to the largest of them and
         * {@code before}.
         *
         * @return what they are relative to
         */
        float exponentials(int from, int to, float before, Workspace workspace);

        /** The sum of these scores, as {@link VectorMath#sum} has it. */
        float sum(int from, int to, Workspace workspace);

        /** Adds the values of the positions that count, times their weights in {@link Workspace#scores}, to {@link Workspace#values}. */
        void values(Part part, Workspace workspace);
    }

    /** See {@link Kernels#attend}. */
    static void attend(
            Products products,
            Matrix out,
            Matrix query,
            int fromRow,
            int toRow,
            KeyValueCache cache,
            int layer,
            int kvHead,
            Span[] spans,
            Workspace workspace) {
        int size = cache.headDimension();
        int stride = cache.valueStride();
        int heads = query.columns() / (cache.kvHeads() * size);
        int states = (toRow - fromRow) * heads;
        Arrays.fill(workspace.maxima, 0, states, Float.NEGATIVE_INFINITY);
        Arrays.fill(workspace.sums, 0, states, 0);
        Arrays.fill(workspace.values, 0, states * stride, 0);
        int begin = Integer.MAX_VALUE;
        int end = 0;
        for (int row = fromRow; row < toRow; row++) {
            begin = Math.min(begin, spans[row].from());
            end = Math.max(end, spans[row].to());
        }
        for (int first = begin / SPAN * SPAN; first < end; first += SPAN) {
            for (int row = fromRow; row < toRow; row++) {
                int from = Math.max(spans[row].from() - first, 0);
                int to = Math.min(spans[row].to() - first, SPAN);
                if (from < to) {
                    int at = query.offset(row) + kvHead * heads * size;
                    int state = (row - fromRow) * heads;
                    attend(
                            products,
                            new Part(query, heads, at, cache, layer, kvHead, spans[row], first, from, to, state),
                            workspace);
                }
            }
        }
        for (int row = fromRow; row < toRow; row++) {
            int to = out.offset(row) + kvHead * heads * size;
            for (int head = 0; head < heads; head++) {
                int state = (row - fromRow) * heads + head;
                for (int d = 0; d < size; d++) {
                    out.data()[to + head * size + d] = workspace.values[state * stride + d] / workspace.sums[state];
                }
            }
        }
    }

    private static void attend(Products products, Part part, Workspace workspace) {
        products.scores(part, workspace);
        for (int head = 0; head < part.heads(); head++) {
            soften(products, head, part.from(), part.to(), part.cache().valueStride(), part.state(), workspace);
        }
        products.values(part, workspace);
    }

    /**
     * Turns one head's scores into exponentials relative to the largest score so far, those outside of {@code [from, to)} into
     * zeros, and scales what was summed before to that maximum.
     */
    private static void soften(
            Products products, int head, int from, int to, int stride, int state, Workspace workspace) {
        float[] scores = workspace.scores;
        int at = head * SPAN;
        int last = at + Math.ceilDiv(to, LANES) * LANES;
        Arrays.fill(scores, at, at + from, Float.NEGATIVE_INFINITY);
        Arrays.fill(scores, at + to, last, Float.NEGATIVE_INFINITY);
        float before = workspace.maxima[state + head];
        float maximum = products.exponentials(at, last, before, workspace);
        Arrays.fill(scores, at, at + from, 0);
        Arrays.fill(scores, at + to, last, 0);
        float sum = products.sum(at, last, workspace);
        if (before == Float.NEGATIVE_INFINITY) {
            workspace.sums[state + head] = sum;
        } else if (maximum != before) {
            float rescale = VectorMath.exp(before - maximum);
            workspace.sums[state + head] = Math.fma(workspace.sums[state + head], rescale, sum);
            for (int d = (state + head) * stride; d < (state + head + 1) * stride; d += STEP) {
                FloatVector.fromArray(FLOATS, workspace.values, d).mul(rescale).intoArray(workspace.values, d);
            }
        } else {
            workspace.sums[state + head] += sum;
        }
        workspace.maxima[state + head] = maximum;
    }
}
