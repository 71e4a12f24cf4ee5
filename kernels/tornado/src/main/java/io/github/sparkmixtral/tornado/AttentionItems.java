package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Cuts the attention of a batch into work items of about the same size. Consecutive tokens of one sequence form a query tile,
 * which shares what it reads of the cache; a tile's context is split into ranges of positions whose partial results are merged
 * afterwards (Flash-Decoding, Dao et al. 2023), so that a few long sequences keep a whole device busy and none holds up the rest.
 *
 * <p>An item of t tokens takes t slots for its partial results. Splits are made coarser until those beyond the first of each
 * tile take {@link #splitSlots} slots at most: buffers are bounded by {@link #maxItems} and {@link #maxSlots} whatever the
 * batch.
 *
 * @param queryTile most tokens of one item, as {@link AttentionKernels#queryTile} gives it
 * @param window a token attends to itself and the {@code window - 1} tokens before it; 0 means to all
 * @param maxTokens most tokens of a batch
 * @param maxSequences most sequences of a batch
 * @param maxPositions longest sequence
 */
record AttentionItems(int queryTile, int window, int maxTokens, int maxSequences, int maxPositions) {

    /** Shortest range worth an item of its own, in positions. */
    private static final int MIN_SPLIT = 256;

    /** Slots for splits, where the sequences are long enough to use them: 17 MB of partial results for Mixtral 8x7B. */
    private static final int MAX_SPLIT_SLOTS = 1024;

    private static final int BLOCK = BackendOptions.BLOCK_SIZE;

    AttentionItems {
        if (queryTile < 1 || window < 0 || maxTokens < 1 || maxSequences < 1 || maxPositions < 1) {
            throw new IllegalArgumentException(
                    "attention cannot be split by a query tile of %d tokens and a window of %d for %d tokens of %d sequences of %d positions"
                            .formatted(queryTile, window, maxTokens, maxSequences, maxPositions));
        }
    }

    /** Slots that splits beyond the first of each tile may take together. */
    private int splitSlots() {
        long mostSplits = Math.ceilDiv(maxPositions, MIN_SPLIT);
        return (int) Math.min(MAX_SPLIT_SLOTS, (mostSplits - 1) * maxTokens);
    }

    /** Most items of any batch. */
    int maxItems() {
        int sequences = Math.min(maxSequences, maxTokens);
        long tiles = (maxTokens + (queryTile - 1L) * sequences) / queryTile;
        return (int) Math.min(tiles, maxTokens) + splitSlots();
    }

    /** Slots of partial results that any batch needs at most. */
    int maxSlots() {
        return maxTokens + splitSlots();
    }

    /**
     * Writes the items of a batch and where each token's partial results will lie: {@code itemsAt}, {@code partialsAt} and the
     * number of items in the header. The batch must be valid and within the limits of this record.
     *
     * @param tableStarts index in {@code tables} of each sequence's first block
     * @return number of items
     */
    int write(Batch batch, int[] tableStarts, IntArray step, StepLayout layout) {
        int split = splitLength(batch);
        int items = 0;
        int slots = 0;
        for (int sequence = 0; sequence < batch.sequences(); sequence++) {
            int end = batch.sequenceStarts()[sequence + 1];
            for (int first = batch.sequenceStarts()[sequence]; first < end; first += queryTile) {
                int tokens = Math.min(queryTile, end - first);
                int from = firstPosition(batch, first);
                int to = batch.positions()[first] + tokens;
                int splits = Math.ceilDiv(to - from, split);
                int length = wholeBlocks(Math.ceilDiv(to - from, splits));
                for (int i = 0; i < tokens; i++) {
                    int at = layout.partialsAt() + (first + i) * StepLayout.PARTIAL;
                    step.set(at, slots + i);
                    step.set(at + 1, tokens);
                    step.set(at + 2, splits);
                }
                for (int i = 0; i < splits; i++) {
                    int at = layout.itemsAt() + items * StepLayout.ITEM;
                    step.set(at, first);
                    step.set(at + 1, tokens);
                    step.set(at + 2, from + i * length);
                    step.set(at + 3, Math.min(from + (i + 1) * length, to));
                    step.set(at + 4, tableStarts[sequence]);
                    step.set(at + 5, slots);
                    items++;
                    slots += tokens;
                }
            }
        }
        step.set(StepLayout.ITEMS, items);
        return items;
    }

    /**
     * Longest range of one item. A tile of t tokens over L positions takes t * ceil(L / length) slots, which is at most t more
     * than t * L / length: the sum of t * L over the batch bounds what the splits of all tiles need.
     */
    private int splitLength(Batch batch) {
        long slotPositions = 0;
        for (int sequence = 0; sequence < batch.sequences(); sequence++) {
            int end = batch.sequenceStarts()[sequence + 1];
            for (int first = batch.sequenceStarts()[sequence]; first < end; first += queryTile) {
                int tokens = Math.min(queryTile, end - first);
                int positions = batch.positions()[first] + tokens - firstPosition(batch, first);
                slotPositions += (long) tokens * positions;
            }
        }
        long bounded = Math.ceilDiv(slotPositions, Math.max(splitSlots(), 1));
        return wholeBlocks((int) Math.max(MIN_SPLIT, Math.min(bounded, maxPositions)));
    }

    /** First position that the tile beginning at a token reads: the first one the token sees, or less, where a block begins. */
    private int firstPosition(Batch batch, int token) {
        int first = window == 0 ? 0 : Math.max(0, batch.positions()[token] - window + 1);
        return first / BLOCK * BLOCK;
    }

    private static int wholeBlocks(int positions) {
        return Math.ceilDiv(positions, BLOCK) * BLOCK;
    }
}
