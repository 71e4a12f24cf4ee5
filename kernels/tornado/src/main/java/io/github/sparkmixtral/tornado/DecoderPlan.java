package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.tornado.Grids.Counts;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.IntConsumer;
import uk.ac.manchester.tornado.api.DataRange;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
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
    private Counts counts = new Counts(0, 0, 0);

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
        plan = new TornadoExecutionPlan(DecoderGraphs.of(config, weights, caches, capacity, work, grids));
        plan.withDevice(device).withGridScheduler(grids.scheduler());
    }

    /**
     * Takes a chunk of a step, which has been checked, through all layers. The first time, each layer's kernels are compiled and its
     * weights uploaded when its turn comes.
     *
     * @param done told the number of each layer, from 1 on, when it is done; 0 for the embedding
     */
    void layers(Batch chunk, IntConsumer done) {
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
        for (int graph = 0; graph <= config.layers(); graph++) {
            plan.withGraph(graph).execute();
            done.accept(graph);
        }
    }

    /** Computes logits of the chunk's tokens {@code rows[from, to)} and copies them to rows {@code first} on of {@code out}. */
    void logits(int[] rows, int from, int to, float[] out, int first) {
        TornadoExecutionResult result = head(rows, from, to, 0);
        int vocabulary = config.vocabularySize();
        result.transferToHost(new DataRange(work.logits()).withSize((long) (to - from) * widths.vocabulary()));
        for (int row = 0; row < to - from; row++) {
            MemorySegment.copy(
                    work.logits().getSegment(),
                    ValueLayout.JAVA_FLOAT,
                    (long) row * widths.vocabulary() * Float.BYTES,
                    out,
                    (first + row) * vocabulary,
                    vocabulary);
        }
    }

    /** Computes the best logits of the chunk's tokens {@code rows[from, to)} and copies them to rows {@code first} on of {@code out}. */
    void top(int[] rows, int from, int to, TopLogits out, int first) {
        head(rows, from, to, out.count());
        plan.withGraph(DecoderGraphs.top(config)).execute();
        for (int row = 0; row < to - from; row++) {
            out.logSumExp()[first + row] = work.logSumExp().get(row);
            for (int i = 0; i < out.count(); i++) {
                out.tokens()[(first + row) * out.count() + i] = work.topTokens().get(row * HeadKernels.MAX_TOP + i);
                out.values()[(first + row) * out.count() + i] = work.topValues().get(row * HeadKernels.MAX_TOP + i);
            }
        }
    }

    private TornadoExecutionResult head(int[] rows, int from, int to, int topCount) {
        IntArray wanted = work.wanted();
        wanted.set(StepLayout.WANTED, to - from);
        wanted.set(StepLayout.WANTED_STARTS, 0);
        wanted.set(StepLayout.WANTED_STARTS + 1, to - from);
        wanted.set(StepLayout.TOP_COUNT, topCount);
        for (int row = from; row < to; row++) {
            wanted.set(StepLayout.HEADER + row - from, rows[row]);
        }
        grids.resize(new Counts(counts.tokens(), counts.items(), to - from));
        return plan.withGraph(DecoderGraphs.head(config)).execute();
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
