package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.memory.MemoryLimit;

/**
 * What a backend is sized for.
 *
 * @param maxSequences most sequences in one step ({@code --max-num-seqs})
 * @param maxBatchTokens most tokens in one step ({@code --max-num-batched-tokens})
 * @param kvCacheBytes memory for keys and values ({@code --kv-cache-memory}); 0 lets the backend choose
 * @param threads worker threads; 0 lets the backend choose
 * @param device index of the GPU to use, as the system's tools count them; {@link #ANY_DEVICE} lets the backend choose
 * @param activations what products take their inputs as
 * @param memoryLimit on what it takes off the heap
 */
public record BackendOptions(
        int maxSequences,
        int maxBatchTokens,
        long kvCacheBytes,
        int threads,
        int device,
        Activations activations,
        MemoryLimit memoryLimit) {

    /** The backend chooses the device. */
    public static final int ANY_DEVICE = -1;

    /** Tokens per cache block, everywhere. */
    public static final int BLOCK_SIZE = 16;

    /** Tokens per sequence that a cache is sized for where no size is given; longer sequences share with shorter ones. */
    private static final int TOKENS_PER_SEQUENCE = 4096;

    /** On whichever device and with whichever activations the backend chooses. */
    public BackendOptions(int maxSequences, int maxBatchTokens, long kvCacheBytes, int threads) {
        this(maxSequences, maxBatchTokens, kvCacheBytes, threads, ANY_DEVICE, Activations.AUTO, MemoryLimit.NONE);
    }

    /** Blocks of a cache for which no size is given, where that many fit: {@code maxSequences} of usual length. */
    public long usualCacheBlocks(int maxPositions) {
        return maxSequences * (long) Math.ceilDiv(Math.min(maxPositions, TOKENS_PER_SEQUENCE), BLOCK_SIZE);
    }
}
