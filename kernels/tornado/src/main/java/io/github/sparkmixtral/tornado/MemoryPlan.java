package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * How the devices' memory is shared out: weights and workspace as they must be, the rest to the key/value cache.
 *
 * @param blocks blocks of the key/value cache, the same on all devices
 * @param capacity of the workspace of each device
 * @param shares what lies on each device
 * @param together what lies on all of them
 */
record MemoryPlan(int blocks, Workspace.Capacity capacity, List<Share> shares, MemoryShares together) {

    /** Tokens that go through the layers together: enough to be bound by arithmetic, not by memory. */
    static final int MAX_CHUNK_TOKENS = 2048;

    /** Rows of logits that are computed together. */
    static final int MAX_WANTED = 256;

    /** Changed entries of block tables that a step has room for, at least: a long sequence that comes in anew. */
    private static final int MIN_CHANGES = 256;

    /** The part of a device's memory, in hundredths, that is shared out: the driver and other processes need some, too. */
    private static final int USABLE = 92;

    private static final int BLOCK = BackendOptions.BLOCK_SIZE;

    /** A device's name and its memory in bytes. */
    record Space(String device, long bytes) {

        private long usable() {
            return bytes / 100 * USABLE;
        }
    }

    /**
     * What lies on one device.
     *
     * @param bytes of everything together
     */
    record Share(LayerRange layers, long bytes) {}

    /** Bytes on all devices together. */
    long bytes() {
        return together.bytes();
    }

    /**
     * Shares out the memory of devices, all of which get layers.
     *
     * @param tensorCores whether the devices have those that {@link TensorCoreKernels} needs, which take a larger workspace
     * @throws ModelException where the model does not fit, saying how much is needed and how much there is, or where it is of a
     *     shape that the kernels do not take
     */
    static MemoryPlan of(Model model, BackendOptions options, List<Space> devices, boolean tensorCores) {
        return of(model.config(), model.weights(), options, devices, tensorCores);
    }

    /** The same for a model of which only shapes and types are known. */
    static MemoryPlan of(
            ModelConfig config, Weights weights, BackendOptions options, List<Space> devices, boolean tensorCores) {
        if (options.maxSequences() < 1 || options.maxBatchTokens() < 1) {
            throw new IllegalArgumentException("maxSequences and maxBatchTokens must be at least 1 in " + options);
        }
        limit("experts per layer", config.experts(), ExpertKernels.MAX_EXPERTS);
        limit("elements per head", config.headDimension(), AttentionKernels.MAX_HEAD_DIM);
        if (devices.size() > config.layers()) {
            throw new ModelException("the model has %d layers, too few for %d GPUs; give the engine fewer"
                    .formatted(config.layers(), devices.size()));
        }
        Sizes sizes = new Sizes(
                DeviceWeights.layerBytes(config, weights),
                DeviceMatrix.bytes(List.of(weights.embedding())),
                DeviceMatrix.bytes(List.of(weights.head())),
                config,
                options,
                tensorCores,
                devices.size() > 1);
        long[] usable = devices.stream().mapToLong(Space::usable).toArray();
        if (sizes.split(1, usable).isEmpty()) {
            throw new ModelException(doesNotFit(sizes, devices));
        }
        int blocks = blocks(sizes, devices, usable);
        LayerSplit split = sizes.split(blocks);
        List<Share> shares = split.over(usable).orElseThrow().stream()
                .map(range -> new Share(range, split.bytes(range)))
                .toList();
        long cache = blocks * sizes.blockBytes();
        long all = shares.stream().mapToLong(Share::bytes).sum();
        return new MemoryPlan(
                blocks,
                sizes.capacity(),
                shares,
                new MemoryShares(sizes.weights(), all - sizes.weights() - cache, sizes.blockBytes(), blocks));
    }

    /**
     * The fewest of some devices, the first ones, on which the model has a cache for at least one sequence of usual length; all of them
     * if that takes more than there are.
     */
    static int fewest(Model model, BackendOptions options, List<Space> devices, boolean tensorCores) {
        int most = Math.min(devices.size(), model.config().layers());
        for (int count = 1; count < most; count++) {
            try {
                MemoryPlan plan = of(model, options, devices.subList(0, count), tensorCores);
                if (plan.blocks() >= Sizes.oneSequence(model.config(), options)) {
                    return count;
                }
            } catch (ModelException _) {
                // Then on more of them; if it does not fit on all either, that is said of all.
            }
        }
        return most;
    }

    private static void limit(String what, int count, int most) {
        if (count > most) {
            throw new ModelException("the tornado backend takes at most %d %s, and the model has %d; use --backend cpu"
                    .formatted(most, what, count));
        }
    }

    /** For each format, how many devices of that memory a model of this shape needs, with a cache for a sequence of usual length. */
    static List<DeviceNeed> needs(ModelConfig config, BackendOptions options, long deviceBytes) {
        return Arrays.stream(StoredFormat.values())
                .flatMap(format -> {
                    Sizes sizes = format.sizes(config, options);
                    int blocks = (int) Sizes.oneSequence(config, options);
                    long usable = new Space("", deviceBytes).usable();
                    for (int count = 1; count <= config.layers(); count++) {
                        long[] devices = new long[count];
                        Arrays.fill(devices, usable);
                        if (sizes.split(blocks, devices).isPresent()) {
                            return Optional.of(new DeviceNeed(format.text(), count, deviceBytes)).stream();
                        }
                    }
                    return Optional.<DeviceNeed>empty().stream();
                })
                .toList();
    }

    private static String doesNotFit(Sizes sizes, List<Space> devices) {
        long most = devices.stream().mapToLong(Space::bytes).max().orElseThrow();
        String needs = needs(sizes.config(), sizes.options(), most).stream()
                .map(DeviceNeed::toString)
                .collect(Collectors.joining(", "));
        return "the model does not fit on %s: its weights take %s, the workspace of %d tokens %s%s and one block of the key/value cache %s, but of %s only %s can be used; quantize the model further, lower --max-num-batched-tokens or take %s%s"
                .formatted(
                        names(devices),
                        mebibytes(sizes.weights()),
                        sizes.capacity().layout().maxTokens(),
                        mebibytes(sizes.everywhere()),
                        devices.size() > 1 ? " on each" : "",
                        mebibytes(sizes.blockBytes()),
                        mebibytes(devices.stream().mapToLong(Space::bytes).sum()),
                        mebibytes(devices.stream().mapToLong(Space::usable).sum()),
                        "larger devices or more of them",
                        needs.isEmpty() ? "" : "; a model of this shape needs " + needs);
    }

    private static int blocks(Sizes sizes, List<Space> devices, long[] usable) {
        BackendOptions options = sizes.options();
        ModelConfig config = sizes.config();
        long most = KeyValueCache.mostBlocks(config);
        if (options.kvCacheBytes() == 0) {
            long wanted = options.usualCacheBlocks(options.longestSequence(config.maxPositions()));
            return (int) sizes.mostBlocks(Math.min(wanted, most), usable);
        }
        long wanted = options.kvCacheBytes() / sizes.blockBytes();
        long fitting = sizes.mostBlocks(Math.min(wanted, most), usable);
        if (fitting < Math.min(wanted, most)) {
            throw new ModelException(
                    "the key/value cache is to take %s, but beside the model only %s are free on %s; lower --kv-cache-memory"
                            .formatted(
                                    mebibytes(options.kvCacheBytes()),
                                    mebibytes(fitting * sizes.blockBytes()),
                                    names(devices)));
        }
        if (wanted < 1) {
            throw new ModelException(
                    "one block of %d tokens of the key/value cache needs %d bytes, more than the %d allowed; raise --kv-cache-memory"
                            .formatted(BLOCK, sizes.blockBytes(), options.kvCacheBytes()));
        }
        return (int) fitting;
    }

    private static String names(List<Space> devices) {
        List<String> names = devices.stream().map(Space::device).distinct().toList();
        return names.size() == 1 && devices.size() > 1
                ? devices.size() + " x " + names.getFirst()
                : devices.stream().map(Space::device).collect(Collectors.joining(" and "));
    }

    private static String mebibytes(long bytes) {
        return Math.ceilDiv(bytes, 1L << 20) + " MiB";
    }

    /** The formats in which a model may lie on devices. */
    private enum StoredFormat {
        BF16("bf16", new WeightFormat(16, 32, false), new WeightFormat(16, 32, false)),
        Q8_0("Q8_0", new WeightFormat(8, 32, false), new WeightFormat(8, 32, false)),
        Q4_0("Q4_0", new WeightFormat(4, 32, false), new WeightFormat(8, 32, false));

        private final String text;
        private final WeightFormat layers;
        private final WeightFormat ends;

        StoredFormat(String text, WeightFormat layers, WeightFormat ends) {
            this.text = text;
            this.layers = layers;
            this.ends = ends;
        }

        private String text() {
            return text;
        }

        private Sizes sizes(ModelConfig config, BackendOptions options) {
            int query = config.heads() * config.headDimension();
            int keys = config.kvHeads() * config.headDimension();
            long intermediates = (long) config.experts() * config.intermediateSize();
            long layer = (config.experts() + 2L) * Widths.of(config).hidden() * Float.BYTES
                    + layers.bytes(query + 2L * keys, config.hiddenSize())
                    + layers.bytes(config.hiddenSize(), query)
                    + layers.bytes(2 * intermediates, config.hiddenSize())
                    + layers.bytes((long) config.experts() * config.hiddenSize(), config.intermediateSize());
            long end = ends.bytes(config.vocabularySize(), config.hiddenSize());
            long[] all = new long[config.layers()];
            Arrays.fill(all, layer);
            return new Sizes(all, end, end, config, options, true, true);
        }
    }

    /** What a model takes on devices, whatever these are. */
    private record Sizes(
            long[] layers,
            long embedding,
            long head,
            ModelConfig config,
            BackendOptions options,
            Workspace.Capacity capacity,
            long everywhere) {

        Sizes(
                long[] layers,
                long embedding,
                long head,
                ModelConfig config,
                BackendOptions options,
                boolean tensorCores,
                boolean several) {
            this(layers, embedding, head, config, options, capacity(config, options, tensorCores, several));
        }

        private Sizes(
                long[] layers,
                long embedding,
                long head,
                ModelConfig config,
                BackendOptions options,
                Workspace.Capacity capacity) {
            this(
                    layers,
                    embedding,
                    head,
                    config,
                    options,
                    capacity,
                    capacity.bytes(config)
                            + (long) Widths.of(config).hidden() * Float.BYTES
                            + (long) options.longestSequence(config.maxPositions())
                                    * config.headDimension()
                                    * Float.BYTES);
        }

        private static Workspace.Capacity capacity(
                ModelConfig config, BackendOptions options, boolean tensorCores, boolean several) {
            int chunk = Math.min(options.maxBatchTokens(), MAX_CHUNK_TOKENS);
            int positions = options.longestSequence(config.maxPositions());
            int group = config.heads() / config.kvHeads();
            AttentionItems items = new AttentionItems(
                    AttentionKernels.queryTile(config.headDimension(), group),
                    config.slidingWindow(),
                    chunk,
                    Math.min(chunk, options.maxSequences()),
                    positions);
            return new Workspace.Capacity(
                    new StepLayout(chunk, items.maxItems(), Math.max(chunk, MIN_CHANGES)),
                    items,
                    Math.min(chunk, options.maxSequences()),
                    Math.ceilDiv(positions, BLOCK),
                    Math.min(chunk, MAX_WANTED),
                    tensorCores,
                    several);
        }

        static long oneSequence(ModelConfig config, BackendOptions options) {
            return options.usualCacheBlocks(options.longestSequence(config.maxPositions())) / options.maxSequences();
        }

        long weights() {
            return Arrays.stream(layers).sum() + embedding + head;
        }

        /** Bytes of a block of the cache in all layers. */
        long blockBytes() {
            return KeyValueCache.blockBytes(config);
        }

        LayerSplit split(int blocks) {
            long cache = blocks * (blockBytes() / config.layers());
            return new LayerSplit(
                    Arrays.stream(layers).map(bytes -> bytes + cache).toArray(), embedding, head, everywhere);
        }

        Optional<List<LayerRange>> split(int blocks, long[] usable) {
            return split(blocks).over(usable);
        }

        /** The most blocks that fit, and no more than {@code most}. */
        long mostBlocks(long most, long[] usable) {
            long fits = 0;
            long above = most + 1;
            while (fits + 1 < above) {
                long blocks = (fits + above) / 2;
                if (split((int) blocks, usable).isPresent()) {
                    fits = blocks;
                } else {
                    above = blocks;
                }
            }
            return fits;
        }
    }
}
