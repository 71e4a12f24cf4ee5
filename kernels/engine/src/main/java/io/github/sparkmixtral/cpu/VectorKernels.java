package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Kernels on the JDK's Vector API. Loading this class needs {@code --add-modules jdk.incubator.vector}.
 *
 * <p>A product with weights adds the inputs up in ascending order, with fused multiply-adds into one float; lanes are neighbouring
 * outputs. A weight is decoded with the same operations wherever that happens.
 *
 * <p>The innermost loops keep to eight accumulators: with more, the compiler stops inlining vector calls and allocates.
 */
final class VectorKernels implements Kernels {

    private static final int STEP = FLOATS.length();
    private static final int LANES = Matrix.LANES;
    private static final int BLOCK = KeyValueCache.BLOCK;

    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final int WIDTH = PackedMatrix.WIDTH;

    @Override
    public String name() {
        return "vector " + FLOATS.vectorBitSize();
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
    public boolean packed() {
        return true;
    }

    @Override
    public void gemm(
            Matrix out,
            Matrix in,
            int[] inRows,
            int fromRow,
            int toRow,
            PackedMatrix weights,
            int panel,
            Workspace workspace) {
        float[] products = workspace.products;
        int rows = toRow - fromRow;
        Arrays.fill(products, 0, rows * WIDTH, 0);
        for (int column = 0; column < weights.columns(); column += Workspace.COLUMNS) {
            int columns = Math.min(Workspace.COLUMNS, weights.columns() - column);
            if (rows <= QuantizedTiles.ROWS && weights.type().isQuantized()) {
                QuantizedTiles.multiply(in, inRows, fromRow, rows, weights, panel, column, columns, workspace);
            } else {
                PanelDecoder.decode(weights, panel, column, columns, workspace);
                PanelTiles.multiply(in, inRows, fromRow, rows, column, columns, workspace);
            }
        }
        int width = weights.outputs(panel);
        for (int row = 0; row < rows; row++) {
            int to = out.offset(fromRow + row) + panel * WIDTH;
            System.arraycopy(products, row * WIDTH, out.data(), to, width);
        }
    }

    @Override
    public void attend(
            Matrix out,
            Matrix query,
            int row,
            KeyValueCache cache,
            int layer,
            int kvHead,
            Span span,
            Workspace workspace) {
        int size = cache.headDimension();
        int stride = cache.valueStride();
        int group = query.columns() / (cache.kvHeads() * size);
        int firstQuery = query.offset(row) + kvHead * group * size;
        float scale = (float) (1 / Math.sqrt(size));
        Arrays.fill(workspace.maxima, Float.NEGATIVE_INFINITY);
        Arrays.fill(workspace.sums, 0);
        Arrays.fill(workspace.values, 0);
        for (int first = span.from() / BLOCK * BLOCK; first < span.to(); first += BLOCK) {
            int from = Math.max(span.from() - first, 0);
            int to = Math.min(span.to() - first, BLOCK);
            int block = span.block(first / BLOCK);
            MemorySegment slab = cache.slab(block);
            long keys = cache.keys(layer, block, kvHead);
            long values = cache.values(layer, block, kvHead);
            for (int head = 0; head < group; head += 4) {
                scores(query.data(), firstQuery, size, scale, head, group, slab, keys, workspace.scores);
            }
            for (int head = 0; head < group; head++) {
                soften(head, from, to, stride, workspace);
            }
            for (int head = 0; head < group; head += 4) {
                addValues(head, group, from, to, stride, slab, values, workspace);
            }
        }
        int to = out.offset(row) + kvHead * group * size;
        for (int head = 0; head < group; head++) {
            for (int d = 0; d < size; d++) {
                out.data()[to + head * size + d] = workspace.values[head * stride + d] / workspace.sums[head];
            }
        }
    }

    /** Scores of a block's tokens for up to four heads of the group, {@code [group, BLOCK]}. */
    private static void scores(
            float[] query,
            int firstQuery,
            int size,
            float scale,
            int head,
            int group,
            MemorySegment slab,
            long keys,
            float[] scores) {
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
                FloatVector key = load(slab, keys + ((long) d * BLOCK + part) * Float.BYTES);
                s0 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + head * size + d]), s0);
                s1 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h1 * size + d]), s1);
                s2 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h2 * size + d]), s2);
                s3 = key.fma(FloatVector.broadcast(FLOATS, query[firstQuery + h3 * size + d]), s3);
            }
            s0.mul(scale).intoArray(scores, head * BLOCK + part);
            s1.mul(scale).intoArray(scores, h1 * BLOCK + part);
            s2.mul(scale).intoArray(scores, h2 * BLOCK + part);
            s3.mul(scale).intoArray(scores, h3 * BLOCK + part);
        }
    }

    /**
     * Turns one head's scores of a block into exponentials relative to the largest score so far, those outside of
     * {@code [from, to)} into zeros, and scales what was summed before to that maximum.
     */
    private static void soften(int head, int from, int to, int stride, Workspace workspace) {
        float[] scores = workspace.scores;
        int at = head * BLOCK;
        Arrays.fill(scores, at, at + from, Float.NEGATIVE_INFINITY);
        Arrays.fill(scores, at + to, at + BLOCK, Float.NEGATIVE_INFINITY);
        float before = workspace.maxima[head];
        float maximum = before;
        for (int part = 0; part < BLOCK; part += STEP) {
            float largest = FloatVector.fromArray(FLOATS, scores, at + part).reduceLanes(VectorOperators.MAX);
            maximum = Math.max(maximum, largest);
        }
        for (int part = 0; part < BLOCK; part += STEP) {
            FloatVector score = FloatVector.fromArray(FLOATS, scores, at + part);
            VectorMath.exp(score.sub(maximum)).intoArray(scores, at + part);
        }
        Arrays.fill(scores, at, at + from, 0);
        Arrays.fill(scores, at + to, at + BLOCK, 0);
        float sum = VectorMath.sum(scores, at);
        if (maximum != before) {
            float rescale = VectorMath.exp(before - maximum);
            workspace.sums[head] = Math.fma(workspace.sums[head], rescale, sum);
            for (int d = head * stride; d < (head + 1) * stride; d += STEP) {
                FloatVector.fromArray(FLOATS, workspace.values, d).mul(rescale).intoArray(workspace.values, d);
            }
        } else {
            workspace.sums[head] += sum;
        }
        workspace.maxima[head] = maximum;
    }

    /** Adds the values of a block's tokens {@code [from, to)}, weighted, for up to four heads of the group. */
    private static void addValues(
            int head, int group, int from, int to, int stride, MemorySegment slab, long values, Workspace workspace) {
        float[] weights = workspace.scores;
        float[] sums = workspace.values;
        int last = group - 1;
        int h1 = Math.min(head + 1, last);
        int h2 = Math.min(head + 2, last);
        int h3 = Math.min(head + 3, last);
        for (int d = 0; d < stride; d += STEP) {
            FloatVector s0 = FloatVector.fromArray(FLOATS, sums, head * stride + d);
            FloatVector s1 = FloatVector.fromArray(FLOATS, sums, h1 * stride + d);
            FloatVector s2 = FloatVector.fromArray(FLOATS, sums, h2 * stride + d);
            FloatVector s3 = FloatVector.fromArray(FLOATS, sums, h3 * stride + d);
            for (int token = from; token < to; token++) {
                FloatVector value = load(slab, values + ((long) token * stride + d) * Float.BYTES);
                s0 = value.fma(FloatVector.broadcast(FLOATS, weights[head * BLOCK + token]), s0);
                s1 = value.fma(FloatVector.broadcast(FLOATS, weights[h1 * BLOCK + token]), s1);
                s2 = value.fma(FloatVector.broadcast(FLOATS, weights[h2 * BLOCK + token]), s2);
                s3 = value.fma(FloatVector.broadcast(FLOATS, weights[h3 * BLOCK + token]), s3);
            }
            s0.intoArray(sums, head * stride + d);
            s1.intoArray(sums, h1 * stride + d);
            s2.intoArray(sums, h2 * stride + d);
            s3.intoArray(sums, h3 * stride + d);
        }
    }

    private static FloatVector load(MemorySegment segment, long at) {
        return FloatVector.fromMemorySegment(FLOATS, segment, at, ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public void swiGlu(Matrix gate, Matrix up, int row, int fromColumn, int toColumn) {
        int g = gate.offset(row);
        int u = up.offset(row);
        for (int c = fromColumn; c < toColumn; c += STEP) {
            FloatVector x = FloatVector.fromArray(FLOATS, gate.data(), g + c);
            FloatVector y = FloatVector.fromArray(FLOATS, up.data(), u + c);
            x.div(VectorMath.exp(x.neg()).add(1)).mul(y).intoArray(gate.data(), g + c);
        }
    }
}
