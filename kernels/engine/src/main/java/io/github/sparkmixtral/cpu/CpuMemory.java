package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.memory.AvailableMemory;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import java.util.Optional;

/**
 * How a CPU backend shares out memory off the heap.
 *
 * @param packing what its kernels want
 */
record CpuMemory(BackendOptions options, Packing packing) implements MemoryPlanner {

    @Override
    public Place place() {
        return Place.HOST;
    }

    @Override
    public Optional<Memory> here() {
        return Optional.of(new Memory(1, new AvailableMemory().bytes()));
    }

    @Override
    public MemoryShares share(ModelConfig config, Weights weights, Memory memory) {
        long packed = PackedWeights.bytes(weights, packing);
        long inputs = packing == Packing.INTEGERS ? MixtralLayers.integerBytes(config, chunk()) : 0;
        long cacheBytes = options.kvCacheBytes();
        long allowed =
                options.memoryLimit().leftBeside(weights.bytesOffHeap() + packed + inputs + cacheBytes) + cacheBytes;
        long left = Math.min(allowed, leftBeside(packed + inputs, memory.bytes(), packing));
        int blocks = KeyValueCacheSize.blocks(config, options, left);
        return new MemoryShares(packed, inputs, KeyValueCache.blockBytes(config), blocks);
    }

    /** Most tokens that go through the layers together. */
    int chunk() {
        return Math.min(CpuBackend.CHUNK_TOKENS, options.maxBatchTokens());
    }

    /**
     * What is left of free memory beside packed weights.
     *
     * @throws ModelException where they do not fit
     */
    static long leftBeside(long packed, long free, Packing packing) {
        if (packed > free) {
            throw new ModelException("the weights need " + (packed >> 20)
                    + " MiB of memory beside the model's file, but only " + (free >> 20)
                    + " MiB are free; take a machine or a container with more, or "
                    + (packing == Packing.BFLOAT16 ? "--backend cpu with a quantized model" : "a model of fewer bits"));
        }
        return free - packed;
    }
}
