package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.memory.MemoryLimit;
import java.util.List;

/**
 * What a backend is sized for.
 *
 * @param maxSequences most sequences in one step ({@code --max-num-seqs})
 * @param maxBatchTokens most tokens in one step ({@code --max-num-batched-tokens})
 * @param kvCacheBytes memory for keys and values ({@code --kv-cache-memory}); 0 lets the backend choose
 * @param threads worker threads; 0 lets the backend choose
 * @param maxModelLength longest sequence in tokens ({@code --max-model-len}); 0 leaves it to the model
 * @param devices indices of the GPUs to use, all of them, as the system's tools count them; {@link #ANY_DEVICES} lets the backend choose
 * @param activations what products take their inputs as
 * @param memoryLimit on what it takes off the heap
 */
public record BackendOptions(
        int maxSequences,
        int maxBatchTokens,
        long kvCacheBytes,
        int threads,
        int maxModelLength,
        List<Integer> devices,
        Activations activations,
        MemoryLimit memoryLimit) {

    /** The backend chooses the device, or several if the model needs them. */
    public static final List<Integer> ANY_DEVICES = List.of();

    /** Tokens per cache block, everywhere. */
    public static final int BLOCK_SIZE = 16;

    /** Tokens per sequence that a cache is sized for where no size is given; longer sequences share with shorter ones. */
    private static final int TOKENS_PER_SEQUENCE = 4096;

    public BackendOptions {
        devices = List.copyOf(devices);
    }

    /** On whichever device and with whichever activations the backend chooses. */
    public BackendOptions(int maxSequences, int maxBatchTokens, long kvCacheBytes, int threads) {
        this(maxSequences, maxBatchTokens, kvCacheBytes, threads, 0, ANY_DEVICES, Activations.AUTO, MemoryLimit.NONE);
    }

    /** Longest sequence that is to be taken, of those that the model takes. */
    public int longestSequence(int maxPositions) {
        return maxModelLength > 0 ? Math.min(maxModelLength, maxPositions) : maxPositions;
    }

    /** Blocks of a cache for which no size is given, where that many fit: {@code maxSequences} of usual length. */
    public long usualCacheBlocks(int maxPositions) {
        return maxSequences * (long) Math.ceilDiv(Math.min(maxPositions, TOKENS_PER_SEQUENCE), BLOCK_SIZE);
    }
}
