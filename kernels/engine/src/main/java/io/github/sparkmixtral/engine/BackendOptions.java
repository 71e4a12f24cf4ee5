package io.github.sparkmixtral.engine;

/**
 * What a backend is sized for.
 *
 * @param maxSequences most sequences in one step ({@code --max-num-seqs})
 * @param maxBatchTokens most tokens in one step ({@code --max-num-batched-tokens})
 * @param kvCacheBytes memory for keys and values ({@code --kv-cache-memory}); 0 lets the backend choose
 * @param threads worker threads; 0 lets the backend choose
 */
public record BackendOptions(int maxSequences, int maxBatchTokens, long kvCacheBytes, int threads) {

    /** Tokens per cache block, everywhere. */
    public static final int BLOCK_SIZE = 16;
}
