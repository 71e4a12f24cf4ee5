package io.github.sparkmixtral.cpu;

/**
 * The positions {@code [from, to)} of a sequence that one of its tokens attends to.
 *
 * @param blocks block tables of the whole batch
 * @param table index in {@code blocks} of the sequence's first block
 * @param from first position, later than 0 under a sliding window
 * @param to one past the token's own position
 */
public record Span(int[] blocks, int table, int from, int to) {

    /** Physical block that holds the positions from {@code index * KeyValueCache.BLOCK}. */
    int block(int index) {
        return blocks[table + index];
    }
}
