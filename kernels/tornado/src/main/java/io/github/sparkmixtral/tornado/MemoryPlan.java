package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;

/**
 * How a device's memory is shared out: weights and workspace as they must be, the rest to the key/value cache.
 *
 * @param capacity of the workspace
 * @param shares bytes of each part
 */
record MemoryPlan(Workspace.Capacity capacity, MemoryShares shares) {

    /** Tokens that go through the layers together: enough to be bound by arithmetic, not by memory. */
    static final int MAX_CHUNK_TOKENS = 2048;

    /** Rows of logits that are computed together. */
    static final int MAX_WANTED = 256;

    /** The part of a device's memory, in hundredths, that is shared out: the driver and other processes need some, too. */
    private static final int USABLE = 92;

    private static final int BLOCK = BackendOptions.BLOCK_SIZE;

    /**
     * Shares out a device's memory.
     *
     * @param tensorCores whether the device has those that {@link TensorCoreKernels} needs, which take a larger workspace
     * @throws ModelException where the model does not fit, saying how much is needed and how much there is, or where it is of a
     *     shape that the kernels do not take
     */
    static MemoryPlan of(
            ModelConfig config,
            Weights modelWeights,
            BackendOptions options,
            String device,
            long deviceBytes,
            boolean tensorCores) {
        limit("experts per layer", config.experts(), ExpertKernels.MAX_EXPERTS);
        limit("elements per head", config.headDimension(), AttentionKernels.MAX_HEAD_DIM);
        int chunk = Math.min(options.maxBatchTokens(), MAX_CHUNK_TOKENS);
        int positions = config.maxPositions();
        Workspace.Capacity capacity = capacity(config, options, chunk, positions, tensorCores);
        long weights = DeviceWeights.bytes(config, modelWeights, positions);
        long workspace = capacity.bytes(config);
        long usable = deviceBytes / 100 * USABLE;
        long blockBytes = KeyValueCache.blockBytes(config);
        long free = usable - weights - workspace;
        if (free < blockBytes) {
            throw new ModelException(
                    "the model does not fit on %s: its weights take %s, the workspace of %d tokens %s and one block of the key/value cache %s, but of %s only %s can be used; quantize the model further, lower --max-num-batched-tokens or take a larger device"
                            .formatted(
                                    device,
                                    mebibytes(weights),
                                    chunk,
                                    mebibytes(workspace),
                                    mebibytes(blockBytes),
                                    mebibytes(deviceBytes),
                                    mebibytes(usable)));
        }
        int blocks = blocks(config, options, device, free);
        return new MemoryPlan(capacity, new MemoryShares(weights, workspace, blockBytes, blocks));
    }

    /** Blocks of the key/value cache. */
    int blocks() {
        return Math.toIntExact(shares.blocks());
    }

    /** Bytes of everything together. */
    long bytes() {
        return shares.bytes();
    }

    private static void limit(String what, int count, int most) {
        if (count > most) {
            throw new ModelException("the tornado backend takes at most %d %s, and the model has %d; use --backend cpu"
                    .formatted(most, what, count));
        }
    }

    private static Workspace.Capacity capacity(
            ModelConfig config, BackendOptions options, int chunk, int positions, boolean tensorCores) {
        int group = config.heads() / config.kvHeads();
        AttentionItems items = new AttentionItems(
                AttentionKernels.queryTile(config.headDimension(), group),
                config.slidingWindow(),
                chunk,
                Math.min(chunk, options.maxSequences()),
                positions);
        long tables = (long) Math.min(chunk, options.maxSequences()) * Math.ceilDiv(positions, BLOCK);
        return new Workspace.Capacity(
                new StepLayout(chunk, items.maxItems()),
                items,
                Math.toIntExact(Math.min(tables, Integer.MAX_VALUE / Integer.BYTES)),
                Math.min(chunk, MAX_WANTED),
                tensorCores);
    }

    private static int blocks(ModelConfig config, BackendOptions options, String device, long free) {
        long blockBytes = KeyValueCache.blockBytes(config);
        long wanted = options.usualCacheBlocks(config.maxPositions());
        if (options.kvCacheBytes() > 0) {
            wanted = options.kvCacheBytes() / blockBytes;
            if (options.kvCacheBytes() > free) {
                throw new ModelException(
                        "the key/value cache is to take %s, but beside the model only %s are free on %s; lower --kv-cache-memory"
                                .formatted(mebibytes(options.kvCacheBytes()), mebibytes(free), device));
            }
            if (wanted < 1) {
                throw new ModelException(
                        "one block of %d tokens of the key/value cache needs %d bytes, more than the %d allowed; raise --kv-cache-memory"
                                .formatted(BLOCK, blockBytes, options.kvCacheBytes()));
            }
        }
        return (int) Math.min(Math.min(wanted, free / blockBytes), KeyValueCache.mostBlocks(config));
    }

    private static String mebibytes(long bytes) {
        return Math.ceilDiv(bytes, 1L << 20) + " MiB";
    }
}
