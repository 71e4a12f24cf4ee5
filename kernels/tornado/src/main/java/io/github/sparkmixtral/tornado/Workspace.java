package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.model.ModelConfig;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * What a step reads and writes on the device besides weights and cache. Rows are {@link Widths} apart.
 *
 * @param step what the host says of the step, see {@link StepLayout}
 * @param tables block tables of all sequences, end to end
 * @param wanted the head's own step: a header as in {@link StepLayout} and the rows whose logits are wanted
 * @param hidden {@code [tokens, hidden]} the residual stream
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

    /**
     * Sizes of a workspace.
     *
     * @param tensorCores whether matrix products may run on them
     */
    record Capacity(StepLayout layout, AttentionItems attention, int tables, int wanted, boolean tensorCores) {

        /** Arrays of numbers of tokens, entries, and so on, each times its width; what {@link #of} makes. */
        long bytes(ModelConfig config) {
            try (DeviceArrays none = new DeviceArrays()) {
                of(config, this, none);
                return none.bytes();
            }
        }
    }

    static Workspace of(ModelConfig config, Capacity capacity, DeviceArrays arrays) {
        Widths widths = Widths.of(config);
        long tokens = capacity.layout().maxTokens();
        long entries = tokens * config.expertsPerToken();
        long wanted = capacity.wanted();
        long halves = Math.max(tokens * Math.max(widths.hidden(), widths.query()), entries * widths.intermediate()) / 2;
        int outputs = Math.max(
                Math.max(widths.qkv(), widths.hidden()), Math.max(2 * widths.intermediate(), widths.vocabulary()));
        long sums = TensorCoreKernels.scratch(entries, outputs, entries, config.experts());
        return new Workspace(
                arrays.ints(capacity.layout().size()),
                arrays.ints(capacity.tables()),
                arrays.ints(StepLayout.HEADER + wanted),
                arrays.floats(tokens * widths.hidden()),
                arrays.floats(tokens * widths.hidden()),
                arrays.floats(tokens * widths.qkv()),
                arrays.floats(tokens * widths.query()),
                arrays.floats((long) capacity.attention().maxSlots() * config.heads() * (config.headDimension() + 2)),
                arrays.ints(new Routing(config.experts(), entries).size()),
                arrays.floats(entries),
                arrays.floats(entries * widths.intermediate()),
                arrays.floats(entries * widths.hidden()),
                arrays.ints(capacity.tensorCores() ? halves : 1),
                arrays.floats(capacity.tensorCores() ? sums : 1),
                arrays.floats(wanted * widths.vocabulary()),
                arrays.floats(wanted),
                arrays.ints(wanted * HeadKernels.MAX_TOP),
                arrays.floats(wanted * HeadKernels.MAX_TOP),
                arrays.floats(wanted),
                arrays.floats(wanted));
    }
}
