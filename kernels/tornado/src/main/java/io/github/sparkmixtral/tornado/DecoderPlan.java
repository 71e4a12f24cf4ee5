package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.MixedLogits;
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

/**
 * Runs {@link DecoderGraphs} as one execution plan: writes a step where the graphs read it, fits their grids to it, and fetches what is
 * wanted of its logits. One thread.
 */
final class DecoderPlan implements AutoCloseable {

    private final ModelConfig config;
    private final Widths widths;
    private final StepLayout layout;
    private final AttentionItems attention;
    private final Workspace work;
    private final Grids grids = new Grids();
    private final TornadoExecutionPlan plan;

    /** Which graph computes logits. */
    private final int head;

    /** Which graph finds the best of them. */
    private final int top;

    private final FloatArray outputNorm;
    private Counts counts = new Counts(0, 0, 0);

    /** Hears of work that takes a while. */
    interface Progress {
        void done(int parts, int of);
    }

    /** Of the last layer, whose hidden states may still be fetched. */
    private TornadoExecutionResult decoded;

    DecoderPlan(
            ModelConfig config,
            DeviceWeights weights,
            List<KeyValueCache> caches,
            Workspace.Capacity capacity,
            Workspace work,
            TornadoDevice device) {
        this.config = config;
        this.widths = Widths.of(config);
        this.layout = capacity.layout();
        this.attention = capacity.attention();
        this.work = work;
        this.outputNorm = weights.outputNorm();
        List<ImmutableTaskGraph> graphs = DecoderGraphs.of(config, weights, caches, capacity, work, grids);
        top = graphs.size() - 1;
        head = top - 1;
        plan = new TornadoExecutionPlan(graphs.toArray(ImmutableTaskGraph[]::new));
        plan.withDevice(device).withGridScheduler(grids.scheduler());
    }

    /**
     * Takes a chunk of a step, which has been checked, through all layers. The first time, each graph's kernels are compiled and its
     * weights uploaded when its turn comes.
     *
     * @param done told how many graphs are done, when one is, and of how many
     */
    void layers(Batch chunk, Progress done) {
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
        for (int i = 0; i < chunk.blockTables().length; i++) {
            work.tables().set(i, chunk.blockTables()[i]);
        }
        counts = new Counts(count, attention.write(chunk, step, layout), 0);
        grids.resize(counts);
        for (int graph = 0; graph < head; graph++) {
            decoded = plan.withGraph(graph).execute();
            done.done(graph + 1, head);
        }
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
        TornadoExecutionResult result = head(Arrays.copyOfRange(rows, from, to), 0);
        copy(result, to - from, out, first);
    }

    /** Copies the first {@code count} rows of the device's logits to rows {@code first} on of {@code out}. */
    private void copy(TornadoExecutionResult result, int count, float[] out, int first) {
        int vocabulary = config.vocabularySize();
        result.transferToHost(new DataRange(work.logits()).withSize((long) count * widths.vocabulary()));
        for (int row = 0; row < count; row++) {
            MemorySegment.copy(
                    work.logits().getSegment(),
                    ValueLayout.JAVA_FLOAT,
                    (long) row * widths.vocabulary() * Float.BYTES,
                    out,
                    (first + row) * vocabulary,
                    vocabulary);
        }
    }

    /**
     * Computes the best logits of the chunk's tokens {@code rows[from, to)} and copies them to rows {@code first} on of
     * {@code out}, and all logits of those of them that it wants whole.
     */
    void top(int[] rows, int from, int to, MixedLogits out, int first) {
        int firstWhole = firstAtLeast(out.whole(), first);
        int whole = firstAtLeast(out.whole(), first + to - from) - firstWhole;
        int[] order = wholeFirst(out.whole(), firstWhole, whole, first, to - from);
        TornadoExecutionResult result = head(
                Arrays.stream(order).map(row -> rows[from + row]).toArray(),
                out.best().count());
        if (whole > 0) {
            copy(result, whole, out.all().values(), firstWhole);
        }
        plan.withGraph(top).execute();
        for (int i = 0; i < order.length; i++) {
            copyBest(i, out.best(), first + order[i]);
        }
    }

    private void copyBest(int from, TopLogits out, int to) {
        out.logSumExp()[to] = work.logSumExp().get(from);
        for (int i = 0; i < out.count(); i++) {
            out.tokens()[to * out.count() + i] = work.topTokens().get(from * HeadKernels.MAX_TOP + i);
            out.values()[to * out.count() + i] = work.topValues().get(from * HeadKernels.MAX_TOP + i);
        }
    }

    /** Where the first element lies in ascending ones that is not below a value. */
    private static int firstAtLeast(int[] ascending, int value) {
        int found = Arrays.binarySearch(ascending, value);
        return found < 0 ? -found - 1 : found;
    }

    /** The numbers below {@code count}, those that {@code whole} has, less {@code first}, before all others: they are copied as one range. */
    private static int[] wholeFirst(int[] whole, int firstWhole, int wholeCount, int first, int count) {
        int[] order = new int[count];
        int next = 0;
        int last = wholeCount;
        for (int row = 0; row < count; row++) {
            boolean isWhole = next < wholeCount && whole[firstWhole + next] == first + row;
            order[isWhole ? next++ : last++] = row;
        }
        return order;
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
        grids.resize(new Counts(counts.tokens(), counts.items(), tokens.length));
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
