package io.github.sparkmixtral.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Lays scheduled sequences out as the flat arrays of a {@link Batch}. */
final class BatchBuilder {
    private final int blockSize;
    private final List<Sequence> sequences = new ArrayList<>();
    private final List<Sequence> sampled = new ArrayList<>();
    private int[] counts = new int[16];

    BatchBuilder(int blockSize) {
        this.blockSize = blockSize;
    }

    /** Adds the sequence's next {@code count} tokens that are not computed yet. */
    void add(Sequence sequence, int count) {
        if (sequences.size() == counts.length) {
            counts = Arrays.copyOf(counts, 2 * counts.length);
        }
        counts[sequences.size()] = count;
        sequences.add(sequence);
        if (count == sequence.missing()) {
            sampled.add(sequence);
        }
    }

    Plan build() {
        int[] sequenceStarts = new int[sequences.size() + 1];
        int[] tableStarts = new int[sequences.size() + 1];
        for (int s = 0; s < sequences.size(); s++) {
            sequenceStarts[s + 1] = sequenceStarts[s] + counts[s];
            tableStarts[s + 1] = tableStarts[s] + sequences.get(s).table.size();
        }
        int total = sequenceStarts[sequences.size()];
        int[] tokens = new int[total];
        int[] positions = new int[total];
        int[] slots = new int[total];
        int[] tables = new int[tableStarts[sequences.size()]];
        int[] logitRows = new int[sampled.size()];
        int rows = 0;
        for (int s = 0; s < sequences.size(); s++) {
            Sequence sequence = sequences.get(s);
            int start = sequenceStarts[s];
            System.arraycopy(sequence.tokens(), sequence.computed, tokens, start, counts[s]);
            for (int i = 0; i < counts[s]; i++) {
                int position = sequence.computed + i;
                positions[start + i] = position;
                slots[start + i] = sequence.table.block(position / blockSize) * blockSize + position % blockSize;
            }
            sequence.table.copyTo(tables, tableStarts[s]);
            if (counts[s] == sequence.missing()) {
                logitRows[rows++] = start + counts[s] - 1;
            }
        }
        Batch batch = new Batch(tokens, positions, slots, sequenceStarts, tables, tableStarts, logitRows);
        return new Plan(batch, List.copyOf(sequences), List.copyOf(sampled));
    }
}
