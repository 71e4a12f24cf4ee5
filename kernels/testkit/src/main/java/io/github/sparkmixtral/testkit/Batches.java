package io.github.sparkmixtral.testkit;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Builds a {@link Batch} for tests, sequence by sequence. */
public final class Batches {

    private final List<Integer> tokens = new ArrayList<>();
    private final List<Integer> positions = new ArrayList<>();
    private final List<Integer> slots = new ArrayList<>();
    private final List<Integer> sequenceStarts = new ArrayList<>(List.of(0));
    private final List<Integer> blockTables = new ArrayList<>();
    private final List<Integer> blockTableStarts = new ArrayList<>(List.of(0));
    private final List<Integer> logitRows = new ArrayList<>();
    private final List<Integer> hiddenRows = new ArrayList<>();

    /**
     * Adds the tokens {@code [from, to)} of a sequence.
     *
     * @param blocks physical blocks of the sequence
     * @param wanted how many of the last of these tokens have their logits wanted
     */
    public Batches add(int[] sequence, int from, int to, int[] blocks, int wanted) {
        for (int position = from; position < to; position++) {
            if (position >= to - wanted) {
                logitRows.add(tokens.size());
            }
            tokens.add(sequence[position]);
            positions.add(position);
            slots.add(blocks[position / BackendOptions.BLOCK_SIZE] * BackendOptions.BLOCK_SIZE
                    + position % BackendOptions.BLOCK_SIZE);
        }
        sequenceStarts.add(tokens.size());
        IntStream.of(blocks).forEach(blockTables::add);
        blockTableStarts.add(blockTables.size());
        return this;
    }

    /** Wants the hidden states of some of the tokens, counted over all sequences. */
    public Batches hidden(int... rows) {
        IntStream.of(rows).forEach(hiddenRows::add);
        return this;
    }

    public Batch build() {
        return new Batch(
                ints(tokens),
                ints(positions),
                ints(slots),
                ints(sequenceStarts),
                ints(blockTables),
                ints(blockTableStarts),
                ints(logitRows),
                ints(hiddenRows));
    }

    private static int[] ints(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }
}
