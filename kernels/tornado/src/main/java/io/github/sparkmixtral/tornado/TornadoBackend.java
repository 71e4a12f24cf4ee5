package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.BatchCheck;
import io.github.sparkmixtral.engine.Logits;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.engine.WantedLogits;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/**
 * Mixtral on one device of TornadoVM. Weights, cache and activations live there; a step sends a few integers per token and takes back
 * what is wanted of the logits. A step is worked off in chunks, which bounds the memory for activations.
 *
 * <p>Weights mean what their format says; activations and sums are float; keys and values are kept in 16 bits; tensor cores, where
 * there are any, multiply what they round to fp16, see {@link TensorCoreKernels}. So logits differ
 * from the CPU backend's by rounding, and, since sums are cut up by how many rows there are, a little with what else is in the
 * batch: close, not bit for bit.
 */
final class TornadoBackend implements Backend {

    private static final Logger LOG = LoggerFactory.getLogger(TornadoBackend.class);

    private final ModelConfig config;
    private final BackendOptions options;
    private final MemoryPlan memory;
    private final DeviceArrays arrays = new DeviceArrays();
    private final DecoderPlan plan;
    private final WholeRows whole;
    private float[] logits = {};
    private float[] hidden = {};
    private boolean closed;

    /**
     * Plans the device's memory, packs and uploads the weights and compiles the kernels; nothing is held where that fails.
     *
     * @throws ModelException where the model does not fit on the device
     */
    TornadoBackend(Model model, BackendOptions options, TornadoDevice device) {
        this(model, options, device, Devices.hasTensorCores(device));
    }

    /** @param tensorCores whether matrix products run on them, if the weights are fit for it */
    TornadoBackend(Model model, BackendOptions options, TornadoDevice device, boolean tensorCores) {
        if (options.maxSequences() < 1 || options.maxBatchTokens() < 1) {
            throw new IllegalArgumentException("maxSequences and maxBatchTokens must be at least 1 in " + options);
        }
        this.config = model.config();
        this.options = options;
        this.whole = new WholeRows(config.vocabularySize());
        String name = device.getPhysicalDevice().getDeviceName();
        long deviceBytes = device.getPhysicalDevice().getDeviceGlobalMemorySize();
        this.memory = MemoryPlan.of(model, options, name, deviceBytes, tensorCores);
        LOG.info(
                "TornadoVM backend on {}: {} MiB, {} cache blocks of {} tokens",
                name,
                memory.bytes() >> 20,
                memory.blocks(),
                BackendOptions.BLOCK_SIZE);
        try {
            DeviceWeights weights = DeviceWeights.of(
                    config, model.weights(), config.maxPositions(), arrays, line -> LOG.info("{}", line));
            List<KeyValueCache> caches = Stream.generate(() -> KeyValueCache.of(config, memory.blocks(), arrays))
                    .limit(config.layers())
                    .toList();
            Workspace work = Workspace.of(config, memory.capacity(), arrays);
            plan = new DecoderPlan(config, weights, caches, memory.capacity(), work, device);
        } catch (RuntimeException | Error e) {
            arrays.close();
            throw e;
        }
        warmUp();
    }

    /** Runs one token, so that weights are uploaded and kernels compiled before the first row waits for it, or fails with it. */
    private void warmUp() {
        int[] zero = {0};
        int[] one = {0, 1};
        Batch token = new Batch(zero, zero, zero, one, zero, one, zero);
        long start = System.nanoTime();
        try {
            plan.layers(token, layer -> LOG.info("compiled and uploaded {} of {} layers", layer, config.layers()));
            plan.top(zero, 0, 1, new double[1], best(1, 1), 0);
        } catch (Error e) {
            close();
            throw e;
        } catch (RuntimeException e) {
            close();
            throw new ModelException("TornadoVM cannot run the model on this device: " + e, e);
        }
        LOG.info("TornadoVM backend is ready after {} s", (System.nanoTime() - start) / 1_000_000_000);
    }

    @Override
    public String name() {
        return "tornado";
    }

    @Override
    public int vocabularySize() {
        return config.vocabularySize();
    }

    @Override
    public int maxPositions() {
        return config.maxPositions();
    }

    @Override
    public int blockSize() {
        return BackendOptions.BLOCK_SIZE;
    }

    @Override
    public int cacheBlocks() {
        return memory.blocks();
    }

    @Override
    public int maxBatchTokens() {
        return options.maxBatchTokens();
    }

    @Override
    public int maxSequences() {
        return options.maxSequences();
    }

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException where the batch is larger than the limits above or names a token, position, block or row
     *     that does not exist; the cache is then as it was
     */
    @Override
    public float[] forward(Batch batch) {
        BatchCheck.check(batch, this);
        float[] all = logits(batch.logitRows().length);
        run(batch, (chunk, from, to, first) -> plan.logits(chunk.logitRows(), from, to, all, first));
        return all;
    }

    /** An array for all logits of that many rows, until the next call. */
    private float[] logits(int rows) {
        long size = (long) rows * config.vocabularySize();
        if (size > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("the logits of " + rows + " rows do not fit into one array");
        }
        if (logits.length < size) {
            logits = new float[(int) size];
        }
        return logits;
    }

    @Override
    public int hiddenSize() {
        return config.hiddenSize();
    }

    @Override
    public float[] hidden() {
        return hidden;
    }

    @Override
    public Logits top(Batch batch, WantedLogits wanted) {
        BatchCheck.check(batch, this);
        TopLogits best = best(batch.logitRows().length, wanted.count());
        whole.clear();
        run(batch, (chunk, from, to, first) -> {
            plan.top(chunk.logitRows(), from, to, wanted.temperatures(), best, first);
            int[] rows = IntStream.range(first, first + to - from)
                    .filter(row -> wanted.whole().needed(best, row))
                    .toArray();
            whole.add(rows, first, plan);
        });
        return whole.beside(best);
    }

    private TopLogits best(int rows, int count) {
        return TopLogits.of(rows, count, HeadKernels.totalError(config.vocabularySize()));
    }

    /** What is to be done with the wanted rows {@code [from, to)} of a chunk, which are the rows {@code first} on of the batch. */
    private interface Head {
        void compute(Batch chunk, int from, int to, int first);
    }

    private void run(Batch batch, Head head) {
        int most = memory.capacity().layout().maxTokens();
        int first = 0;
        int states = 0;
        hidden = new float[Math.multiplyExact(batch.hiddenRows().length, config.hiddenSize())];
        for (int start = 0; start < batch.tokens().length; start += most) {
            Batch chunk = Chunks.cut(batch, start, Math.min(start + most, batch.tokens().length));
            plan.layers(chunk, _ -> {});
            plan.hidden(chunk.hiddenRows(), hidden, states);
            states += chunk.hiddenRows().length;
            int wanted = chunk.logitRows().length;
            for (int from = 0; from < wanted; from += memory.capacity().wanted()) {
                int to = Math.min(from + memory.capacity().wanted(), wanted);
                head.compute(chunk, from, to, first + from);
            }
            first += wanted;
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            plan.close();
            arrays.close();
        }
    }
}
