package io.github.sparkmixtral.engine;

/** The free blocks in the order in which they are given out: a doubly linked list over arrays, so that any block leaves it at once. */
final class FreeList {
    private final int[] next;
    private final int[] previous;
    private final int end;
    private int size;

    /** All of {@code blocks} blocks, the lowest first. */
    FreeList(int blocks) {
        end = blocks;
        next = new int[blocks + 1];
        previous = new int[blocks + 1];
        next[end] = end;
        previous[end] = end;
        for (int block = 0; block < blocks; block++) {
            addLast(block);
        }
    }

    int size() {
        return size;
    }

    void addFirst(int block) {
        insert(block, end, next[end]);
    }

    void addLast(int block) {
        insert(block, previous[end], end);
    }

    int removeFirst() {
        int block = next[end];
        remove(block);
        return block;
    }

    void remove(int block) {
        next[previous[block]] = next[block];
        previous[next[block]] = previous[block];
        size--;
    }

    private void insert(int block, int before, int after) {
        next[before] = block;
        previous[block] = before;
        next[block] = after;
        previous[after] = block;
        size++;
    }
}
