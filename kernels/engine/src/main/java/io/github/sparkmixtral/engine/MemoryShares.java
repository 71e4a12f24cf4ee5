package io.github.sparkmixtral.engine;

/**
 * How a backend shares out memory, that of several devices together.
 *
 * @param weights bytes of the weights as the backend holds them
 * @param workspace bytes of what a step reads and writes besides
 * @param blockBytes bytes of one block of the key/value cache, of {@link BackendOptions#BLOCK_SIZE} tokens in all layers
 * @param blocks of the cache
 */
public record MemoryShares(long weights, long workspace, long blockBytes, long blocks) {

    /** Bytes of everything together. */
    public long bytes() {
        return weights + workspace + blocks * blockBytes;
    }
}
