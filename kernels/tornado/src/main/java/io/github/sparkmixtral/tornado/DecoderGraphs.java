package io.github.sparkmixtral.tornado;

import static uk.ac.manchester.tornado.api.common.TaskPackage.createPackage;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.FIRST_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.UNDER_DEMAND;

import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.tornado.Grids.Counts;
import io.github.sparkmixtral.tornado.MatrixProduct.Rows;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;
import uk.ac.manchester.tornado.api.ImmutableTaskGraph;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * Mixtral's decoder (Jiang et al. 2024) as task graphs: one that takes a step to the device and looks up its embeddings, some of
 * several layers each, one for the head and one for the best logits. Graphs share what lies on the device; weights are uploaded with
 * the first run of their graph and stay. All layers share the code of their kernels, see {@link KernelCall}. Within a layer nothing comes back to the host: the router's choices are made, sorted and used on the device.
 * What changes from step to step is the {@code step} array and the size of the grids, so that nothing is ever compiled again.
 */
final class DecoderGraphs {

    private static final String START = "start";

    private static final String LAYERS = "layers";

    private static final String HEAD = "head";

    private static final String TOP = "top";

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
        this.products = new ProductTasks(context, work, tensorCores, entries);
    }

    /**
     * All graphs, in the order in which they run: the embedding's, those of layers, the head's and the best logits'.
     *
     * @param caches one per layer
     * @param grids gets those of all tasks
     */
    static List<ImmutableTaskGraph> of(
            ModelConfig config,
            DeviceWeights weights,
            List<KeyValueCache> caches,
            Workspace.Capacity capacity,
            Workspace work,
            Grids grids) {
        DecoderGraphs decoder = new DecoderGraphs(config, weights, capacity, work, grids);
        List<TaskGraph> graphs = new ArrayList<>();
        graphs.add(decoder.start(weights.embedding()));
        graphs.addAll(decoder.layers(weights.layers(), caches));
        graphs.add(decoder.head(weights.outputNorm(), weights.head()));
        graphs.add(decoder.topLogits());
        return graphs.stream().map(TaskGraph::snapshot).toList();
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
        TaskGraph graph = new TaskGraph(START)
                .transferToDevice(EVERY_EXECUTION, work.step())
                .transferToDevice(FIRST_EXECUTION, work.hidden())
                .transferToDevice(FIRST_EXECUTION, embedding.arrays());
        add(
                graph,
                new KernelCall(
                        createPackage(
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
                                embedding.affine()),
                        counts -> LayerKernels.rowGrid(counts.tokens())));
        return graph.persistOnDevice(work.step(), work.hidden());
    }

    /** Graphs of as many layers each as TornadoVM takes; all have the same name, and so share their code. */
    private List<TaskGraph> layers(List<DeviceWeights.Layer> layers, List<KeyValueCache> caches) {
        List<TaskGraph> graphs = new ArrayList<>();
        TaskGraph graph = null;
        int bytes = 0;
        for (int number = 0; number < layers.size(); number++) {
            DeviceWeights.Layer layer = layers.get(number);
            KeyValueCache cache = caches.get(number);
            List<KernelCall> calls = layer(layer, cache);
            bytes += KernelCall.bytes(calls);
            if (graph == null || bytes > KernelCall.GRAPH_BYTES) {
                graph = emptyLayers(graphs.isEmpty());
                graphs.add(graph);
                bytes = KernelCall.bytes(calls);
            }
            graph.transferToDevice(FIRST_EXECUTION, layer.arrays());
            add(graph, calls);
            // The cache is never uploaded: nothing is read of it that a step has not written.
            graph.persistOnDevice(cache.keys(), cache.keyScales(), cache.values(), cache.valueScales());
        }
        graph.transferToHost(UNDER_DEMAND, work.hidden());
        return graphs;
    }

    private TaskGraph emptyLayers(boolean first) {
        TaskGraph graph = new TaskGraph(LAYERS);
        if (first) {
            // An array comes to the device in the first graph that has a task for it.
            graph.consumeFromDevice(START, work.step(), work.hidden())
                    .transferToDevice(EVERY_EXECUTION, work.tables())
                    .transferToDevice(FIRST_EXECUTION, scratch())
                    .transferToDevice(FIRST_EXECUTION, products.scratch());
        } else {
            graph.consumeFromDevice(LAYERS, work.step(), work.hidden(), work.tables())
                    .consumeFromDevice(LAYERS, scratch())
                    .consumeFromDevice(LAYERS, products.scratch());
        }
        return graph.persistOnDevice(work.step(), work.hidden(), work.tables())
                .persistOnDevice(scratch())
                .persistOnDevice(products.scratch());
    }

    private List<KernelCall> layer(DeviceWeights.Layer layer, KeyValueCache cache) {
        List<KernelCall> calls = new ArrayList<>();
        calls.add(norm("attentionNorm", layer.attentionNorm()));
        calls.addAll(products.calls(new MatrixProduct(
                "qkv",
                tokens,
                work.qkv(),
                widths.qkv(),
                work.normed(),
                widths.hidden(),
                layer.qkv(),
                MatrixKernels.STORE)));
        calls.addAll(attention(cache));
        calls.addAll(products.calls(new MatrixProduct(
                "output",
                tokens,
                work.hidden(),
                widths.hidden(),
                work.attended(),
                widths.query(),
                layer.output(),
                MatrixKernels.ADD)));
        calls.add(norm("expertNorm", layer.expertNorm()));
        calls.addAll(experts(layer));
        return calls;
    }

    private KernelCall norm(String name, FloatArray weight) {
        return new KernelCall(
                createPackage(
                        name,
                        LayerKernels::rmsNorm,
                        context,
                        work.step(),
                        work.normed(),
                        work.hidden(),
                        weight,
                        config.hiddenSize(),
                        widths.hidden(),
                        (float) config.rmsNormEpsilon()),
                counts -> LayerKernels.rowGrid(counts.tokens()));
    }

    private List<KernelCall> attention(KeyValueCache cache) {
        int neighbours = switch (config.ropeLayout()) {
            case HALVES -> 0;
            case NEIGHBOURS -> 1;
        };
        KernelCall rope = new KernelCall(
                createPackage(
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
                        neighbours),
                counts -> LayerKernels.ropeGrid(counts.tokens(), config.heads(), config.kvHeads()));
        KernelCall attend = new KernelCall(
                createPackage(
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
                        config.slidingWindow()),
                counts -> AttentionKernels.attendGrid(
                        counts.items(), config.heads(), config.kvHeads(), config.headDimension()));
        KernelCall merge = new KernelCall(
                createPackage(
                        "merge",
                        AttentionKernels::mergeAttention,
                        context,
                        work.step(),
                        layout.partialsAt(),
                        work.attended(),
                        widths.query(),
                        work.partials(),
                        config.heads(),
                        config.headDimension()),
                counts -> AttentionKernels.mergeGrid(counts.tokens(), config.heads()));
        return List.of(rope, attend, merge);
    }

    private List<KernelCall> experts(DeviceWeights.Layer layer) {
        List<KernelCall> calls = new ArrayList<>();
        calls.add(new KernelCall(
                createPackage(
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
                        config.expertsPerToken()),
                counts -> ExpertKernels.perToken(counts.tokens())));
        calls.add(new KernelCall(
                createPackage(
                        "sort",
                        ExpertKernels::sortByExpert,
                        context,
                        work.step(),
                        work.routing(),
                        config.experts(),
                        config.expertsPerToken(),
                        routing.entryTokenAt(),
                        routing.entryOfAt(),
                        routing.chosenAt()),
                _ -> ExpertKernels.single()));
        calls.addAll(products.calls(new MatrixProduct(
                "gateUp",
                entries(routing.entryTokenAt(), Counts::tokens),
                work.activated(),
                widths.intermediate(),
                work.normed(),
                widths.hidden(),
                layer.gateUp(),
                MatrixKernels.SWIGLU)));
        calls.addAll(products.calls(new MatrixProduct(
                "down",
                entries(Rows.SAME, this::entries),
                work.expertOut(),
                widths.hidden(),
                work.activated(),
                widths.intermediate(),
                layer.down(),
                MatrixKernels.STORE)));
        calls.add(new KernelCall(
                createPackage(
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
                        config.expertsPerToken()),
                counts -> ExpertKernels.perToken(counts.tokens())));
        return calls;
    }

    private int entries(Counts counts) {
        return counts.tokens() * config.expertsPerToken();
    }

    private Rows entries(int gatherAt, ToIntFunction<Counts> all) {
        return new Rows(work.routing(), routing.startsAt(), gatherAt, config.experts(), this::entries, all);
    }

    private TaskGraph head(FloatArray norm, DeviceMatrix head) {
        TaskGraph graph = new TaskGraph(HEAD)
                .consumeFromDevice(LAYERS, work.step(), work.hidden(), work.normed())
                .consumeFromDevice(LAYERS, products.scratch())
                .transferToDevice(EVERY_EXECUTION, work.wanted())
                .transferToDevice(FIRST_EXECUTION, norm, work.logits())
                .transferToDevice(FIRST_EXECUTION, head.arrays());
        add(graph, norm("outputNorm", norm));
        Rows wanted =
                new Rows(work.wanted(), StepLayout.WANTED_STARTS, StepLayout.HEADER, 1, Counts::wanted, Counts::tokens);
        add(
                graph,
                products.calls(new MatrixProduct(
                        "head",
                        wanted,
                        work.logits(),
                        widths.vocabulary(),
                        work.normed(),
                        widths.hidden(),
                        head,
                        MatrixKernels.STORE)));
        return graph.persistOnDevice(work.wanted(), work.logits()).transferToHost(UNDER_DEMAND, work.logits());
    }

    private TaskGraph topLogits() {
        TaskGraph graph = new TaskGraph(TOP).consumeFromDevice(HEAD, work.wanted(), work.logits());
        add(
                graph,
                new KernelCall(
                        createPackage(
                                "topLogits",
                                HeadKernels::topLogits,
                                context,
                                work.wanted(),
                                work.topTokens(),
                                work.topValues(),
                                work.logSumExp(),
                                work.logits(),
                                widths.vocabulary(),
                                config.vocabularySize()),
                        counts -> HeadKernels.perRow(Math.max(1, counts.wanted()))));
        return graph.transferToHost(EVERY_EXECUTION, work.topTokens(), work.topValues(), work.logSumExp());
    }

    private void add(TaskGraph graph, KernelCall call) {
        call.addTo(graph, grids);
    }

    private void add(TaskGraph graph, List<KernelCall> calls) {
        calls.forEach(call -> add(graph, call));
    }
}
