package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.model.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** The formulas as they are written, accumulated in double: what every other implementation is held to. */
final class ScalarKernels implements Kernels {

    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public void rmsNorm(Matrix out, int outRow, Matrix in, int inRow, float[] weight, double epsilon) {
        int from = in.offset(inRow);
        double squares = 0;
        for (int i = 0; i < in.columns(); i++) {
            double x = in.data()[from + i];
            squares += x * x;
        }
        double scale = 1 / Math.sqrt(squares / in.columns() + epsilon);
        int to = out.offset(outRow);
        for (int i = 0; i < in.columns(); i++) {
            out.data()[to + i] = (float) (in.data()[from + i] * scale * weight[i]);
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
        double[] sums = new double[toRow - fromRow];
        for (int output = fromOutput; output < toOutput; output++) {
            Arrays.fill(sums, 0);
            for (int column = 0; column < weights.columns(); column += Workspace.PANEL_COLUMNS) {
                int columns = Math.min(Workspace.PANEL_COLUMNS, weights.columns() - column);
                long at = output * weights.rowBytes() + weights.type().bytes(column);
                weights.type().decode(weights.data(), at, workspace.panel, 0, columns);
                for (int row = fromRow; row < toRow; row++) {
                    int x = in.offset(inRows[row]) + column;
                    for (int c = 0; c < columns; c++) {
                        sums[row - fromRow] += (double) in.data()[x + c] * workspace.panel[c];
                    }
                }
            }
            for (int row = fromRow; row < toRow; row++) {
                out.data()[out.offset(row) + output] = (float) sums[row - fromRow];
            }
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
        int group = query.columns() / (cache.kvHeads() * size);
        for (int head = kvHead * group; head < (kvHead + 1) * group; head++) {
            double maximum = Double.NEGATIVE_INFINITY;
            double sum = 0;
            double[] weighted = new double[size];
            for (int position = span.from(); position < span.to(); position++) {
                int block = span.block(position / KeyValueCache.BLOCK);
                int token = position % KeyValueCache.BLOCK;
                MemorySegment slab = cache.slab(block);
                long keys = cache.keys(layer, block, kvHead);
                double score = 0;
                for (int d = 0; d < size; d++) {
                    float key = slab.get(
                            KeyValueCache.FLOAT, keys + ((long) d * KeyValueCache.BLOCK + token) * Float.BYTES);
                    score += (double) query.data()[query.offset(row) + head * size + d] * key;
                }
                score /= Math.sqrt(size);
                double rescale = score > maximum ? Math.exp(maximum - score) : 1;
                maximum = Math.max(maximum, score);
                double weight = Math.exp(score - maximum);
                sum = sum * rescale + weight;
                long values = cache.values(layer, block, kvHead) + (long) token * cache.valueStride() * Float.BYTES;
                for (int d = 0; d < size; d++) {
                    float value = slab.get(KeyValueCache.FLOAT, values + (long) d * Float.BYTES);
                    weighted[d] = weighted[d] * rescale + weight * value;
                }
            }
            for (int d = 0; d < size; d++) {
                out.data()[out.offset(row) + head * size + d] = (float) (weighted[d] / sum);
            }
        }
    }

    @Override
    public void swiGlu(Matrix gate, Matrix up, int row, int fromColumn, int toColumn) {
        for (int column = fromColumn; column < toColumn; column++) {
            int g = gate.offset(row) + column;
            double x = gate.data()[g];
            gate.data()[g] = (float) (x / (1 + Math.exp(-x)) * up.data()[up.offset(row) + column]);
        }
    }
}
