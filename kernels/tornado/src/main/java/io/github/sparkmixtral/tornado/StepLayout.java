package io.github.sparkmixtral.tornado;

/**
 * Where things lie in the {@code step} array, the one array of integers that the host writes anew for each step: a header of
 * {@link #HEADER} numbers, then arrays with room for {@code maxTokens} tokens and {@code maxItems} attention items. Offsets
 * depend on the capacities only, never on a batch, so that kernels get them as constants.
 *
 * @param maxTokens most tokens of one step
 * @param maxItems most work items of {@link AttentionKernels#attend} in one step
 * @param maxChanges most entries of {@link BlockTables} that one upload of the array changes
 */
record StepLayout(int maxTokens, int maxItems, int maxChanges) {

    /** Index of the number of tokens, n. */
    static final int TOKENS = 0;

    /** Index of the number of rows whose logits are wanted, m. */
    static final int WANTED = 1;

    /** Index of the number of attention items. */
    static final int ITEMS = 2;

    /** Index of the pair 0, n: the starts of one group of all tokens, which makes a dense matrix a grouped one. */
    static final int TOKEN_STARTS = 3;

    /** Index of the pair 0, m: the starts of one group of all wanted rows. */
    static final int WANTED_STARTS = 5;

    /** Index of the number of largest logits that are wanted of each row. */
    static final int TOP_COUNT = 7;

    /** Index of the number of changed entries of the block tables. */
    static final int CHANGES = 8;

    static final int HEADER = 9;

    /** Integers per token at {@link #partialsAt}: first slot, distance from one split's slot to the next one's, number of splits. */
    static final int PARTIAL = 3;

    /**
     * Integers per item at {@link #itemsAt}: first token, number of tokens, first position, one past the last position, index in
     * {@code tables} of the sequence's first block, first slot.
     */
    static final int ITEM = 6;

    /** Integers per change at {@link #changesAt}: index in the block tables, block. */
    static final int CHANGE = 2;

    StepLayout {
        if (maxTokens < 1 || maxItems < 1 || maxChanges < 1) {
            throw new IllegalArgumentException("a step needs room for tokens, items and changes, got " + maxTokens
                    + ", " + maxItems + " and " + maxChanges);
        }
        long size = HEADER + (3L + PARTIAL) * maxTokens + (long) ITEM * maxItems + (long) CHANGE * maxChanges;
        if (size > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "a step of %d tokens and %d attention items has %d integers, more than %d"
                            .formatted(maxTokens, maxItems, size, Integer.MAX_VALUE));
        }
    }

    /** {@code [maxTokens]} token ids. */
    int tokensAt() {
        return HEADER;
    }

    /** {@code [maxTokens]} position of each token in its sequence. */
    int positionsAt() {
        return tokensAt() + maxTokens;
    }

    /** {@code [maxTokens]} where in the cache each token's key and value go. */
    int slotsAt() {
        return positionsAt() + maxTokens;
    }

    /** {@code [maxTokens, PARTIAL]} where each token's partial results of attention lie. */
    int partialsAt() {
        return slotsAt() + maxTokens;
    }

    /** {@code [maxItems, ITEM]} the work items of attention. */
    int itemsAt() {
        return partialsAt() + PARTIAL * maxTokens;
    }

    /** {@code [maxChanges, CHANGE]} the changed entries of the block tables. */
    int changesAt() {
        return itemsAt() + ITEM * maxItems;
    }

    /** Integers of the whole array. */
    int size() {
        return changesAt() + CHANGE * maxChanges;
    }
}
