package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * The sequences' block tables as the device has them, a row for each sequence. A step brings only the entries that differ: one in 16
 * tokens of a sequence that goes on, if it is found in the row that it had. It is known again by the block that it has written to
 * last, which as a rule is nobody else's; whatever is in the row found, what differs is changed.
 */
final class BlockTables {

    private final int rows;
    private final int rowLength;
    private final int[] onDevice;

    /** Of each row, the block that its sequence has written to last; -1 where there is none. */
    private final int[] writtenLast;

    private final Map<Integer, Integer> rowByBlock = new HashMap<>();
    private int nextRow;
    private int[] changes = {};
    private int changed;
    private int sent;

    /**
     * @param rows most sequences of a step
     * @param rowLength most blocks of a sequence
     */
    BlockTables(int rows, int rowLength) {
        this.rows = rows;
        this.rowLength = rowLength;
        onDevice = new int[rows * rowLength];
        writtenLast = new int[rows];
        Arrays.fill(onDevice, -1);
        Arrays.fill(writtenLast, -1);
    }

    /**
     * Gives each sequence of a step a row, and notes which entries the device lacks.
     *
     * @param batch whose tables hold no more blocks than its tokens read
     * @return index of the first entry of each sequence's row
     */
    int[] place(Batch batch) {
        int[] rowOf = assign(batch);
        changed = 0;
        sent = 0;
        for (int sequence = 0; sequence < rowOf.length; sequence++) {
            int from = batch.blockTableStarts()[sequence];
            int blocks = batch.blockTableStarts()[sequence + 1] - from;
            for (int i = 0; i < blocks; i++) {
                set(rowOf[sequence] * rowLength + i, batch.blockTables()[from + i]);
            }
            if (blocks > 0) {
                remember(rowOf[sequence], batch.blockTables()[from + blocks - 1]);
            }
            rowOf[sequence] *= rowLength;
        }
        return rowOf;
    }

    private int[] assign(Batch batch) {
        int[] rowOf = new int[batch.sequences()];
        boolean[] taken = new boolean[rows];
        for (int sequence = 0; sequence < rowOf.length; sequence++) {
            Integer row = rowByBlock.get(blockBefore(batch, sequence));
            rowOf[sequence] = row == null || taken[row] ? -1 : row;
            if (rowOf[sequence] >= 0) {
                taken[row] = true;
            }
        }
        for (int sequence = 0; sequence < rowOf.length; sequence++) {
            if (rowOf[sequence] < 0) {
                while (taken[nextRow]) {
                    nextRow = (nextRow + 1) % rows;
                }
                taken[nextRow] = true;
                rowOf[sequence] = nextRow;
            }
        }
        return rowOf;
    }

    /** The block of the position before the first one of the step, or -1. */
    private static int blockBefore(Batch batch, int sequence) {
        int token = batch.sequenceStarts()[sequence];
        if (token == batch.sequenceStarts()[sequence + 1] || batch.positions()[token] == 0) {
            return -1;
        }
        int block = (batch.positions()[token] - 1) / BackendOptions.BLOCK_SIZE;
        return batch.blockTables()[batch.blockTableStarts()[sequence] + block];
    }

    private void set(int index, int block) {
        if (onDevice[index] == block) {
            return;
        }
        onDevice[index] = block;
        if (changes.length == changed * StepLayout.CHANGE) {
            changes = Arrays.copyOf(changes, Math.max(64, 2 * changes.length));
        }
        changes[changed * StepLayout.CHANGE] = index;
        changes[changed * StepLayout.CHANGE + 1] = block;
        changed++;
    }

    private void remember(int row, int block) {
        rowByBlock.remove(writtenLast[row], row);
        writtenLast[row] = block;
        rowByBlock.put(block, row);
    }

    /** Changes that {@link #write} has not written yet. */
    int left() {
        return changed - sent;
    }

    /** Writes as many changes to a step as it has room for, and how many they are. */
    int write(IntArray step, StepLayout layout) {
        int count = Math.min(left(), layout.maxChanges());
        for (int i = 0; i < count * StepLayout.CHANGE; i++) {
            step.set(layout.changesAt() + i, changes[sent * StepLayout.CHANGE + i]);
        }
        step.set(StepLayout.CHANGES, count);
        sent += count;
        return count;
    }
}
