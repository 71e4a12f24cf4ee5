package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.ModelConfig;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Keys and values of all layers in blocks of {@value #BLOCK} tokens, f32, off the heap.
 *
 * <p>A block holds, for each layer and key/value head, the keys as {@code [headDimension, BLOCK]}, so that the scores of a
 * block's tokens are neighbours in a vector, and the values as {@code [BLOCK, padded headDimension]}. Memory is taken in slabs
 * of blocks when the first of them is used, so that a cache that stays half empty costs half. {@link #reserve} and
 * {@link #close} belong to the owner's thread; the rest may be called by many threads on different slots.
 */
public final class KeyValueCache implements AutoCloseable {

    /** Tokens per block. */
    public static final int BLOCK = BackendOptions.BLOCK_SIZE;

    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final long SLAB_BYTES = 32L << 20;

    private final int kvHeads;
    private final int headDimension;
    private final int valueStride;
    private final long headBytes;
    private final long blockBytes;
    private final int blocks;
    private final int blocksPerSlab;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment[] slabs;

    /**
     * @param blocks whose memory is yet to be {@linkplain #reserve reserved}
     */
    public KeyValueCache(ModelConfig config, int blocks) {
        this.kvHeads = config.kvHeads();
        this.headDimension = config.headDimension();
        this.valueStride = Matrix.padded(headDimension);
        this.headBytes = headBytes(config);
        this.blockBytes = blockBytes(config);
        this.blocks = blocks;
        this.blocksPerSlab = (int) Math.clamp(SLAB_BYTES / blockBytes, 1, blocks);
        this.slabs = new MemorySegment[Math.ceilDiv(blocks, blocksPerSlab)];
    }

    /** Bytes of one block of all layers. */
    static long blockBytes(ModelConfig config) {
        return Math.multiplyExact(headBytes(config), (long) config.layers() * config.kvHeads());
    }

    private static long headBytes(ModelConfig config) {
        return (long) BLOCK * Float.BYTES * (config.headDimension() + Matrix.padded(config.headDimension()));
    }

    int blocks() {
        return blocks;
    }

    /** Makes sure that there is memory behind a block. */
    public void reserve(int block) {
        int slab = block / blocksPerSlab;
        if (slabs[slab] == null) {
            int held = Math.min(blocksPerSlab, blocks - slab * blocksPerSlab);
            slabs[slab] = HugePages.allocate(held * blockBytes, arena);
        }
    }

    /** The memory in which a block lies. */
    MemorySegment slab(int block) {
        return slabs[block / blocksPerSlab];
    }

    /** Byte offset in {@link #slab} of a block's keys, {@code [headDimension, BLOCK]}. */
    long keys(int layer, int block, int kvHead) {
        return (block % blocksPerSlab) * blockBytes + ((long) layer * kvHeads + kvHead) * headBytes;
    }

    /** Byte offset in {@link #slab} of a block's values, {@code [BLOCK, valueStride]}. */
    long values(int layer, int block, int kvHead) {
        return keys(layer, block, kvHead) + (long) BLOCK * Float.BYTES * headDimension;
    }

    /** Floats from one token's value to the next; those past the head dimension are zero. */
    int valueStride() {
        return valueStride;
    }

    int headDimension() {
        return headDimension;
    }

    int kvHeads() {
        return kvHeads;
    }

    /**
     * Stores one token's keys and values: those of a row of {@code [rows, kvHeads * headDimension]}.
     *
     * @param slot block times {@link #BLOCK} plus place in the block
     */
    public void store(int layer, int slot, Matrix keys, Matrix values, int row) {
        int block = slot / BLOCK;
        int token = slot % BLOCK;
        MemorySegment slab = slab(block);
        for (int head = 0; head < kvHeads; head++) {
            int key = keys.offset(row) + head * headDimension;
            long to = keys(layer, block, head) + (long) token * Float.BYTES;
            for (int d = 0; d < headDimension; d++) {
                slab.set(FLOAT, to + (long) d * BLOCK * Float.BYTES, keys.data()[key + d]);
            }
            MemorySegment.copy(
                    values.data(),
                    values.offset(row) + head * headDimension,
                    slab,
                    FLOAT,
                    values(layer, block, head) + (long) token * valueStride * Float.BYTES,
                    headDimension);
        }
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
