package io.github.sparkmixtral.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The cache blocks of one sequence, in the order of its tokens. Filled and emptied by the {@link BlockPool}. */
final class BlockTable {
    private int[] blocks = new int[4];
    private int size;

    /** Of the full blocks, as far as they are known or announced. */
    final List<BlockPool.Prefix> prefixes = new ArrayList<>();

    /** How many full blocks, from the first, are computed and registered. */
    int known;

    int size() {
        return size;
    }

    int block(int index) {
        return blocks[index];
    }

    void add(int block) {
        if (size == blocks.length) {
            blocks = Arrays.copyOf(blocks, 2 * size);
        }
        blocks[size++] = block;
    }

    void copyTo(int[] target, int offset) {
        System.arraycopy(blocks, 0, target, offset, size);
    }

    void clear() {
        size = 0;
        known = 0;
        prefixes.clear();
    }
}
