package io.github.sparkmixtral.engine;

import java.util.Arrays;

/**
 * One step for many sequences, as flat arrays that a backend can copy to a device as they are. Sequence {@code s} owns the
 * tokens {@code [sequenceStarts[s], sequenceStarts[s + 1])}, which are consecutive positions of it, and the cache blocks
 * {@code blockTables[blockTableStarts[s] .. blockTableStarts[s + 1])}: position {@code p} lies in the block at index
 * {@code p / blockSize} of them, at offset {@code p % blockSize}. The keys and values of all earlier positions are already
 * in the cache.
 *
 * @param tokens {@code [tokens]} token ids
 * @param positions {@code [tokens]} position of each token in its sequence
 * @param kvSlots {@code [tokens]} where each token's key and value go: {@code block * blockSize + offset}; no two are alike
 * @param sequenceStarts {@code [sequences + 1]} compressed rows over {@code tokens}
 * @param blockTables {@code [blockTableStarts[sequences]]} physical blocks
 * @param blockTableStarts {@code [sequences + 1]} compressed rows over {@code blockTables}
 * @param logitRows {@code [wanted]} ascending indices into {@code tokens} whose logits are wanted
 * @param hiddenRows {@code [wanted]} ascending indices into {@code tokens} whose last hidden states are wanted
 */
public record Batch(
        int[] tokens,
        int[] positions,
        int[] kvSlots,
        int[] sequenceStarts,
        int[] blockTables,
        int[] blockTableStarts,
        int[] logitRows,
        int[] hiddenRows) {

    /** A step of which only logits are wanted. */
    public Batch(
            int[] tokens,
            int[] positions,
            int[] kvSlots,
            int[] sequenceStarts,
            int[] blockTables,
            int[] blockTableStarts,
            int[] logitRows) {
        this(tokens, positions, kvSlots, sequenceStarts, blockTables, blockTableStarts, logitRows, new int[0]);
    }

    /** Those of ascending {@code rows} that lie in {@code [from, to)}, counted from there. */
    public static int[] within(int[] rows, int from, int to) {
        return Arrays.stream(rows)
                .filter(row -> row >= from && row < to)
                .map(row -> row - from)
                .toArray();
    }

    public int sequences() {
        return sequenceStarts.length - 1;
    }
}
