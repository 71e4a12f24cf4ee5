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
import java.util.stream.Stream;
import uk.ac.manchester.tornado.api.ImmutableTaskGraph;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * Mixtral's decoder (Jiang et al. 2024) as task graphs: one that takes a step to the device and looks up its embeddings, some of
 * several layers each, one for the head and one for the best logits. If the layers lie on several devices, each has the graphs of
 * its own, and takes the residual stream from the device before it by way of the host. Graphs share what lies on the device; weights are uploaded with
 * the first run of their graph and stay. Graphs of layers share the code of their kernels, see {@link KernelCall}. Within a layer nothing comes back to the host: the router's choices are made, sorted and used on the device.
 * What changes from step to step is the {@code step} array, the entries that it changes of the block tables and the size of the
 * grids, so that nothing is ever compiled again.
 */
final class DecoderGraphs {

    private static final String START = "start";

    private static final String RECEIVE = "receive";

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
            ModelConfig config,
            DeviceWeights weights,
            Workspace.Capacity capacity,
            boolean tensorCores,
            Workspace work,
            Grids grids) {
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
        this.products = new ProductTasks(context, work, tensorCores, entries);
    }

    /**
     * The graphs of a device, in the order in which they run.
     *
     * @param start takes a step to the device; on that of the first layers looks up its embeddings
     * @param receive on other devices, take the residual stream: one that of few tokens, one that of any number
     * @param layers those of layers
     * @param layersOf how many layers each of those has
     * @param ends on the device of the last layers, the head's and the best logits'
     */
    record Graphs(
            ImmutableTaskGraph start,
            List<ImmutableTaskGraph> receive,
            List<ImmutableTaskGraph> layers,
            List<Integer> layersOf,
            List<ImmutableTaskGraph> ends) {

        List<ImmutableTaskGraph> all() {
            return Stream.of(List.of(start), receive, layers, ends)
                    .flatMap(List::stream)
                    .toList();
        }
    }

    /**
     * All graphs of a device.
     *
     * @param caches one per layer
     * @param tensorCores whether matrix products run on them
     * @param grids gets those of all tasks
     */
    static Graphs of(
            ModelConfig config,
            DeviceWeights weights,
            List<KeyValueCache> caches,
            Workspace.Capacity capacity,
            boolean tensorCores,
            Workspace work,
            Grids grids) {
        DecoderGraphs decoder = new DecoderGraphs(config, weights, capacity, tensorCores, work, grids);
        LayerRange range = weights.range();
        List<Integer> layersOf = new ArrayList<>();
        return new Graphs(
                decoder.start(weights).snapshot(),
                range.isFirst()
                        ? List.of()
                        : snapshots(List.of(decoder.receive(work.receivedFew()), decoder.receive(work.received()))),
                snapshots(decoder.layers(weights, caches, layersOf)),
                layersOf,
                range.isLast()
                        ? snapshots(List.of(decoder.head(weights.outputNorm(), weights.head()), decoder.topLogits()))
                        : List.of());
    }

    private static List<ImmutableTaskGraph> snapshots(List<TaskGraph> graphs) {
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

    private TaskGraph start(DeviceWeights weights) {
        TaskGraph graph = new TaskGraph(START)
                .transferToDevice(EVERY_EXECUTION, work.step())
                .transferToDevice(FIRST_EXECUTION, work.tables());
        add(
                graph,
                new KernelCall(
                        createPackage(
                                "updateTables",
                                LayerKernels::updateTables,
                                context,
                                work.step(),
                                layout.changesAt(),
                                work.tables()),
                        counts -> LayerKernels.changeGrid(counts.changes())));
        graph.persistOnDevice(work.step(), work.tables());
        return weights.range().isFirst() ? embed(graph, weights.embedding()) : graph;
    }

    private TaskGraph embed(TaskGraph graph, DeviceMatrix embedding) {
        graph.transferToDevice(FIRST_EXECUTION, work.hidden()).transferToDevice(FIRST_EXECUTION, embedding.arrays());
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
        return graph.persistOnDevice(work.hidden());
    }

    private TaskGraph receive(FloatArray received) {
        TaskGraph graph = new TaskGraph(RECEIVE)
                .consumeFromDevice(START, work.step(), work.tables())
                .transferToDevice(EVERY_EXECUTION, received)
                .transferToDevice(FIRST_EXECUTION, work.hidden());
        add(
                graph,
                new KernelCall(
                        createPackage(
                                "receive",
                                LayerKernels::receive,
                                context,
                                work.step(),
                                work.hidden(),
                                received,
                                widths.hidden()),
                        counts -> LayerKernels.rowGrid(counts.tokens())));
        return graph.persistOnDevice(work.step(), work.tables(), work.hidden());
    }

    /** Graphs of as many layers each as TornadoVM takes; all have the same name, and so share their code. */
    private List<TaskGraph> layers(DeviceWeights weights, List<KeyValueCache> caches, List<Integer> layersOf) {
        List<TaskGraph> graphs = new ArrayList<>();
        TaskGraph graph = emptyLayers(weights.range().isFirst() ? START : RECEIVE);
        int bytes = 0;
        int count = 0;
        for (int number = 0; number < weights.layers().size(); number++) {
            DeviceWeights.Layer layer = weights.layers().get(number);
            KeyValueCache cache = caches.get(number);
            List<KernelCall> calls = layer(count, layer, cache);
            if (bytes + KernelCall.bytes(calls) > KernelCall.GRAPH_BYTES) {
                graphs.add(graph);
                layersOf.add(count);
                graph = emptyLayers(LAYERS);
                bytes = 0;
                count = 0;
                calls = layer(count, layer, cache);
            }
            bytes += KernelCall.bytes(calls);
            count++;
            graph.transferToDevice(FIRST_EXECUTION, layer.arrays());
            add(graph, calls);
            // The cache is never uploaded: nothing is read of it that a step has not written.
            graph.persistOnDevice(cache.keys(), cache.keyScales(), cache.values(), cache.valueScales());
        }
        graphs.add(graph.transferToHost(UNDER_DEMAND, work.hidden()));
        layersOf.add(count);
        return graphs;
    }

    private TaskGraph emptyLayers(String before) {
        TaskGraph graph = new TaskGraph(LAYERS).consumeFromDevice(before, work.step(), work.hidden(), work.tables());
        if (before.equals(LAYERS)) {
            graph.consumeFromDevice(LAYERS, scratch()).consumeFromDevice(LAYERS, products.scratch());
        } else {
            // An array comes to the device in the first graph that has a task for it.
            graph.transferToDevice(FIRST_EXECUTION, scratch()).transferToDevice(FIRST_EXECUTION, products.scratch());
        }
        return graph.persistOnDevice(work.step(), work.hidden(), work.tables())
                .persistOnDevice(scratch())
                .persistOnDevice(products.scratch());
    }

    /** @param place of the layer in its graph, which is part of the calls' names */
    private List<KernelCall> layer(int place, DeviceWeights.Layer layer, KeyValueCache cache) {
        List<KernelCall> calls = new ArrayList<>();
        calls.add(norm("attentionNorm" + place, layer.attentionNorm()));
        calls.addAll(products.calls(new MatrixProduct(
                "qkv" + place,
                tokens,
                work.qkv(),
                widths.qkv(),
                work.normed(),
                widths.hidden(),
                layer.qkv().matrix(),
                MatrixKernels.STORE)));
        calls.addAll(attention(place, cache));
        calls.addAll(products.calls(new MatrixProduct(
                "output" + place,
                tokens,
                work.hidden(),
                widths.hidden(),
                work.attended(),
                widths.query(),
                layer.output().matrix(),
                MatrixKernels.ADD)));
        calls.add(norm("expertNorm" + place, layer.expertNorm()));
        calls.addAll(experts(place, layer));
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

    private List<KernelCall> attention(int place, KeyValueCache cache) {
        int neighbours = switch (config.ropeLayout()) {
            case HALVES -> 0;
            case NEIGHBOURS -> 1;
        };
        KernelCall rope = new KernelCall(
                createPackage(
                        "rope" + place,
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
                        "attend" + place,
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
                        "merge" + place,
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

    private List<KernelCall> experts(int place, DeviceWeights.Layer layer) {
        List<KernelCall> calls = new ArrayList<>();
        calls.add(new KernelCall(
                createPackage(
                        "route" + place,
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
                        "sort" + place,
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
                "gateUp" + place,
                entries(routing.entryTokenAt(), Counts::tokens),
                work.activated(),
                widths.intermediate(),
                work.normed(),
                widths.hidden(),
                layer.gateUp().matrix(),
                MatrixKernels.SWIGLU)));
        calls.addAll(products.calls(new MatrixProduct(
                "down" + place,
                entries(Rows.SAME, this::entries),
                work.expertOut(),
                widths.hidden(),
                work.activated(),
                widths.intermediate(),
                layer.down().matrix(),
                MatrixKernels.STORE)));
        calls.add(new KernelCall(
                createPackage(
                        "combine" + place,
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
        TaskGraph graph = new TaskGraph(TOP)
                .consumeFromDevice(HEAD, work.wanted(), work.logits())
                .transferToDevice(EVERY_EXECUTION, work.inverses());
        add(
                graph,
                new KernelCall(
                        createPackage(
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
                                config.vocabularySize()),
                        counts -> HeadKernels.perRow(Math.max(1, counts.wanted()))));
        return graph.transferToHost(
                UNDER_DEMAND, work.topTokens(), work.topValues(), work.logSumExp(), work.totals(), work.logits());
    }

    private void add(TaskGraph graph, KernelCall call) {
        call.addTo(graph, grids);
    }

    private void add(TaskGraph graph, List<KernelCall> calls) {
        calls.forEach(call -> add(graph, call));
    }
}
