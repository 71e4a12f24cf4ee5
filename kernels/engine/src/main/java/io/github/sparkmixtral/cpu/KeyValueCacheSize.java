package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelConfig;

/** How many blocks the key/value cache gets. */
final class KeyValueCacheSize {

    /** The part of the machine's free memory that a cache takes at most where no size is given: one in this many. */
    static final int SHARE_OF_FREE_MEMORY = 2;

    private KeyValueCacheSize() {}

    /**
     * Blocks for the options on a machine with that much memory free.
     *
     * @throws ModelException where not one block fits, or the size asked for is more than what is free
     */
    static int blocks(ModelConfig config, BackendOptions options, long free) {
        long blockBytes = KeyValueCache.blockBytes(config);
        if (options.kvCacheBytes() > 0) {
            if (options.kvCacheBytes() > free) {
                throw new ModelException("the key/value cache is to take " + size(options.kvCacheBytes())
                        + ", but only " + size(free) + " of memory are free; lower --kv-cache-memory");
            }
            if (options.kvCacheBytes() < blockBytes) {
                throw new ModelException("one block of " + KeyValueCache.BLOCK
                        + " tokens of the key/value cache needs " + size(blockBytes)
                        + ", more than the " + size(options.kvCacheBytes())
                        + " allowed; raise --kv-cache-memory");
            }
            return count(options.kvCacheBytes() / blockBytes);
        }
        long needed = options.usualCacheBlocks(config.maxPositions());
        long fitting = free / SHARE_OF_FREE_MEMORY / blockBytes;
        if (fitting < 1) {
            throw new ModelException(
                    "one block of " + KeyValueCache.BLOCK + " tokens of the key/value cache needs "
                            + size(blockBytes) + ", but only " + size(free)
                            + " of memory are free, of which a cache takes at most half; give the process more memory or set --kv-cache-memory");
        }
        return count(Math.min(needed, fitting));
    }

    /** Slots are numbered by int. */
    private static int count(long blocks) {
        return (int) Math.min(blocks, Integer.MAX_VALUE / KeyValueCache.BLOCK);
    }

    private static String size(long bytes) {
        return bytes < 10 << 20 ? bytes + " bytes" : (bytes >> 20) + " MiB";
    }
}
