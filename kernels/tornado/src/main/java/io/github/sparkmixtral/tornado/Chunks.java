package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import java.util.Arrays;

/** Cuts a step into parts that are worked off one after the other. */
final class Chunks {

    private Chunks() {}

    /**
     * The tokens {@code [from, to)} of a batch as a batch of their own, with the blocks that they use and no others. A sequence that
     * is cut in two goes on where its keys and values of the earlier part lie in the cache.
     */
    static Batch cut(Batch batch, int from, int to) {
        int first = sequenceOf(batch, from);
        int sequences = sequenceOf(batch, to - 1) + 1 - first;
        int[] starts = new int[sequences + 1];
        int[] tableStarts = new int[sequences + 1];
        int[] tables = new int[batch.blockTables().length];
        for (int i = 0; i < sequences; i++) {
            int end = Math.min(batch.sequenceStarts()[first + i + 1], to);
            int table = batch.blockTableStarts()[first + i];
            starts[i + 1] = end - from;
            int blocks = end - from == starts[i] ? 0 : batch.positions()[end - 1] / BackendOptions.BLOCK_SIZE + 1;
            System.arraycopy(batch.blockTables(), table, tables, tableStarts[i], blocks);
            tableStarts[i + 1] = tableStarts[i] + blocks;
        }
        return new Batch(
                Arrays.copyOfRange(batch.tokens(), from, to),
                Arrays.copyOfRange(batch.positions(), from, to),
                Arrays.copyOfRange(batch.kvSlots(), from, to),
                starts,
                Arrays.copyOf(tables, tableStarts[sequences]),
                tableStarts,
                Batch.within(batch.logitRows(), from, to),
                Batch.within(batch.hiddenRows(), from, to));
    }

    /** The sequence that a token belongs to; sequences without tokens own none. */
    private static int sequenceOf(Batch batch, int token) {
        int sequence = 0;
        while (batch.sequenceStarts()[sequence + 1] <= token) {
            sequence++;
        }
        return sequence;
    }
}
