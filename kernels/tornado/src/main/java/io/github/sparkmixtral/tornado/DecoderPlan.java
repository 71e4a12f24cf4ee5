package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.tornado.Grids.Counts;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import uk.ac.manchester.tornado.api.DataRange;
import uk.ac.manchester.tornado.api.ImmutableTaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * Runs the {@link DecoderGraphs} of one device as one execution plan: writes a step where the graphs read it, fits their grids to it, and
 * fetches what is wanted of its logits. All is for the one thread that has made it: TornadoVM keeps its queues by thread.
 */
final class DecoderPlan implements AutoCloseable {

    private static final int START = 0;

    private final ModelConfig config;
    private final LayerRange range;
    private final Widths widths;
    private final StepLayout layout;
    private final AttentionItems attention;
    private final int few;
    private final BlockTables tables;
    private final Workspace work;
    private final Grids grids = new Grids();
    private final TornadoExecutionPlan plan;

    /** How many layers each graph of layers has. */
    private final List<Integer> layersOf;

    /** Which graph is the first that has layers. */
    private final int firstLayers;

    /** Which graph computes logits; the next one finds the best of them. */
    private final int head;

    private final FloatArray outputNorm;
    private Counts counts = Counts.NONE;

    /** Of the last layer, whose hidden states may still be fetched. */
    private TornadoExecutionResult decoded;

    /** Of the last graph that has logits. */
    private TornadoExecutionResult computed;

    /** Hears of each graph of layers. */
    interface Watch {

        Watch NOBODY = new Watch() {};

        /** The layers {@code [from, to)} of this device are about to run. */
        default void before(int from, int to) {}

        /** The layers {@code [from, to)} of this device have run. */
        default void after(int from, int to) {}
    }

    DecoderPlan(
            ModelConfig config,
            DeviceWeights weights,
            List<KeyValueCache> caches,
            Workspace.Capacity capacity,
            boolean tensorCores,
            Workspace work,
            TornadoDevice device) {
        this.config = config;
        this.range = weights.range();
        this.widths = Widths.of(config);
        this.layout = capacity.layout();
        this.attention = capacity.attention();
        this.few = capacity.few();
        this.tables = new BlockTables(capacity.tableRows(), capacity.tableLength());
        this.work = work;
        this.outputNorm = weights.outputNorm();
        DecoderGraphs.Graphs graphs = DecoderGraphs.of(config, weights, caches, capacity, tensorCores, work, grids);
        layersOf = graphs.layersOf();
        firstLayers = 1 + graphs.receive().size();
        head = firstLayers + layersOf.size();
        plan = new TornadoExecutionPlan(graphs.all().toArray(ImmutableTaskGraph[]::new));
        plan.withDevice(device).withGridScheduler(grids.scheduler()).withStagedTransfers();
    }

    /**
     * Takes a chunk of a step, which has been checked, through this device's layers. The first time, each graph's kernels are compiled
     * and its weights uploaded when its turn comes.
     *
     * @param received {@code [tokens, hidden]} the residual stream, its rows {@link Widths#hidden} apart; null on the device of the first
     *     layers
     * @return the residual stream in the same form; null on the device of the last layers
     */
    float[] layers(Batch chunk, float[] received, Watch watch) {
        int[] tableStarts = tables.place(chunk);
        while (tables.left() > layout.maxChanges()) {
            changeTables();
        }
        IntArray step = work.step();
        int count = chunk.tokens().length;
        step.set(StepLayout.TOKENS, count);
        step.set(StepLayout.TOKEN_STARTS, 0);
        step.set(StepLayout.TOKEN_STARTS + 1, count);
        for (int i = 0; i < count; i++) {
            step.set(layout.tokensAt() + i, chunk.tokens()[i]);
            step.set(layout.positionsAt() + i, chunk.positions()[i]);
            step.set(layout.slotsAt() + i, chunk.kvSlots()[i]);
        }
        int items = attention.write(chunk, tableStarts, step, layout);
        counts = new Counts(tables.write(step, layout), count, items, 0);
        grids.resize(counts);
        plan.withGraph(START).execute();
        if (received != null) {
            receive(received, count);
        }
        int from = 0;
        for (int graph = 0; graph < layersOf.size(); graph++) {
            int to = from + layersOf.get(graph);
            watch.before(from, to);
            decoded = plan.withGraph(firstLayers + graph).execute();
            watch.after(from, to);
            from = to;
        }
        return range.isLast() ? null : residual(count);
    }

    private void receive(float[] received, int tokens) {
        boolean isFew = tokens <= few;
        FloatArray array = isFew ? work.receivedFew() : work.received();
        MemorySegment.copy(received, 0, array.getSegment(), ValueLayout.JAVA_FLOAT, 0, received.length);
        plan.withGraph(isFew ? START + 1 : START + 2).execute();
    }

    private float[] residual(int tokens) {
        int size = Math.multiplyExact(tokens, widths.hidden());
        decoded.transferToHost(new DataRange(work.hidden()).withSize(size));
        float[] rows = new float[size];
        MemorySegment.copy(work.hidden().getSegment(), ValueLayout.JAVA_FLOAT, 0, rows, 0, size);
        return rows;
    }

    /** Brings a part of the changed entries of the block tables to the device, as a step without tokens. */
    private void changeTables() {
        work.step().set(StepLayout.TOKENS, 0);
        grids.resize(new Counts(tables.write(work.step(), layout), 1, 1, 0));
        plan.withGraph(START).execute();
    }

    /**
     * Copies the hidden states of the chunk's tokens {@code rows}, which ascend, to rows {@code first} on of {@code out}. The final
     * norm is this process's work: on the device it is part of the head, which need not run for them.
     */
    void hidden(int[] rows, float[] out, int first) {
        if (rows.length == 0) {
            return;
        }
        long copied = (rows[rows.length - 1] + 1L) * widths.hidden();
        decoded.transferToHost(new DataRange(work.hidden()).withSize(copied));
        int size = config.hiddenSize();
        for (int i = 0; i < rows.length; i++) {
            int from = rows[i] * widths.hidden();
            float squares = 0;
            for (int column = 0; column < size; column++) {
                squares += work.hidden().get(from + column) * work.hidden().get(from + column);
            }
            float scale = (float) (1 / Math.sqrt(squares / size + config.rmsNormEpsilon()));
            for (int column = 0; column < size; column++) {
                out[(first + i) * size + column] = work.hidden().get(from + column) * scale * outputNorm.get(column);
            }
        }
    }

    /** Computes logits of the chunk's tokens {@code rows[from, to)} and copies them to rows {@code first} on of {@code out}. */
    void logits(int[] rows, int from, int to, float[] out, int first) {
        computed = head(Arrays.copyOfRange(rows, from, to), 0);
        copy(0, to - from, out, first);
    }

    /**
     * Copies rows {@code [from, to)} of those whose logits were computed last, with every logit, to rows {@code first} on of
     * {@code out}.
     */
    void copy(int from, int to, float[] out, int first) {
        int vocabulary = config.vocabularySize();
        int width = widths.vocabulary();
        toHost(work.logits(), (long) from * width, (long) (to - from) * width);
        for (int row = 0; row < to - from; row++) {
            MemorySegment.copy(
                    work.logits().getSegment(),
                    ValueLayout.JAVA_FLOAT,
                    (long) (from + row) * width * Float.BYTES,
                    out,
                    (first + row) * vocabulary,
                    vocabulary);
        }
    }

    private void toHost(TornadoNativeArray array, long from, long size) {
        computed.transferToHost(new DataRange(array).withOffset(from).withSize(size));
    }

    /**
     * Computes the best logits of the chunk's tokens {@code rows[from, to)} and copies them to rows {@code first} on of {@code out}.
     *
     * @param temperatures of the rows of {@code out}
     */
    void top(int[] rows, int from, int to, double[] temperatures, TopLogits out, int first) {
        int count = to - from;
        head(Arrays.copyOfRange(rows, from, to), out.count());
        for (int row = 0; row < count; row++) {
            double temperature = temperatures[first + row];
            work.inverses().set(row, temperature > 0 ? (float) (1 / temperature) : 0);
        }
        computed = plan.withGraph(head + 1).execute();
        toHost(work.topTokens(), 0, (long) count * HeadKernels.MAX_TOP);
        toHost(work.topValues(), 0, (long) count * HeadKernels.MAX_TOP);
        toHost(work.logSumExp(), 0, count);
        toHost(work.totals(), 0, count);
        for (int row = 0; row < count; row++) {
            copyBest(row, out, first + row);
        }
    }

    private void copyBest(int from, TopLogits out, int to) {
        out.logSumExp()[to] = work.logSumExp().get(from);
        out.totals()[to] = work.totals().get(from);
        for (int i = 0; i < out.count(); i++) {
            out.tokens()[to * out.count() + i] = work.topTokens().get(from * HeadKernels.MAX_TOP + i);
            out.values()[to * out.count() + i] = work.topValues().get(from * HeadKernels.MAX_TOP + i);
        }
    }

    /** Computes the logits of the chunk's tokens, in their order. */
    private TornadoExecutionResult head(int[] tokens, int topCount) {
        IntArray wanted = work.wanted();
        wanted.set(StepLayout.WANTED, tokens.length);
        wanted.set(StepLayout.WANTED_STARTS, 0);
        wanted.set(StepLayout.WANTED_STARTS + 1, tokens.length);
        wanted.set(StepLayout.TOP_COUNT, topCount);
        for (int row = 0; row < tokens.length; row++) {
            wanted.set(StepLayout.HEADER + row, tokens[row]);
        }
        grids.resize(new Counts(counts.changes(), counts.tokens(), counts.items(), tokens.length));
        return plan.withGraph(head).execute();
    }

    @Override
    public void close() {
        plan.freeDeviceMemory();
        try {
            plan.close();
        } catch (TornadoExecutionPlanException e) {
            throw new IllegalStateException("the device's memory cannot be freed", e);
        }
    }
}
