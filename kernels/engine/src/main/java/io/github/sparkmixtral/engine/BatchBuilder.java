package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Plan.Reading;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Lays scheduled sequences out as the flat arrays of a {@link Batch}. */
final class BatchBuilder {
    /** Most rows of logits that a step has for tokens of prompts: 32 MB with a vocabulary of 32,000. */
    private static final int MOST_SCORED = 256;

    private final int blockSize;
    private final List<Sequence> sequences = new ArrayList<>();
    private int[] counts = new int[16];
    private int scoredLeft = MOST_SCORED;

    BatchBuilder(int blockSize) {
        this.blockSize = blockSize;
    }

    /**
     * Adds the sequence's next tokens that are not computed yet.
     *
     * @param most how many of them, at most; fewer are taken if the step has no room for what is wanted of them
     * @return how many were taken
     */
    int add(Sequence sequence, int most) {
        int count = Math.min(Math.min(sequence.missing(), most), sequence.beforeScored() + scoredLeft);
        if (count > 0) {
            if (sequences.size() == counts.length) {
                counts = Arrays.copyOf(counts, 2 * counts.length);
            }
            counts[sequences.size()] = count;
            sequences.add(sequence);
            scoredLeft -= Math.max(0, count - sequence.beforeScored());
        }
        return count;
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
        IntStream.Builder logitRows = IntStream.builder();
        IntStream.Builder hiddenRows = IntStream.builder();
        IntStream.Builder sampledRows = IntStream.builder();
        List<Sequence> sampled = new ArrayList<>();
        List<Reading> scored = new ArrayList<>();
        List<Reading> pooled = new ArrayList<>();
        int logits = 0;
        for (int s = 0; s < sequences.size(); s++) {
            Sequence sequence = sequences.get(s);
            int start = sequenceStarts[s];
            System.arraycopy(sequence.tokens(), sequence.computed, tokens, start, counts[s]);
            for (int i = 0; i < counts[s]; i++) {
                int position = sequence.computed + i;
                positions[start + i] = position;
                slots[start + i] = sequence.table.block(position / blockSize) * blockSize + position % blockSize;
                boolean samples = sequence.samplesAt(position);
                if (sequence.scoresAt(position)) {
                    scored.add(new Reading(sequence, position, logits));
                } else if (sequence.poolsAt(position)) {
                    pooled.add(new Reading(sequence, position, pooled.size()));
                    hiddenRows.add(start + i);
                }
                if (samples) {
                    sampled.add(sequence);
                    sampledRows.add(logits);
                }
                if (samples || sequence.scoresAt(position)) {
                    logitRows.add(start + i);
                    logits++;
                }
            }
            sequence.table.copyTo(tables, tableStarts[s]);
        }
        Batch batch = new Batch(
                tokens,
                positions,
                slots,
                sequenceStarts,
                tables,
                tableStarts,
                logitRows.build().toArray(),
                hiddenRows.build().toArray());
        return new Plan(
                batch, List.copyOf(sequences), sampled, sampledRows.build().toArray(), scored, pooled);
    }
}
