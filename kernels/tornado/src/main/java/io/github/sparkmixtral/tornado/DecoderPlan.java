package io.github.sparkmixtral.tornado;

import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.FIRST_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.UNDER_DEMAND;

import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.tornado.Grids.Counts;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.ToIntFunction;
import uk.ac.manchester.tornado.api.DataRange;
import uk.ac.manchester.tornado.api.ImmutableTaskGraph;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Mixtral's decoder (Jiang et al. 2024) as one execution plan: a task graph that takes a step to the device and looks up its
 * embeddings, one per layer, one for the head and one for the best logits. Graphs share what lies on the device; weights are
 * uploaded with the first run of their graph and stay. Within a layer nothing comes back to the host: the router's choices are
 * made, sorted and used on the device. What changes from step to step is the {@code step} array and the size of the grids, so
 * that nothing is ever compiled again. One thread.
 */
final class DecoderPlan implements AutoCloseable {

    /** Instead of where rows are listed: entry e is row e. */
    private static final int SAME_ROWS = -1;

    /** Rows of a matrix product's input, by one array of indices: how they are grouped, which they are, how many at most, and of how many. */
    private record Rows(
            IntArray indices,
            int startsAt,
            int gatherAt,
            int groups,
            ToIntFunction<Counts> most,
            ToIntFunction<Counts> all) {}

    private final ModelConfig config;
    private final Widths widths;
    private final StepLayout layout;
    private final AttentionItems attention;
    private final Routing routing;
    private final Workspace work;
    private final FloatArray rotary;
    private final Rows tokens;
    private final boolean tensorCores;
    private final KernelContext context = new KernelContext();
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
        this.work = work;
        this.rotary = weights.rotary();
        this.layout = capacity.layout();
        this.attention = capacity.attention();
        this.widths = Widths.of(config);
        this.routing = new Routing(config.experts(), (long) layout.maxTokens() * config.expertsPerToken());
        this.tokens = new Rows(work.step(), StepLayout.TOKEN_STARTS, SAME_ROWS, 1, Counts::tokens, Counts::tokens);
        this.tensorCores = capacity.tensorCores() && weights.products().allMatch(TensorCoreKernels::takes);
        ImmutableTaskGraph[] graphs = new ImmutableTaskGraph[config.layers() + 3];
        graphs[0] = start(weights.embedding()).snapshot();
        for (int layer = 0; layer < config.layers(); layer++) {
            graphs[1 + layer] =
                    layer(layer, weights.layers().get(layer), caches.get(layer)).snapshot();
        }
        graphs[head()] = head(weights.outputNorm(), weights.head()).snapshot();
        graphs[top()] = topLogits().snapshot();
        plan = new TornadoExecutionPlan(graphs);
        plan.withDevice(device).withGridScheduler(grids.scheduler());
    }

    private int head() {
        return config.layers() + 1;
    }

    private int top() {
        return config.layers() + 2;
    }

    private static String name(int layer) {
        return "layer" + layer;
    }

    /** What matrix products keep on the device where they run on tensor cores. */
    private Object[] products() {
        return tensorCores ? new Object[] {work.halves(), work.sums()} : new Object[0];
    }

    /** What layers pass on besides the step, the residual stream and {@link #products}. */
    private Object[] scratch() {
        return new Object[] {
            work.normed(),
            work.qkv(),
            work.attended(),
            work.partials(),
            work.routing(),
            work.routeWeights(),
            work.activated(),
            work.expertOut(),
            rotary
        };
    }

    private TaskGraph start(DeviceMatrix embedding) {
        TaskGraph graph = new TaskGraph("start")
                .transferToDevice(EVERY_EXECUTION, work.step())
                .transferToDevice(
                        FIRST_EXECUTION, work.hidden(), embedding.words(), embedding.scales(), embedding.minima())
                .task(
                        "embed",
                        LayerKernels::embed,
                        context,
                        work.step(),
                        layout.tokensAt(),
                        work.hidden(),
                        widths.hidden(),
                        embedding.words(),
                        embedding.scales(),
                        embedding.minima(),
                        embedding.bits(),
                        embedding.block(),
                        embedding.affine());
        grids.add("start", "embed", counts -> LayerKernels.rowGrid(counts.tokens()));
        return graph.persistOnDevice(work.step(), work.hidden());
    }

    private TaskGraph layer(int number, DeviceWeights.Layer layer, KeyValueCache cache) {
        String name = name(number);
        TaskGraph graph = new TaskGraph(name);
        if (number == 0) {
            // An array comes to the device in the first graph that has a task for it.
            graph.consumeFromDevice("start", work.step(), work.hidden())
                    .transferToDevice(EVERY_EXECUTION, work.tables())
                    .transferToDevice(FIRST_EXECUTION, scratch())
                    .transferToDevice(FIRST_EXECUTION, products());
        } else {
            graph.consumeFromDevice(name(number - 1), work.step(), work.hidden(), work.tables())
                    .consumeFromDevice(name(number - 1), scratch())
                    .consumeFromDevice(name(number - 1), products());
        }
        graph.transferToDevice(FIRST_EXECUTION, layer.attentionNorm(), layer.expertNorm(), layer.router());
        norm(graph, name, "attentionNorm", layer.attentionNorm());
        multiply(
                graph,
                name,
                "qkv",
                tokens,
                work.qkv(),
                widths.qkv(),
                work.normed(),
                widths.hidden(),
                layer.qkv(),
                MatrixKernels.STORE);
        attend(graph, name, cache);
        multiply(
                graph,
                name,
                "output",
                tokens,
                work.hidden(),
                widths.hidden(),
                work.attended(),
                widths.query(),
                layer.output(),
                MatrixKernels.ADD);
        norm(graph, name, "expertNorm", layer.expertNorm());
        experts(graph, name, layer);
        // The cache is never uploaded: nothing is read of it that a step has not written.
        return graph.persistOnDevice(work.step(), work.hidden(), work.tables())
                .persistOnDevice(scratch())
                .persistOnDevice(products())
                .persistOnDevice(cache.keys(), cache.keyScales(), cache.values(), cache.valueScales());
    }

    private void norm(TaskGraph graph, String name, String task, FloatArray weight) {
        graph.task(
                task,
                LayerKernels::rmsNorm,
                context,
                work.step(),
                work.normed(),
                work.hidden(),
                weight,
                config.hiddenSize(),
                widths.hidden(),
                (float) config.rmsNormEpsilon());
        grids.add(name, task, counts -> LayerKernels.rowGrid(counts.tokens()));
    }

    private void attend(TaskGraph graph, String name, KeyValueCache cache) {
        int neighbours = switch (config.ropeLayout()) {
            case HALVES -> 0;
            case NEIGHBOURS -> 1;
        };
        graph.task(
                "rope",
                LayerKernels::ropeAndStore,
                context,
                work.step(),
                layout.positionsAt(),
                layout.slotsAt(),
                work.qkv(),
                widths.qkv(),
                rotary,
                cache.keys(),
                cache.keyScales(),
                cache.values(),
                cache.valueScales(),
                config.heads(),
                config.kvHeads(),
                config.headDimension(),
                neighbours);
        grids.add(name, "rope", counts -> LayerKernels.ropeGrid(counts.tokens(), config.heads(), config.kvHeads()));
        graph.task(
                "attend",
                AttentionKernels::attend,
                context,
                work.step(),
                layout.positionsAt(),
                layout.itemsAt(),
                work.tables(),
                work.partials(),
                work.qkv(),
                widths.qkv(),
                cache.keys(),
                cache.keyScales(),
                cache.values(),
                cache.valueScales(),
                config.heads(),
                config.kvHeads(),
                config.headDimension(),
                attention.queryTile(),
                config.slidingWindow());
        grids.add(
                name,
                "attend",
                counts -> AttentionKernels.attendGrid(
                        counts.items(), config.heads(), config.kvHeads(), config.headDimension()));
        graph.task(
                "merge",
                AttentionKernels::mergeAttention,
                context,
                work.step(),
                layout.partialsAt(),
                work.attended(),
                widths.query(),
                work.partials(),
                config.heads(),
                config.headDimension());
        grids.add(name, "merge", counts -> AttentionKernels.mergeGrid(counts.tokens(), config.heads()));
    }

    private void experts(TaskGraph graph, String name, DeviceWeights.Layer layer) {
        graph.task(
                "route",
                ExpertKernels::route,
                context,
                work.step(),
                work.routing(),
                routing.chosenAt(),
                work.routeWeights(),
                work.normed(),
                widths.hidden(),
                layer.router(),
                config.experts(),
                config.expertsPerToken());
        grids.add(name, "route", counts -> ExpertKernels.perToken(counts.tokens()));
        graph.task(
                "sort",
                ExpertKernels::sortByExpert,
                context,
                work.step(),
                work.routing(),
                config.experts(),
                config.expertsPerToken(),
                routing.entryTokenAt(),
                routing.entryOfAt(),
                routing.chosenAt());
        grids.add(name, "sort", _ -> ExpertKernels.single());
        multiply(
                graph,
                name,
                "gateUp",
                entries(routing.entryTokenAt(), Counts::tokens),
                work.activated(),
                widths.intermediate(),
                work.normed(),
                widths.hidden(),
                layer.gateUp(),
                MatrixKernels.SWIGLU);
        multiply(
                graph,
                name,
                "down",
                entries(SAME_ROWS, this::entries),
                work.expertOut(),
                widths.hidden(),
                work.activated(),
                widths.intermediate(),
                layer.down(),
                MatrixKernels.STORE);
        graph.task(
                "combine",
                ExpertKernels::combine,
                context,
                work.step(),
                work.hidden(),
                widths.hidden(),
                work.expertOut(),
                work.routing(),
                routing.entryOfAt(),
                work.routeWeights(),
                config.hiddenSize(),
                config.expertsPerToken());
        grids.add(name, "combine", counts -> ExpertKernels.perToken(counts.tokens()));
    }

    private int entries(Counts counts) {
        return counts.tokens() * config.expertsPerToken();
    }

    private Rows entries(int gatherAt, ToIntFunction<Counts> all) {
        return new Rows(work.routing(), routing.startsAt(), gatherAt, config.experts(), this::entries, all);
    }

    /** A matrix product, as two tasks: one for the groups of few rows, one for those of many. */
    private void multiply(
            TaskGraph graph,
            String name,
            String task,
            Rows rows,
            FloatArray y,
            int yStride,
            FloatArray x,
            int xStride,
            DeviceMatrix w,
            int epilogue) {
        graph.transferToDevice(FIRST_EXECUTION, w.words(), w.scales(), w.minima());
        graph.task(
                task + "Few",
                MatrixKernels::gemmFew,
                context,
                rows.indices(),
                rows.startsAt(),
                rows.indices(),
                rows.gatherAt(),
                y,
                yStride,
                x,
                xStride,
                w.words(),
                w.scales(),
                w.minima(),
                w.bits(),
                w.block(),
                w.affine(),
                w.outputs(),
                w.columns(),
                epilogue);
        grids.add(name, task + "Few", _ -> MatrixKernels.few(w.outputs(), rows.groups()));
        if (tensorCores) {
            multiplyOnTensorCores(graph, name, task, rows, y, yStride, x, xStride, w, epilogue);
        } else {
            multiplyMany(graph, name, task, rows, y, yStride, x, xStride, w, epilogue);
        }
    }

    private void multiplyMany(
            TaskGraph graph,
            String name,
            String task,
            Rows rows,
            FloatArray y,
            int yStride,
            FloatArray x,
            int xStride,
            DeviceMatrix w,
            int epilogue) {
        graph.task(
                task + "Many",
                MatrixKernels::gemmMany,
                context,
                rows.indices(),
                rows.startsAt(),
                rows.groups(),
                rows.indices(),
                rows.gatherAt(),
                y,
                yStride,
                x,
                xStride,
                w.words(),
                w.scales(),
                w.minima(),
                w.bits(),
                w.block(),
                w.affine(),
                w.outputs(),
                w.columns(),
                epilogue);
        grids.add(name, task + "Many", counts -> {
            int most = rows.most().applyAsInt(counts);
            return most <= MatrixKernels.FEW ? Grids.of(1, 1) : MatrixKernels.many(w.outputs(), most, rows.groups());
        });
    }

    private void multiplyOnTensorCores(
            TaskGraph graph,
            String name,
            String task,
            Rows rows,
            FloatArray y,
            int yStride,
            FloatArray x,
            int xStride,
            DeviceMatrix w,
            int epilogue) {
        graph.task(
                task + "Pack", TensorCoreKernels::pack, context, work.halves(), work.sums(), x, xStride, w.columns());
        grids.add(name, task + "Pack", counts -> {
            boolean few = rows.most().applyAsInt(counts) <= MatrixKernels.FEW;
            return TensorCoreKernels.perRow(few ? 1 : rows.all().applyAsInt(counts));
        });
        graph.task(
                task + "Many",
                TensorCoreKernels::gemmMma,
                context,
                rows.indices(),
                rows.startsAt(),
                rows.groups(),
                rows.indices(),
                rows.gatherAt(),
                y,
                yStride,
                work.halves(),
                work.sums(),
                layout.maxTokens() * config.expertsPerToken(),
                w.words(),
                w.scales(),
                w.minima(),
                w.bits(),
                w.block(),
                w.affine(),
                w.outputs(),
                w.columns(),
                epilogue);
        grids.add(name, task + "Many", counts -> {
            int most = rows.most().applyAsInt(counts);
            return most <= MatrixKernels.FEW
                    ? Grids.of(1, 1)
                    : TensorCoreKernels.many(w.outputs(), most, rows.groups());
        });
    }

    private TaskGraph head(FloatArray norm, DeviceMatrix head) {
        TaskGraph graph = new TaskGraph("head")
                .consumeFromDevice(name(config.layers() - 1), work.step(), work.hidden(), work.normed())
                .consumeFromDevice(name(config.layers() - 1), products())
                .transferToDevice(EVERY_EXECUTION, work.wanted())
                .transferToDevice(FIRST_EXECUTION, norm, work.logits());
        norm(graph, "head", "outputNorm", norm);
        Rows wanted =
                new Rows(work.wanted(), StepLayout.WANTED_STARTS, StepLayout.HEADER, 1, Counts::wanted, Counts::tokens);
        multiply(
                graph,
                "head",
                "head",
                wanted,
                work.logits(),
                widths.vocabulary(),
                work.normed(),
                widths.hidden(),
                head,
                MatrixKernels.STORE);
        return graph.persistOnDevice(work.wanted(), work.logits()).transferToHost(UNDER_DEMAND, work.logits());
    }

    private TaskGraph topLogits() {
        TaskGraph graph = new TaskGraph("top")
                .consumeFromDevice("head", work.wanted(), work.logits())
                .task(
                        "topLogits",
                        HeadKernels::topLogits,
                        context,
                        work.wanted(),
                        work.topTokens(),
                        work.topValues(),
                        work.logSumExp(),
                        work.logits(),
                        widths.vocabulary(),
                        config.vocabularySize());
        grids.add("top", "topLogits", counts -> HeadKernels.perRow(Math.max(1, counts.wanted())));
        return graph.transferToHost(EVERY_EXECUTION, work.topTokens(), work.topValues(), work.logSumExp());
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
        plan.withGraph(top()).execute();
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
        return plan.withGraph(head()).execute();
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
