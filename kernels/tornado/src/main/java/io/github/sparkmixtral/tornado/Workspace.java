package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.model.ModelConfig;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * What a step reads and writes on the device besides weights and cache. Rows are {@link Widths} apart.
 *
 * @param step what the host says of the step, see {@link StepLayout}
 * @param tables see {@link BlockTables}
 * @param wanted the head's own step: a header as in {@link StepLayout} and the rows whose logits are wanted
 * @param hidden {@code [tokens, hidden]} the residual stream
 * @param receivedFew {@code [few, hidden]} the residual stream from another device, of a step of few tokens; one float on a single device
 * @param received {@code [tokens, hidden]} that of any step; one float on a single device
 * @param normed {@code [tokens, hidden]}
 * @param qkv {@code [tokens, heads and twice kvHeads, headDimension]}
 * @param attended {@code [tokens, heads * headDimension]}
 * @param partials {@code [slots, heads, headDimension + 2]} see {@link AttentionKernels}
 * @param routing see {@link Routing}
 * @param routeWeights {@code [tokens, expertsPerToken]}
 * @param activated {@code [tokens * expertsPerToken, intermediate]} in the order of the experts
 * @param expertOut {@code [tokens * expertsPerToken, hidden]} in the order of the experts
 * @param halves rows of the input of a matrix product, see {@link TensorCoreKernels}; one word where there are no tensor cores
 * @param sums scratch of {@link TensorCoreKernels}; one float where there are no tensor cores
 * @param logits {@code [wanted, vocabulary]}
 * @param inverses {@code [wanted]} one over the temperature
 * @param topTokens {@code [wanted, TOP]} see {@link HeadKernels}
 * @param topValues {@code [wanted, TOP]}
 * @param logSumExp {@code [wanted]}
 * @param totals {@code [wanted]}
 */
record Workspace(
        IntArray step,
        IntArray tables,
        IntArray wanted,
        FloatArray hidden,
        FloatArray receivedFew,
        FloatArray received,
        FloatArray normed,
        FloatArray qkv,
        FloatArray attended,
        FloatArray partials,
        IntArray routing,
        FloatArray routeWeights,
        FloatArray activated,
        FloatArray expertOut,
        IntArray halves,
        FloatArray sums,
        FloatArray logits,
        FloatArray inverses,
        IntArray topTokens,
        FloatArray topValues,
        FloatArray logSumExp,
        FloatArray totals) {

    /** Rows of the residual stream that a small step brings from another device: those of one token each, as a rule. */
    private static final int MOST_FEW = 128;

    /**
     * Sizes of a workspace.
     *
     * @param tableRows most sequences of a step
     * @param tableLength most blocks of a sequence
     * @param wanted rows of logits
     * @param tensorCores whether matrix products may run on them
     * @param severalDevices whether layers lie on more than one device, between which the residual stream goes
     */
    record Capacity(
            StepLayout layout,
            AttentionItems attention,
            int tableRows,
            int tableLength,
            int wanted,
            boolean tensorCores,
            boolean severalDevices) {

        /** Rows of {@link Workspace#receivedFew}. */
        int few() {
            return Math.min(MOST_FEW, layout.maxTokens());
        }

        /** Bytes of all arrays; needs nothing of TornadoVM. */
        long bytes(ModelConfig config) {
            return Elements.of(config, this).bytes();
        }
    }

    /** Elements of each array. */
    private record Elements(
            long step,
            long tables,
            long wanted,
            long hidden,
            long receivedFew,
            long received,
            long normed,
            long qkv,
            long attended,
            long partials,
            long routing,
            long routeWeights,
            long activated,
            long expertOut,
            long halves,
            long sums,
            long logits,
            long inverses,
            long topTokens,
            long topValues,
            long logSumExp,
            long totals) {

        static Elements of(ModelConfig config, Capacity capacity) {
            Widths widths = Widths.of(config);
            long tokens = capacity.layout().maxTokens();
            long entries = tokens * config.expertsPerToken();
            long wanted = capacity.wanted();
            long halves =
                    Math.max(tokens * Math.max(widths.hidden(), widths.query()), entries * widths.intermediate()) / 2;
            int outputs = Math.max(
                    Math.max(widths.qkv(), widths.hidden()), Math.max(2 * widths.intermediate(), widths.vocabulary()));
            long sums = TensorCoreKernels.scratch(entries, outputs, entries, config.experts());
            return new Elements(
                    capacity.layout().size(),
                    (long) capacity.tableRows() * capacity.tableLength(),
                    StepLayout.HEADER + wanted,
                    tokens * widths.hidden(),
                    capacity.severalDevices() ? (long) capacity.few() * widths.hidden() : 1,
                    capacity.severalDevices() ? tokens * widths.hidden() : 1,
                    tokens * widths.hidden(),
                    tokens * widths.qkv(),
                    tokens * widths.query(),
                    (long) capacity.attention().maxSlots() * config.heads() * (config.headDimension() + 2),
                    new Routing(config.experts(), entries).size(),
                    entries,
                    entries * widths.intermediate(),
                    entries * widths.hidden(),
                    capacity.tensorCores() ? halves : 1,
                    capacity.tensorCores() ? sums : 1,
                    wanted * widths.vocabulary(),
                    wanted,
                    wanted * HeadKernels.MAX_TOP,
                    wanted * HeadKernels.MAX_TOP,
                    wanted,
                    wanted);
        }

        long bytes() {
            // Steps of few and of any number of tokens receive in graphs of their own, each with its own residual
            // stream.
            return 4L
                            * (step
                                    + tables
                                    + wanted
                                    + hidden
                                    + receivedFew
                                    + 2 * received
                                    + normed
                                    + qkv
                                    + attended
                                    + partials
                                    + routing
                                    + routeWeights
                                    + activated
                                    + expertOut
                                    + halves
                                    + sums
                                    + logits
                                    + inverses
                                    + topTokens
                                    + topValues
                                    + logSumExp
                                    + totals)
                    + 22L * DeviceArrays.MOST_HEADER;
        }
    }

    static Workspace of(ModelConfig config, Capacity capacity, DeviceArrays arrays) {
        Elements elements = Elements.of(config, capacity);
        return new Workspace(
                arrays.ints(elements.step()),
                arrays.ints(elements.tables()),
                arrays.ints(elements.wanted()),
                arrays.floats(elements.hidden()),
                arrays.floats(elements.receivedFew()),
                arrays.floats(elements.received()),
                arrays.floats(elements.normed()),
                arrays.floats(elements.qkv()),
                arrays.floats(elements.attended()),
                arrays.floats(elements.partials()),
                arrays.ints(elements.routing()),
                arrays.floats(elements.routeWeights()),
                arrays.floats(elements.activated()),
                arrays.floats(elements.expertOut()),
                arrays.ints(elements.halves()),
                arrays.floats(elements.sums()),
                arrays.floats(elements.logits()),
                arrays.floats(elements.inverses()),
                arrays.ints(elements.topTokens()),
                arrays.floats(elements.topValues()),
                arrays.floats(elements.logSumExp()),
                arrays.floats(elements.totals()));
    }
}
