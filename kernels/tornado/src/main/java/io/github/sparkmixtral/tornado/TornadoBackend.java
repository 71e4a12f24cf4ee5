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
import io.github.sparkmixtral.tornado.DecoderPlan.Watch;
import io.github.sparkmixtral.tornado.MemoryPlan.Share;
import io.github.sparkmixtral.tornado.Stage.Opened;
import io.github.sparkmixtral.tornado.Stage.UnfitWeightsException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/**
 * Mixtral on one device of TornadoVM, or on several that take its layers in turn. Weights, cache and activations live there; a step sends
 * a few integers per token and takes back what is wanted of the logits. A step is worked off in chunks, which bounds the memory for
 * activations; a device is at its layers of one chunk while the next device is at its own of the chunk before.
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
    private final List<Stage> stages = new ArrayList<>();
    private final WholeRows whole;
    private float[] logits = {};
    private float[] hidden = {};

    /**
     * Plans the devices' memory, packs and uploads the weights and compiles the kernels; nothing is held where that fails.
     *
     * @param devices all of which get layers
     * @throws ModelException where the model does not fit on them
     */
    TornadoBackend(Model model, BackendOptions options, List<TornadoDevice> devices) {
        this(model, options, devices, devices.stream().allMatch(Devices::hasTensorCores));
    }

    /** @param tensorCores whether matrix products run on them, if the weights are fit for it */
    TornadoBackend(Model model, BackendOptions options, List<TornadoDevice> devices, boolean tensorCores) {
        this(
                model,
                options,
                devices,
                tensorCores,
                MemoryPlan.of(
                        model, options, devices.stream().map(Devices::space).toList(), tensorCores));
    }

    /** @param memory whose workspace may be smaller than the options want it */
    TornadoBackend(
            Model model, BackendOptions options, List<TornadoDevice> devices, boolean tensorCores, MemoryPlan memory) {
        this.config = model.config();
        this.options = options;
        this.memory = memory;
        this.whole = new WholeRows(config.vocabularySize());
        for (int i = 0; i < devices.size(); i++) {
            Share share = memory.shares().get(i);
            LOG.info(
                    "TornadoVM backend on {}: layers {} to {} of {}, {} MiB",
                    Devices.space(devices.get(i)).device(),
                    share.layers().from() + 1,
                    share.layers().to(),
                    config.layers(),
                    share.bytes() >> 20);
        }
        LOG.info("the cache has {} blocks of {} tokens", memory.blocks(), BackendOptions.BLOCK_SIZE);
        long start = System.nanoTime();
        try {
            open(model, devices, tensorCores);
        } catch (Error | ModelException e) {
            close();
            throw e;
        } catch (RuntimeException e) {
            close();
            throw new ModelException("TornadoVM cannot run the model on this device: " + e, e);
        }
        LOG.info("TornadoVM backend is ready after {} s", (System.nanoTime() - start) / 1_000_000_000);
    }

    private void open(Model model, List<TornadoDevice> devices, boolean tensorCores) {
        try {
            float[] residual = null;
            for (int i = 0; i < devices.size(); i++) {
                LayerRange range = memory.shares().get(i).layers();
                Opened opened = Stage.open(model, range, memory, maxPositions(), tensorCores, devices.get(i), residual);
                stages.add(opened.stage());
                residual = opened.residual();
            }
        } catch (UnfitWeightsException _) {
            LOG.info("the weights do not lie within the range of fp16: products are computed without tensor cores");
            close();
            open(model, devices, false);
        }
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
        return options.longestSequence(config.maxPositions());
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
        run(batch, (plan, chunk, from, to, first) -> plan.logits(chunk.logitRows(), from, to, all, first));
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
        run(batch, (plan, chunk, from, to, first) -> {
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
        void compute(DecoderPlan plan, Batch chunk, int from, int to, int first);
    }

    private void run(Batch batch, Head head) {
        int most = memory.capacity().layout().maxTokens();
        int first = 0;
        int states = 0;
        hidden = new float[Math.multiplyExact(batch.hiddenRows().length, config.hiddenSize())];
        List<CompletableFuture<?>> chunks = new ArrayList<>();
        for (int start = 0; start < batch.tokens().length; start += most) {
            Batch chunk = Chunks.cut(batch, start, Math.min(start + most, batch.tokens().length));
            CompletableFuture<float[]> residual = CompletableFuture.completedFuture(null);
            for (Stage stage : stages) {
                residual = stage.after(residual, (plan, received) -> plan.layers(chunk, received, Watch.NOBODY));
            }
            int firstState = states;
            int firstRow = first;
            chunks.add(stages.getLast().after(residual, (plan, _) -> {
                plan.hidden(chunk.hiddenRows(), hidden, firstState);
                heads(plan, chunk, firstRow, head);
                return null;
            }));
            states += chunk.hiddenRows().length;
            first += chunk.logitRows().length;
        }
        await(chunks);
    }

    private void heads(DecoderPlan plan, Batch chunk, int first, Head head) {
        int wanted = chunk.logitRows().length;
        for (int from = 0; from < wanted; from += memory.capacity().wanted()) {
            int to = Math.min(from + memory.capacity().wanted(), wanted);
            head.compute(plan, chunk, from, to, first + from);
        }
    }

    /** Waits for all, so that nothing runs any more, and fails with the first failure. */
    private static void await(List<CompletableFuture<?>> chunks) {
        CompletionException failure = null;
        for (CompletableFuture<?> chunk : chunks) {
            try {
                chunk.join();
            } catch (CompletionException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw Stage.unwrapped(failure);
        }
    }

    @Override
    public void close() {
        stages.reversed().forEach(Stage::close);
        stages.clear();
    }
}
