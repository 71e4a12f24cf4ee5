package io.github.sparkmixtral.engine;

/** Holds a {@link Batch} against its contract and a backend's limits, before anything is computed or written. */
public final class BatchCheck {

    private BatchCheck() {}

    /**
     * Checks everything that is later used as an index.
     *
     * @throws IllegalArgumentException with the array, the index and the value that is wrong
     */
    public static void check(Batch batch, Backend backend) {
        int tokens = batch.tokens().length;
        require(tokens >= 1, "the batch has no tokens");
        require(
                tokens <= backend.maxBatchTokens(),
                "the batch has " + tokens + " tokens, more than maxBatchTokens " + backend.maxBatchTokens());
        require(
                batch.positions().length == tokens && batch.kvSlots().length == tokens,
                "positions and kvSlots must be as long as tokens");
        require(batch.sequenceStarts().length >= 2, "the batch has no sequences");
        require(
                batch.sequences() <= backend.maxSequences(),
                "the batch has " + batch.sequences() + " sequences, more than maxSequences " + backend.maxSequences());
        require(
                batch.blockTableStarts().length == batch.sequenceStarts().length,
                "blockTableStarts must be as long as sequenceStarts");
        checkStarts("sequenceStarts", batch.sequenceStarts(), tokens);
        checkStarts("blockTableStarts", batch.blockTableStarts(), batch.blockTables().length);
        checkRange("tokens", batch.tokens(), backend.vocabularySize());
        checkRange("positions", batch.positions(), backend.maxPositions());
        checkRange("blockTables", batch.blockTables(), backend.cacheBlocks());
        checkRows("logitRows", batch.logitRows(), tokens);
        checkRows("hiddenRows", batch.hiddenRows(), tokens);
        for (int sequence = 0; sequence < batch.sequences(); sequence++) {
            checkSequence(batch, sequence, backend.blockSize());
        }
    }

    private static void checkSequence(Batch batch, int sequence, int blockSize) {
        int first = batch.sequenceStarts()[sequence];
        int table = batch.blockTableStarts()[sequence];
        int blocks = batch.blockTableStarts()[sequence + 1] - table;
        for (int i = first; i < batch.sequenceStarts()[sequence + 1]; i++) {
            int position = batch.positions()[i];
            require(
                    position == batch.positions()[first] + i - first,
                    "positions of sequence " + sequence + " must be consecutive at index " + i);
            require(
                    position / blockSize < blocks,
                    "position " + position + " lies outside the " + blocks + " blocks of sequence " + sequence);
            int slot = batch.blockTables()[table + position / blockSize] * blockSize + position % blockSize;
            require(
                    batch.kvSlots()[i] == slot,
                    "kvSlots[" + i + "] is " + batch.kvSlots()[i] + ", but position " + position + " of sequence "
                            + sequence + " lies at slot " + slot);
        }
    }

    private static void checkStarts(String name, int[] starts, int end) {
        require(starts[0] == 0 && starts[starts.length - 1] == end, name + " must begin at 0 and end at " + end);
        for (int i = 1; i < starts.length; i++) {
            require(starts[i] >= starts[i - 1], name + " must not descend at index " + i);
        }
    }

    private static void checkRows(String name, int[] rows, int tokens) {
        checkRange(name, rows, tokens);
        for (int i = 1; i < rows.length; i++) {
            require(rows[i] > rows[i - 1], name + " must ascend at index " + i);
        }
    }

    private static void checkRange(String name, int[] values, int end) {
        for (int i = 0; i < values.length; i++) {
            require(
                    values[i] >= 0 && values[i] < end,
                    name + "[" + i + "] is " + values[i] + ", not in [0, " + end + ")");
        }
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}
