package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;

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
    public Packing packing() {
        return Packing.NONE;
    }

    @Override
    public void gemm(Matrix out, Rows in, PackedMatrix weights, int fromPanel, int toPanel, Workspace workspace) {
        Tensor tensor = weights.tensor();
        RowReader reader = new RowReader(tensor);
        float[] decoded = new float[tensor.columns()];
        int end = weights.firstOutput(toPanel - 1) + weights.outputs(toPanel - 1);
        for (int output = weights.firstOutput(fromPanel); output < end; output++) {
            tensor.type().decode(reader.row(output), 0, decoded, 0, decoded.length);
            for (int row = 0; row < in.count(); row++) {
                int x = in.offset(row);
                double sum = 0;
                for (int c = 0; c < decoded.length; c++) {
                    sum += (double) in.matrix().data()[x + c] * decoded[c];
                }
                out.data()[out.offset(in.from() + row) + output] = (float) sum;
            }
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
        for (int row = fromRow; row < toRow; row++) {
            attend(out, query, row, cache, layer, kvHead, spans[row]);
        }
    }

    private static void attend(
            Matrix out, Matrix query, int row, KeyValueCache cache, int layer, int kvHead, Span span) {
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

    @Override
    public double total(float[] logits, int from, int to, float highest, double temperature) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += Math.exp((logits[i] - (double) highest) / temperature);
        }
        return sum;
    }
}
