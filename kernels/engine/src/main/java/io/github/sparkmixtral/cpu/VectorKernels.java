package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import io.github.sparkmixtral.cpu.jit.IntegerLayout;
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

    private static final int WIDTH = PackedMatrix.WIDTH;

    /** Exponentials of which {@link #total} makes one sum in floats: 16 in each lane. */
    private static final int TOTALED = 16 * LANES;

    private static final Attention.Products ATTENTION = new VectorAttention();

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
        return switch (packing) {
            case INTEGERS -> name + ", int16 activations";
            case BFLOAT16 -> name + ", bfloat16 products";
            case NONE, FLOATS -> name;
        };
    }

    @Override
    public void rmsNorm(Matrix out, int outRow, Matrix in, int inRow, float[] weight, double epsilon) {
        float[] x = in.data();
        int from = in.offset(inRow);
        int width = Matrix.padded(in.columns());
        float[] lanes = new float[LANES];
        for (int part = 0; part < LANES; part += STEP) {
            FloatVector squares = FloatVector.zero(FLOATS);
            for (int c = part; c < width; c += LANES) {
                FloatVector v = FloatVector.fromArray(FLOATS, x, from + c);
                squares = v.fma(v, squares);
            }
            squares.intoArray(lanes, part);
        }
        float scale = scale(lanes, in.columns(), epsilon);
        int to = out.offset(outRow);
        for (int c = 0; c < width; c += STEP) {
            FloatVector v = FloatVector.fromArray(FLOATS, x, from + c).mul(scale);
            v.mul(FloatVector.fromArray(FLOATS, weight, c)).intoArray(out.data(), to + c);
        }
    }

    /** What a row is multiplied by, from the sums of squares of its lanes. */
    static float scale(float[] lanes, int columns, double epsilon) {
        return (float) (1 / Math.sqrt(VectorMath.sum(lanes, 0) / (double) columns + epsilon));
    }

    @Override
    public Packing packing() {
        return packing;
    }

    @Override
    public Matrix inputs(int rows, int columns) {
        boolean integers = packing == Packing.INTEGERS && columns % IntegerLayout.BLOCK == 0;
        return integers ? Matrix.withIntegers(rows, columns) : Matrix.zeros(rows, columns);
    }

    @Override
    public void prepare(Matrix in, int row) {
        if (in.hasIntegers()) {
            IntegerRows.make(in, row);
        }
    }

    @Override
    public void gemm(Matrix out, Rows in, PackedMatrix weights, int fromPanel, int toPanel, Workspace workspace) {
        if (weights.takesIntegers()) {
            IntegerRows.multiply(out, in, weights, fromPanel, toPanel, workspace);
            return;
        }
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
        Attention.attend(ATTENTION, out, query, fromRow, toRow, cache, layer, kvHead, spans, workspace);
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

    /** Adds exponentials up in floats, some in each lane, and such sums in double. */
    @Override
    public double total(float[] logits, int from, int to, float highest, double temperature) {
        float scale = (float) (1 / temperature);
        float[] exponentials = new float[TOTALED];
        float[] lanes = new float[LANES];
        double sum = 0;
        for (int first = from; first < to; first += TOTALED) {
            int count = Math.min(TOTALED, to - first);
            int whole = FLOATS.loopBound(count);
            for (int i = 0; i < whole; i += STEP) {
                FloatVector.fromArray(FLOATS, logits, first + i)
                        .sub(highest)
                        .mul(scale)
                        .intoArray(exponentials, i);
            }
            for (int i = whole; i < count; i++) {
                exponentials[i] = (logits[first + i] - highest) * scale;
            }
            int end = Matrix.padded(count);
            Arrays.fill(exponentials, count, end, Float.NEGATIVE_INFINITY);
            VectorMath.exp(exponentials, 0, end, 0);
            sum += VectorMath.sum(exponentials, 0, end, lanes);
        }
        return sum;
    }
}
