package io.github.sparkmixtral.tokenizer;

import java.util.Arrays;

/** A growing array of token ids. */
final class TokenList {
    private int[] ids;
    private int size;

    TokenList(int capacity) {
        ids = new int[Math.max(capacity, 16)];
    }

    void add(int id) {
        if (size == ids.length) {
            ids = Arrays.copyOf(ids, Math.addExact(size, size >> 1));
        }
        ids[size++] = id;
    }

    /** Whether the last id is this one. */
    boolean endsWith(int id) {
        return size > 0 && ids[size - 1] == id;
    }

    int[] toArray() {
        return Arrays.copyOf(ids, size);
    }
}
