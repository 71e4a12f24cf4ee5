package io.github.sparkmixtral.engine;

import java.util.Arrays;

/**
 * Orders token ids by a value, without boxing: value and id are packed into one {@code long} whose natural order is highest
 * value first and, among equals, lowest id first.
 */
final class TopTokens {
    private TopTokens() {}

    /** Packs a value that is not NaN and an id. */
    static long pack(float value, int id) {
        int bits = Float.floatToRawIntBits(value + 0.0f); // a negative zero equals a positive one
        int ascending = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
        return ((long) ~ascending << 32) | id;
    }

    static int id(long packed) {
        return (int) packed;
    }

    static float value(long packed) {
        int ascending = ~(int) (packed >> 32);
        return Float.intBitsToFloat(ascending ^ ((ascending >> 31) & Integer.MAX_VALUE));
    }

    /**
     * Finds the {@code count} tokens of highest logit in a row, best first, in {@code out[0 .. count)}.
     *
     * @throws IllegalArgumentException where there are not that many
     */
    static void select(Logits logits, int row, int count, long[] out) {
        switch (logits) {
            case AllLogits all -> select(all.values(), all.offset(row), all.vocabulary(), count, out);
            case MixedLogits mixed -> select(mixed.of(row), mixed.rowOf(row), count, out);
            case TopLogits top -> {
                if (count > top.count()) {
                    throw new IllegalArgumentException("the best " + count + " of a row are wanted, but there are only "
                            + top.count() + " of its logits");
                }
                for (int i = 0; i < count; i++) {
                    out[i] = pack(top.values()[row * top.count() + i], top.tokens()[row * top.count() + i]);
                }
            }
        }
    }

    /**
     * Finds them among all. A heap of {@code count}, so that a few of many cost little more than one pass.
     *
     * @param values {@code values[offset + id]}, for ids below {@code vocabulary}
     */
    static void select(float[] values, int offset, int vocabulary, int count, long[] out) {
        for (int id = 0; id < count; id++) {
            out[id] = pack(values[offset + id], id);
        }
        for (int root = count / 2 - 1; root >= 0; root--) {
            siftDown(out, root, count);
        }
        float worst = value(out[0]);
        for (int id = count; id < vocabulary; id++) {
            if (values[offset + id] > worst) {
                out[0] = pack(values[offset + id], id);
                siftDown(out, 0, count);
                worst = value(out[0]);
            }
        }
        Arrays.sort(out, 0, count);
    }

    /** Keeps the worst, which is the largest, at the root. */
    private static void siftDown(long[] heap, int from, int count) {
        long moved = heap[from];
        int parent = from;
        while (2 * parent + 1 < count) {
            int child = 2 * parent + 1;
            if (child + 1 < count && heap[child + 1] > heap[child]) {
                child++;
            }
            if (heap[child] <= moved) {
                break;
            }
            heap[parent] = heap[child];
            parent = child;
        }
        heap[parent] = moved;
    }
}
