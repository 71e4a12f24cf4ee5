package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.AllLogits;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.BatchCheck;
import io.github.sparkmixtral.engine.Logits;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.engine.MixedLogits;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.engine.WantedLogits;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Mixtral on the CPU. A step is worked off in chunks of at most {@value #CHUNK_TOKENS} tokens, which bounds the memory for
 * activations; weights are read once per chunk. A row's logits are the same, bit for bit, whatever else the batch holds, however
 * a prompt is cut into steps, and whatever the number of threads.
 */
final class CpuBackend implements Backend {

    /** Tokens that go through the layers together: enough for a matrix product to be bound by arithmetic, not by memory. */
    static final int CHUNK_TOKENS = 512;

    private static final Logger LOG = LoggerFactory.getLogger(CpuBackend.class);

    private final String name;
    private final Kernels kernels;
    private final ModelConfig config;
    private final BackendOptions options;
    private final KeyValueCache cache;
    private final WorkerPool pool;
    private final MixtralLayers layers;
    private final Arena memory = Arena.ofShared();
    private float[] logits = {};
    private float[] hidden = {};

    /**
     * Opens the backend; nothing is held where that fails.
     *
     * @throws ModelException where the weights or the key/value cache do not fit, or a tensor holds what cannot be
     */
    CpuBackend(String name, Model model, BackendOptions options, Kernels kernels) {
        if (options.maxSequences() < 1 || options.maxBatchTokens() < 1) {
            throw new IllegalArgumentException("maxSequences and maxBatchTokens must be at least 1 in " + options);
        }
        this.name = name;
        this.kernels = kernels;
        this.config = model.config();
        this.options = options;
        int threads =
                options.threads() > 0 ? options.threads() : Runtime.getRuntime().availableProcessors();
        CpuMemory planner = new CpuMemory(options, kernels.packing());
        int chunk = planner.chunk();
        MemoryShares shares =
                planner.share(config, model.weights(), planner.here().orElseThrow());
        this.cache = new KeyValueCache(config, Math.toIntExact(shares.blocks()));
        this.pool = new WorkerPool("spark-mixtral-cpu", threads);
        String what =
                "the weights do not fit into memory off the heap; give the process less heap (-Xmx) or the machine more memory";
        try {
            PackedWeights weights = PackedWeights.pack(
                    model.weights(), kernels.packing(), HugePages.allocate(shares.weights(), memory), pool);
            what = "the activations of " + chunk + " tokens do not fit into the heap of "
                    + (Runtime.getRuntime().maxMemory() >> 20)
                    + " MiB; give the process more memory (-Xmx) or lower --max-num-batched-tokens";
            this.layers = new MixtralLayers(config, model.weights(), weights, kernels, cache, pool, chunk);
        } catch (OutOfMemoryError e) {
            close();
            throw new ModelException(what, e);
        } catch (Throwable t) {
            close();
            throw t;
        }
        LOG.info(
                "CPU backend: {} kernels, {} threads, {} cache blocks of {} tokens",
                kernels.name(),
                threads,
                cache.blocks(),
                KeyValueCache.BLOCK);
    }

    /** Tells of the routing of each layer, for at most {@value #CHUNK_TOKENS} tokens at a time. */
    void observe(MixtralLayers.RoutingObserver observer) {
        layers.observe(observer);
    }

    @Override
    public String name() {
        return name;
    }

    /** What its kernels are called. */
    String kernels() {
        return kernels.name();
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
        return KeyValueCache.BLOCK;
    }

    @Override
    public int cacheBlocks() {
        return cache.blocks();
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
        int wanted = batch.logitRows().length;
        long size = (long) wanted * config.vocabularySize();
        if (size > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("the logits of " + wanted + " rows do not fit into one array");
        }
        if (logits.length < size) {
            logits = new float[(int) size];
        }
        for (int block : batch.blockTables()) {
            cache.reserve(block);
        }
        long states = (long) batch.hiddenRows().length * config.hiddenSize();
        if (hidden.length < states) {
            hidden = new float[Math.toIntExact(states)];
        }
        Span[] spans = spans(batch);
        Matrix out = new Matrix(logits, config.vocabularySize(), config.vocabularySize());
        int logitsDone = 0;
        int statesDone = 0;
        for (int from = 0; from < batch.tokens().length; from += layers.maxTokens()) {
            int to = Math.min(from + layers.maxTokens(), batch.tokens().length);
            int[] logitRows = Batch.within(batch.logitRows(), from, to);
            int[] hiddenRows = Batch.within(batch.hiddenRows(), from, to);
            layers.forward(batch, spans, from, to, union(logitRows, hiddenRows));
            layers.hidden(hiddenRows, hidden, statesDone);
            layers.logits(logitRows, out, logitsDone);
            logitsDone += logitRows.length;
            statesDone += hiddenRows.length;
        }
        return logits;
    }

    /** {@inheritDoc} All logits of every row lie here; the workers find the best. */
    @Override
    public Logits top(Batch batch, WantedLogits wanted) {
        int vocabulary = config.vocabularySize();
        AllLogits all = new AllLogits(vocabulary, forward(batch));
        int[] rows = IntStream.range(0, batch.logitRows().length).toArray();
        TopLogits best = TopLogits.of(rows.length, wanted.count(), Kernels.TOTAL_ERROR);
        pool.run(rows.length, (_, row) -> {
            best.select(all, row);
            double temperature = wanted.temperatures()[row];
            if (temperature > 0) {
                int from = row * vocabulary;
                float highest = best.values()[row * best.count()];
                best.totals()[row] = (float) kernels.total(logits, from, from + vocabulary, highest, temperature);
            }
        });
        return new MixedLogits(best, rows, all);
    }

    private static int[] union(int[] some, int[] others) {
        return IntStream.concat(Arrays.stream(some), Arrays.stream(others))
                .sorted()
                .distinct()
                .toArray();
    }

    @Override
    public long[][] expertTokens() {
        return layers.expertTokens();
    }

    @Override
    public int hiddenSize() {
        return config.hiddenSize();
    }

    @Override
    public float[] hidden() {
        return hidden;
    }

    /** What each token of the batch attends to. */
    private Span[] spans(Batch batch) {
        Span[] spans = new Span[batch.tokens().length];
        int window = config.slidingWindow();
        for (int sequence = 0; sequence < batch.sequences(); sequence++) {
            int table = batch.blockTableStarts()[sequence];
            for (int i = batch.sequenceStarts()[sequence]; i < batch.sequenceStarts()[sequence + 1]; i++) {
                int to = batch.positions()[i] + 1;
                spans[i] = new Span(batch.blockTables(), table, window > 0 ? Math.max(0, to - window) : 0, to);
            }
        }
        return spans;
    }

    @Override
    public void close() {
        pool.close();
        cache.close();
        if (memory.scope().isAlive()) {
            memory.close();
        }
    }
}
