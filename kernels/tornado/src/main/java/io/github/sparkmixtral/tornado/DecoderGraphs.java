package io.github.sparkmixtral.tornado;

import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.FIRST_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.UNDER_DEMAND;

import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.tornado.Grids.Counts;
import io.github.sparkmixtral.tornado.MatrixProduct.Rows;
import java.util.List;
import java.util.function.ToIntFunction;
import uk.ac.manchester.tornado.api.ImmutableTaskGraph;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * Mixtral's decoder (Jiang et al. 2024) as task graphs: one that takes a step to the device and looks up its embeddings, one per layer,
 * one for the head and one for the best logits. Graphs share what lies on the device; weights are uploaded with the first run of
 * their graph and stay. Within a layer nothing comes back to the host: the router's choices are made, sorted and used on the device.
 * What changes from step to step is the {@code step} array and the size of the grids, so that nothing is ever compiled again.
 */
final class DecoderGraphs {

    private final ModelConfig config;
    private final Widths widths;
    private final StepLayout layout;
    private final AttentionItems attention;
    private final Routing routing;
    private final Workspace work;
    private final FloatArray rotary;
    private final Rows tokens;
    private final KernelContext context = new KernelContext();
    private final Grids grids;
    private final ProductTasks products;

    private DecoderGraphs(
            ModelConfig config, DeviceWeights weights, Workspace.Capacity capacity, Workspace work, Grids grids) {
        this.config = config;
        this.work = work;
        this.grids = grids;
        this.rotary = weights.rotary();
        this.layout = capacity.layout();
        this.attention = capacity.attention();
        this.widths = Widths.of(config);
        int entries = layout.maxTokens() * config.expertsPerToken();
        this.routing = new Routing(config.experts(), entries);
        this.tokens = new Rows(work.step(), StepLayout.TOKEN_STARTS, Rows.SAME, 1, Counts::tokens, Counts::tokens);
        boolean tensorCores = capacity.tensorCores() && weights.products().allMatch(TensorCoreKernels::takes);
        this.products = new ProductTasks(context, grids, work, tensorCores, entries);
    }

    /**
     * All graphs, in the order in which they run: the embedding's, those of layers, that of {@link #head} and that of {@link #top}.
     *
     * @param caches one per layer
     * @param grids gets those of all tasks
     */
    static ImmutableTaskGraph[] of(
            ModelConfig config,
            DeviceWeights weights,
            List<KeyValueCache> caches,
            Workspace.Capacity capacity,
            Workspace work,
            Grids grids) {
        DecoderGraphs decoder = new DecoderGraphs(config, weights, capacity, work, grids);
        ImmutableTaskGraph[] graphs = new ImmutableTaskGraph[config.layers() + 3];
        graphs[0] = decoder.start(weights.embedding()).snapshot();
        for (int layer = 0; layer < config.layers(); layer++) {
            graphs[1 + layer] = decoder.layer(layer, weights.layers().get(layer), caches.get(layer))
                    .snapshot();
        }
        graphs[head(config)] =
                decoder.head(weights.outputNorm(), weights.head()).snapshot();
        graphs[top(config)] = decoder.topLogits().snapshot();
        return graphs;
    }

    /** Which graph computes logits. */
    static int head(ModelConfig config) {
        return config.layers() + 1;
    }

    /** Which graph finds the best of them. */
    static int top(ModelConfig config) {
        return config.layers() + 2;
    }

    private static String name(int layer) {
        return "layer" + layer;
    }

    /** What layers pass on besides the step, the residual stream and those of {@link ProductTasks}. */
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
                    .transferToDevice(FIRST_EXECUTION, products.scratch());
        } else {
            graph.consumeFromDevice(name(number - 1), work.step(), work.hidden(), work.tables())
                    .consumeFromDevice(name(number - 1), scratch())
                    .consumeFromDevice(name(number - 1), products.scratch());
        }
        graph.transferToDevice(FIRST_EXECUTION, layer.attentionNorm(), layer.expertNorm(), layer.router());
        norm(graph, name, "attentionNorm", layer.attentionNorm());
        products.add(
                graph,
                name,
                new MatrixProduct(
                        "qkv",
                        tokens,
                        work.qkv(),
                        widths.qkv(),
                        work.normed(),
                        widths.hidden(),
                        layer.qkv(),
                        MatrixKernels.STORE));
        attend(graph, name, cache);
        products.add(
                graph,
                name,
                new MatrixProduct(
                        "output",
                        tokens,
                        work.hidden(),
                        widths.hidden(),
                        work.attended(),
                        widths.query(),
                        layer.output(),
                        MatrixKernels.ADD));
        norm(graph, name, "expertNorm", layer.expertNorm());
        experts(graph, name, layer);
        // The cache is never uploaded: nothing is read of it that a step has not written.
        graph.persistOnDevice(work.step(), work.hidden(), work.tables())
                .persistOnDevice(scratch())
                .persistOnDevice(products.scratch())
                .persistOnDevice(cache.keys(), cache.keyScales(), cache.values(), cache.valueScales());
        boolean last = number == config.layers() - 1;
        return last ? graph.transferToHost(UNDER_DEMAND, work.hidden()) : graph;
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
        products.add(
                graph,
                name,
                new MatrixProduct(
                        "gateUp",
                        entries(routing.entryTokenAt(), Counts::tokens),
                        work.activated(),
                        widths.intermediate(),
                        work.normed(),
                        widths.hidden(),
                        layer.gateUp(),
                        MatrixKernels.SWIGLU));
        products.add(
                graph,
                name,
                new MatrixProduct(
                        "down",
                        entries(Rows.SAME, this::entries),
                        work.expertOut(),
                        widths.hidden(),
                        work.activated(),
                        widths.intermediate(),
                        layer.down(),
                        MatrixKernels.STORE));
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

    private TaskGraph head(FloatArray norm, DeviceMatrix head) {
        TaskGraph graph = new TaskGraph("head")
                .consumeFromDevice(name(config.layers() - 1), work.step(), work.hidden(), work.normed())
                .consumeFromDevice(name(config.layers() - 1), products.scratch())
                .transferToDevice(EVERY_EXECUTION, work.wanted())
                .transferToDevice(FIRST_EXECUTION, norm, work.logits());
        norm(graph, "head", "outputNorm", norm);
        Rows wanted =
                new Rows(work.wanted(), StepLayout.WANTED_STARTS, StepLayout.HEADER, 1, Counts::wanted, Counts::tokens);
        products.add(
                graph,
                "head",
                new MatrixProduct(
                        "head",
                        wanted,
                        work.logits(),
                        widths.vocabulary(),
                        work.normed(),
                        widths.hidden(),
                        head,
                        MatrixKernels.STORE));
        return graph.persistOnDevice(work.wanted(), work.logits()).transferToHost(UNDER_DEMAND, work.logits());
    }

    private TaskGraph topLogits() {
        TaskGraph graph = new TaskGraph("top")
                .consumeFromDevice("head", work.wanted(), work.logits())
                .transferToDevice(EVERY_EXECUTION, work.inverses())
                .task(
                        "topLogits",
                        HeadKernels::topLogits,
                        context,
                        work.wanted(),
                        work.inverses(),
                        work.topTokens(),
                        work.topValues(),
                        work.logSumExp(),
                        work.totals(),
                        work.logits(),
                        widths.vocabulary(),
                        config.vocabularySize());
        grids.add("top", "topLogits", counts -> HeadKernels.perRow(Math.max(1, counts.wanted())));
        return graph.transferToHost(
                UNDER_DEMAND, work.topTokens(), work.topValues(), work.logSumExp(), work.totals(), work.logits());
    }
}
