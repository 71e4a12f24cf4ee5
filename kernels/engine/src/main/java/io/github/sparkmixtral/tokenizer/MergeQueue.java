package io.github.sparkmixtral.tokenizer;

import java.util.Arrays;

/**
 * Merges that may be done, the one of lowest rank first, and of equal rank the leftmost: a binary heap over parallel arrays.
 */
final class MergeQueue {
    private long[] keys = new long[64];
    private int[] merges = new int[64];
    private int size;

    /** Adds the merge at index {@code merge} of the table, of the symbol at {@code position} with the next one. */
    void add(int rank, int position, int merge) {
        if (size == keys.length) {
            keys = Arrays.copyOf(keys, Math.multiplyExact(size, 2));
            merges = Arrays.copyOf(merges, Math.multiplyExact(size, 2));
        }
        long key = (long) rank << 32 | position;
        int hole = size++;
        while (hole > 0) {
            int parent = (hole - 1) >>> 1;
            if (keys[parent] <= key) {
                break;
            }
            keys[hole] = keys[parent];
            merges[hole] = merges[parent];
            hole = parent;
        }
        keys[hole] = key;
        merges[hole] = merge;
    }

    boolean isEmpty() {
        return size == 0;
    }

    /** Position of the first merge. */
    int position() {
        return (int) keys[0];
    }

    /** Index of the first merge in the table. */
    int merge() {
        return merges[0];
    }

    void remove() {
        long key = keys[--size];
        int merge = merges[size];
        int hole = 0;
        for (int child = 1; child < size; child = 2 * hole + 1) {
            if (child + 1 < size && keys[child + 1] < keys[child]) {
                child++;
            }
            if (key <= keys[child]) {
                break;
            }
            keys[hole] = keys[child];
            merges[hole] = merges[child];
            hole = child;
        }
        keys[hole] = key;
        merges[hole] = merge;
    }
}
