package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Kernels on the JDK's Vector API. Loading this class needs {@code --add-modules jdk.incubator.vector}.
 *
 * <p>A product with weights adds the inputs up in ascending order, with fused multiply-adds into one float; lanes are neighbouring
 * outputs. A weight is decoded with the same operations wherever that happens.
 *
 * <p>Where weights are packed as bfloat16, inputs are rounded to that, too, and {@link OneDnn} makes the product, for the JVM does not
 * emit the processor's instructions for it. The order of the sum is the library's then: it does not depend on the number of rows, but
 * on the processor.
 */
final class VectorKernels implements Kernels {

    private static final int STEP = FLOATS.length();
    private static final int LANES = Matrix.LANES;
    private static final int BLOCK = KeyValueCache.BLOCK;

    /** Positions whose scores are turned into weights together: the exponentials' overhead is per span, not per block. */
    private static final int SPAN = Workspace.SPAN;

    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final int WIDTH = PackedMatrix.WIDTH;

    private final Packing packing;

    /**
     * @param packing of weights, the router's apart
     * @throws IllegalStateException with the reason where there is no library for products in bfloat16 and they are asked for
     */
    VectorKernels(Packing packing) {
        if (packing == Packing.BFLOAT16) {
            OneDnn.require();
        }
        this.packing = packing;
    }

    @Override
    public String name() {
        String name = "vector " + FLOATS.vectorBitSize();
        return packing == Packing.BFLOAT16 ? name + ", bfloat16 products" : name;
    }

    @Override
    public void rmsNorm(Matrix out, int outRow, Matrix in, int inRow, float[] weight, double epsilon) {
        float[] x = in.data();
        int from = in.offset(inRow);
        float[] lanes = new float[LANES];
        for (int part = 0; part < LANES; part += STEP) {
            FloatVector squares = FloatVector.zero(FLOATS);
            for (int c = part; c < in.stride(); c += LANES) {
                FloatVector v = FloatVector.fromArray(FLOATS, x, from + c);
                squares = v.fma(v, squares);
            }
            squares.intoArray(lanes, part);
        }
        float scale = (float) (1 / Math.sqrt(VectorMath.sum(lanes, 0) / (double) in.columns() + epsilon));
        int to = out.offset(outRow);
        for (int c = 0; c < in.stride(); c += STEP) {
            FloatVector v = FloatVector.fromArray(FLOATS, x, from + c).mul(scale);
            v.mul(FloatVector.fromArray(FLOATS, weight, c)).intoArray(out.data(), to + c);
        }
    }

    @Override
    public Packing packing() {
        return packing;
    }

    @Override
    public void gemm(Matrix out, Rows in, PackedMatrix weights, int fromPanel, int toPanel, Workspace workspace) {
        for (int panel = fromPanel; panel < toPanel; panel++) {
            gemm(out, in, weights, panel, workspace);
        }
    }

    private static void gemm(Matrix out, Rows in, PackedMatrix weights, int panel, Workspace workspace) {
        if (weights.packing() == Packing.BFLOAT16) {
            workspace.bfloat16Products().multiply(out, in, weights, panel);
            return;
        }
        float[] products = workspace.products;
        int rows = in.count();
        Arrays.fill(products, 0, (rows + QuantizedTiles.SPARE_ROWS) * WIDTH, 0);
        for (int column = 0; column < weights.columns(); column += Workspace.COLUMNS) {
            int columns = Math.min(Workspace.COLUMNS, weights.columns() - column);
            if (rows <= QuantizedTiles.ROWS
                    && weights.type().isQuantized()
                    && !weights.type().isTable()) {
                QuantizedTiles.multiply(
                        in.matrix(), in.indices(), in.from(), rows, weights, panel, column, columns, workspace);
            } else {
                PanelDecoder.decode(weights, panel, column, columns, workspace);
                PanelTiles.multiply(in.matrix(), in.indices(), in.from(), rows, column, columns, workspace);
            }
        }
        int width = weights.outputs(panel);
        for (int row = 0; row < rows; row++) {
            int to = out.offset(in.from() + row) + panel * WIDTH;
            System.arraycopy(products, row * WIDTH, out.data(), to, width);
        }
    }

    @Override
    public void attend(
            Matrix out,
            Matrix query,
            int fromRow,
            int toRow,
            KeyValueCache cache,
            int layer,
            int kvHead,
            Span[] spans,
            Workspace workspace) {
        int size = cache.headDimension();
        int stride = cache.valueStride();
        int group = query.columns() / (cache.kvHeads() * size);
        int states = (toRow - fromRow) * group;
        Arrays.fill(workspace.maxima, 0, states, Float.NEGATIVE_INFINITY);
        Arrays.fill(workspace.sums, 0, states, 0);
        Arrays.fill(workspace.values, 0, states * stride, 0);
        int begin = Integer.MAX_VALUE;
        int end = 0;
        for (int row = fromRow; row < toRow; row++) {
            begin = Math.min(begin, spans[row].from());
            end = Math.max(end, spans[row].to());
        }
        for (int first = begin / SPAN * SPAN; first < end; first += SPAN) {
            for (int row = fromRow; row < toRow; row++) {
                if (spans[row].from() < first + SPAN && spans[row].to() > first) {
                    attend(query, row, cache, layer, kvHead, spans[row], first, (row - fromRow) * group, workspace);
                }
            }
        }
        for (int row = fromRow; row < toRow; row++) {
            int to = out.offset(row) + kvHead * group * size;
            for (int head = 0; head < group; head++) {
                int state = (row - fromRow) * group + head;
                for (int d = 0; d < size; d++) {
                    out.data()[to + head * size + d] = workspace.values[state * stride + d] / workspace.sums[state];
                }
            }
        }
    }

    /**
     * Attention of one row over those of its positions that lie in {@code [first, first + SPAN)}.
     *
     * @param state where the row's maxima, sums and values are in the workspace, counted in heads
     */
    private static void attend(
            Matrix query,
            int row,
            KeyValueCache cache,
            int layer,
            int kvHead,
            Span span,
            int first,
            int state,
            Workspace workspace) {
        int size = cache.headDimension();
        int stride = cache.valueStride();
        int group = query.columns() / (cache.kvHeads() * size);
        int firstQuery = query.offset(row) + kvHead * group * size;
        float scale = (float) (1 / Math.sqrt(size));
        int from = Math.max(span.from() - first, 0);
        int end = Math.min(span.to() - first, SPAN);
        for (int at = from / BLOCK * BLOCK; at < end; at += BLOCK) {
            int block = span.block((first + at) / BLOCK);
            long keys = cache.keys(layer, block, kvHead);
            for (int head = 0; head < group; head += 4) {
                scores(query.data(), firstQuery, size, scale, head, group, cache.slab(block), keys, at, workspace);
            }
        }
        for (int head = 0; head < group; head++) {
            soften(head, from, end, stride, state, workspace);
        }
        for (int at = from / BLOCK * BLOCK; at < end; at += BLOCK) {
            int block = span.block((first + at) / BLOCK);
            long values = cache.values(layer, block, kvHead);
            int fromToken = Math.max(from - at, 0);
            int toToken = Math.min(end - at, BLOCK);
            for (int head = 0; head < group; head += 4) {
                addValues(head, group, at, fromToken, toToken, stride, cache.slab(block), values, state, workspace);
            }
        }
    }

    /** Scores of a block's tokens for up to four heads of the group, at {@code at} of each one's {@code SPAN}. */
    private static void scores(
            float[] query,
            int firstQuery,
            int size,
            float scale,
            int head,
            int group,
            MemorySegment slab,
            long keys,
            int at,
            Workspace workspace) {
        float[] scores = workspace.scores;
        int last = group - 1;
        int h1 = Math.min(head + 1, last);
        int h2 = Math.min(head + 2, last);
        int h3 = Math.min(head + 3, last);
        for (int part = 0; part < BLOCK; part += STEP) {
            FloatVector s0 = FloatVector.zero(FLOATS);
            FloatVector s1 = FloatVector.zero(FLOATS);
            FloatVector s2 = FloatVector.zero(FLOATS);
            FloatVector s3 = FloatVector.zero(FLOATS);
            for (int d = 0; d < size; d++) {
                FloatVector key = FloatVector.fromMemorySegment(
                        FLOATS, slab, keys + ((long) d * BLOCK + part) * Float.BYTES, ORDER);
                s0 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + head * size + d]), s0);
                s1 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h1 * size + d]), s1);
                s2 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h2 * size + d]), s2);
                s3 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h3 * size + d]), s3);
            }
            s0.mul(scale).intoArray(scores, head * SPAN + at + part);
            s1.mul(scale).intoArray(scores, h1 * SPAN + at + part);
            s2.mul(scale).intoArray(scores, h2 * SPAN + at + part);
            s3.mul(scale).intoArray(scores, h3 * SPAN + at + part);
        }
    }

    /**
     * Turns one head's scores into exponentials relative to the largest score so far, those outside of {@code [from, to)} into
     * zeros, and scales what was summed before to that maximum.
     */
    private static void soften(int head, int from, int to, int stride, int state, Workspace workspace) {
        float[] scores = workspace.scores;
        int at = head * SPAN;
        int last = at + Math.ceilDiv(to, LANES) * LANES;
        Arrays.fill(scores, at, at + from, Float.NEGATIVE_INFINITY);
        Arrays.fill(scores, at + to, last, Float.NEGATIVE_INFINITY);
        float before = workspace.maxima[state + head];
        float maximum = Math.max(before, VectorMath.maximum(scores, at, last));
        VectorMath.exp(scores, at, last, maximum);
        Arrays.fill(scores, at, at + from, 0);
        Arrays.fill(scores, at + to, last, 0);
        float sum = VectorMath.sum(scores, at, last, workspace.lanes);
        if (maximum != before) {
            float rescale = VectorMath.exp(before - maximum);
            workspace.sums[state + head] = Math.fma(workspace.sums[state + head], rescale, sum);
            for (int d = (state + head) * stride; d < (state + head + 1) * stride; d += STEP) {
                FloatVector.fromArray(FLOATS, workspace.values, d).mul(rescale).intoArray(workspace.values, d);
            }
        } else {
            workspace.sums[state + head] += sum;
        }
        workspace.maxima[state + head] = maximum;
    }

    /** Adds the values of a block's tokens {@code [from, to)}, weighted, for up to four heads of the group. */
    private static void addValues(
            int head,
            int group,
            int at,
            int from,
            int to,
            int stride,
            MemorySegment slab,
            long values,
            int state,
            Workspace workspace) {
        float[] weights = workspace.scores;
        float[] sums = workspace.values;
        int last = group - 1;
        int h1 = Math.min(head + 1, last);
        int h2 = Math.min(head + 2, last);
        int h3 = Math.min(head + 3, last);
        for (int d = 0; d < stride; d += STEP) {
            FloatVector s0 = FloatVector.fromArray(FLOATS, sums, (state + head) * stride + d);
            FloatVector s1 = FloatVector.fromArray(FLOATS, sums, (state + h1) * stride + d);
            FloatVector s2 = FloatVector.fromArray(FLOATS, sums, (state + h2) * stride + d);
            FloatVector s3 = FloatVector.fromArray(FLOATS, sums, (state + h3) * stride + d);
            for (int token = from; token < to; token++) {
                FloatVector value = FloatVector.fromMemorySegment(
                        FLOATS, slab, values + ((long) token * stride + d) * Float.BYTES, ORDER);
                s0 = value.fma(FloatVector.broadcast(FLOATS, weights[head * SPAN + at + token]), s0);
                s1 = value.fma(FloatVector.broadcast(FLOATS, weights[h1 * SPAN + at + token]), s1);
                s2 = value.fma(FloatVector.broadcast(FLOATS, weights[h2 * SPAN + at + token]), s2);
                s3 = value.fma(FloatVector.broadcast(FLOATS, weights[h3 * SPAN + at + token]), s3);
            }
            s0.intoArray(sums, (state + head) * stride + d);
            s1.intoArray(sums, (state + h1) * stride + d);
            s2.intoArray(sums, (state + h2) * stride + d);
            s3.intoArray(sums, (state + h3) * stride + d);
        }
    }

    @Override
    public void swiGlu(Matrix gate, Matrix up, int row, int fromColumn, int toColumn) {
        int g = gate.offset(row);
        int u = up.offset(row);
        for (int c = fromColumn; c < toColumn; c += STEP) {
            FloatVector x = FloatVector.fromArray(FLOATS, gate.data(), g + c);
            x.mul(FloatVector.fromArray(FLOATS, up.data(), u + c)).intoArray(up.data(), u + c);
            x.neg().intoArray(gate.data(), g + c);
        }
        VectorMath.exp(gate.data(), g + fromColumn, g + toColumn, 0);
        for (int c = fromColumn; c < toColumn; c += STEP) {
            FloatVector product = FloatVector.fromArray(FLOATS, up.data(), u + c);
            product.div(FloatVector.fromArray(FLOATS, gate.data(), g + c).add(1))
                    .intoArray(gate.data(), g + c);
        }
    }
}
