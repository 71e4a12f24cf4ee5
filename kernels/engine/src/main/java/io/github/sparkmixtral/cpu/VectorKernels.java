package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import io.github.sparkmixtral.model.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Kernels on the JDK's Vector API. Loading this class needs {@code --add-modules jdk.incubator.vector}.
 *
 * <p>A dot product is always the same sum: its inputs are cut into runs of {@link Workspace#PANEL_COLUMNS}; in a run, lane
 * {@code j} of {@link Matrix#LANES} adds up the inputs {@code j, j + 16, …} in ascending order with fused multiply-adds, and the
 * lanes are added by {@link VectorMath#sum}; the runs are added in ascending order. Narrower vectors take the lanes in several
 * passes, so that all machines agree.
 *
 * <p>The innermost loops keep to eight accumulators: with more, the compiler stops inlining vector calls and allocates.
 */
final class VectorKernels implements Kernels {

    private static final int STEP = FLOATS.length();
    private static final int LANES = Matrix.LANES;
    private static final int BLOCK = KeyValueCache.BLOCK;

    /** Rows of weights decoded at a time for a few tokens: they stay in the first-level cache. */
    private static final int FEW_ROWS = 8;

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
    public void gemm(
            Matrix out,
            Matrix in,
            int[] inRows,
            int fromRow,
            int toRow,
            Tensor weights,
            int fromOutput,
            int toOutput,
            Workspace workspace) {
        int rowsAtOnce = toRow - fromRow < 4 ? FEW_ROWS : Workspace.PANEL_ROWS;
        for (int output = fromOutput; output < toOutput; output += rowsAtOnce) {
            int outputs = Math.min(rowsAtOnce, toOutput - output);
            for (int column = 0; column < weights.columns(); column += Workspace.PANEL_COLUMNS) {
                int columns = Math.min(Workspace.PANEL_COLUMNS, weights.columns() - column);
                decode(weights, output, outputs, column, columns, workspace.panel);
                int row = fromRow;
                for (; row + 4 <= toRow; row += 4) {
                    fourRows(out, row, in, inRows, output, outputs, column, columns, workspace);
                }
                for (; row < toRow; row++) {
                    oneRow(out, row, in, inRows[row], output, outputs, column, columns, workspace);
                }
            }
        }
    }

    /** Decodes a panel of weights, its rows {@link Workspace#PANEL_COLUMNS} apart and padded with zeros. */
    private static void decode(Tensor weights, int output, int outputs, int column, int columns, float[] panel) {
        long at = output * weights.rowBytes() + weights.type().bytes(column);
        int padded = Matrix.padded(columns);
        for (int o = 0; o < outputs; o++) {
            int to = o * Workspace.PANEL_COLUMNS;
            VectorDecoder.decode(weights.type(), weights.data(), at + o * weights.rowBytes(), panel, to, columns);
            Arrays.fill(panel, to + columns, to + padded, 0);
        }
    }

    private static void fourRows(
            Matrix out,
            int row,
            Matrix in,
            int[] inRows,
            int output,
            int outputs,
            int column,
            int columns,
            Workspace workspace) {
        int x0 = in.offset(inRows[row]) + column;
        int x1 = in.offset(inRows[row + 1]) + column;
        int x2 = in.offset(inRows[row + 2]) + column;
        int x3 = in.offset(inRows[row + 3]) + column;
        float[] lanes = workspace.lanes;
        for (int o = 0; o < outputs; o += 2) {
            int w0 = o * Workspace.PANEL_COLUMNS;
            int w1 = Math.min(o + 1, outputs - 1) * Workspace.PANEL_COLUMNS;
            for (int part = 0; part < LANES; part += STEP) {
                tile4x2(in.data(), x0, x1, x2, x3, workspace.panel, w0, w1, part, columns, lanes);
            }
            int to = out.offset(row) + output + o;
            int width = Math.min(2, outputs - o);
            for (int i = 0; i < 4; i++) {
                for (int j = 0; j < width; j++) {
                    add(out.data(), to + i * out.stride() + j, column, lanes, 2 * i + j);
                }
            }
        }
    }

    private static void oneRow(
            Matrix out,
            int row,
            Matrix in,
            int inRow,
            int output,
            int outputs,
            int column,
            int columns,
            Workspace workspace) {
        int x = in.offset(inRow) + column;
        float[] lanes = workspace.lanes;
        for (int o = 0; o < outputs; o += 8) {
            int width = Math.min(8, outputs - o);
            int to = out.offset(row) + output + o;
            for (int part = 0; part < LANES; part += STEP) {
                tile1x8(in.data(), x, workspace.panel, o * Workspace.PANEL_COLUMNS, part, columns, lanes);
            }
            for (int j = 0; j < width; j++) {
                add(out.data(), to + j, column, lanes, j);
            }
        }
    }

    private static void add(float[] out, int at, int column, float[] lanes, int sum) {
        float run = VectorMath.sum(lanes, sum * LANES);
        out[at] = column == 0 ? run : out[at] + run;
    }

    /** Dot products of four rows of activations with two of weights; row i with weights j goes to lanes 2i + j. */
    private static void tile4x2(
            float[] x,
            int x0,
            int x1,
            int x2,
            int x3,
            float[] w,
            int w0,
            int w1,
            int part,
            int columns,
            float[] lanes) {
        FloatVector s00 = FloatVector.zero(FLOATS);
        FloatVector s01 = FloatVector.zero(FLOATS);
        FloatVector s10 = FloatVector.zero(FLOATS);
        FloatVector s11 = FloatVector.zero(FLOATS);
        FloatVector s20 = FloatVector.zero(FLOATS);
        FloatVector s21 = FloatVector.zero(FLOATS);
        FloatVector s30 = FloatVector.zero(FLOATS);
        FloatVector s31 = FloatVector.zero(FLOATS);
        for (int c = part; c < columns; c += LANES) {
            FloatVector v0 = FloatVector.fromArray(FLOATS, w, w0 + c);
            FloatVector v1 = FloatVector.fromArray(FLOATS, w, w1 + c);
            FloatVector u = FloatVector.fromArray(FLOATS, x, x0 + c);
            s00 = u.fma(v0, s00);
            s01 = u.fma(v1, s01);
            u = FloatVector.fromArray(FLOATS, x, x1 + c);
            s10 = u.fma(v0, s10);
            s11 = u.fma(v1, s11);
            u = FloatVector.fromArray(FLOATS, x, x2 + c);
            s20 = u.fma(v0, s20);
            s21 = u.fma(v1, s21);
            u = FloatVector.fromArray(FLOATS, x, x3 + c);
            s30 = u.fma(v0, s30);
            s31 = u.fma(v1, s31);
        }
        s00.intoArray(lanes, part);
        s01.intoArray(lanes, part + LANES);
        s10.intoArray(lanes, part + 2 * LANES);
        s11.intoArray(lanes, part + 3 * LANES);
        s20.intoArray(lanes, part + 4 * LANES);
        s21.intoArray(lanes, part + 5 * LANES);
        s30.intoArray(lanes, part + 6 * LANES);
        s31.intoArray(lanes, part + 7 * LANES);
    }

    /** Dot products of one row of activations with eight neighbouring rows of a panel. */
    private static void tile1x8(float[] x, int x0, float[] w, int w0, int part, int columns, float[] lanes) {
        int stride = Workspace.PANEL_COLUMNS;
        FloatVector s0 = FloatVector.zero(FLOATS);
        FloatVector s1 = FloatVector.zero(FLOATS);
        FloatVector s2 = FloatVector.zero(FLOATS);
        FloatVector s3 = FloatVector.zero(FLOATS);
        FloatVector s4 = FloatVector.zero(FLOATS);
        FloatVector s5 = FloatVector.zero(FLOATS);
        FloatVector s6 = FloatVector.zero(FLOATS);
        FloatVector s7 = FloatVector.zero(FLOATS);
        for (int c = part; c < columns; c += LANES) {
            FloatVector u = FloatVector.fromArray(FLOATS, x, x0 + c);
            s0 = u.fma(FloatVector.fromArray(FLOATS, w, w0 + c), s0);
            s1 = u.fma(FloatVector.fromArray(FLOATS, w, w0 + stride + c), s1);
            s2 = u.fma(FloatVector.fromArray(FLOATS, w, w0 + 2 * stride + c), s2);
            s3 = u.fma(FloatVector.fromArray(FLOATS, w, w0 + 3 * stride + c), s3);
            s4 = u.fma(FloatVector.fromArray(FLOATS, w, w0 + 4 * stride + c), s4);
            s5 = u.fma(FloatVector.fromArray(FLOATS, w, w0 + 5 * stride + c), s5);
            s6 = u.fma(FloatVector.fromArray(FLOATS, w, w0 + 6 * stride + c), s6);
            s7 = u.fma(FloatVector.fromArray(FLOATS, w, w0 + 7 * stride + c), s7);
        }
        s0.intoArray(lanes, part);
        s1.intoArray(lanes, part + LANES);
        s2.intoArray(lanes, part + 2 * LANES);
        s3.intoArray(lanes, part + 3 * LANES);
        s4.intoArray(lanes, part + 4 * LANES);
        s5.intoArray(lanes, part + 5 * LANES);
        s6.intoArray(lanes, part + 6 * LANES);
        s7.intoArray(lanes, part + 7 * LANES);
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
