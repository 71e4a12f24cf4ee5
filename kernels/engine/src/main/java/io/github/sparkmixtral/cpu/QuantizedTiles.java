package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;
import static io.github.sparkmixtral.cpu.VectorMath.INTS;

import io.github.sparkmixtral.cpu.jit.PanelLayout;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Products of few rows with a panel of quantized weights, which are decoded in registers: writing them to memory in between, as
 * {@link PanelTiles} does, would take longer than all the rest, and would hold up the stream of weights from memory.
 *
 * <p>A tile is some rows of activations by two vectors of outputs. All accumulators stay in registers; the body of the loop is just
 * small enough for the compiler to inline every vector operation.
 */
final class QuantizedTiles {

    /** Most rows for which this is the faster way. */
    static final int ROWS = 16;

    /** Rows past the last one to which a tile may write. */
    static final int SPARE_ROWS = 3;

    private static final int STEP = FLOATS.length();
    private static final int WIDTH = PackedMatrix.WIDTH;
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    private QuantizedTiles() {}

    /**
     * Adds the products of some rows' inputs {@code [column, column + columns)}. Rows go eight, four, two at a time; five to seven
     * go as eight and three as four, the last one computed more than once.
     */
    static void multiply(
            Matrix in,
            int[] inRows,
            int fromRow,
            int rows,
            PackedMatrix weights,
            int panel,
            int column,
            int columns,
            Workspace workspace) {
        PanelDecoder.scales(weights, panel, column, columns, workspace);
        long first = panel * weights.panelBytes() + weights.quants();
        for (int lane = 0; lane < WIDTH; lane += 2 * STEP) {
            long v = first + weights.quants(column, lane);
            long w = first + weights.quants(column, lane + STEP);
            for (int row = 0; row < rows; ) {
                int tile = tile(rows - row);
                int[] x = workspace.rows;
                for (int i = 0; i < tile; i++) {
                    x[i] = in.offset(inRows[fromRow + Math.min(row + i, rows - 1)]) + column;
                }
                multiply(tile, in.data(), x, weights, v, w, columns, lane, row * WIDTH + lane, workspace);
                row += tile;
            }
        }
    }

    private static int tile(int rows) {
        if (rows > 4) {
            return 8;
        }
        return rows > 2 ? 4 : rows;
    }

    private static void multiply(
            int tile,
            float[] in,
            int[] x,
            PackedMatrix weights,
            long v,
            long w,
            int columns,
            int lane,
            int to,
            Workspace workspace) {
        MemorySegment data = weights.panels();
        int bits = weights.bits();
        int block = weights.type().scaleBlock();
        switch (tile) {
            case 8 ->
                eight(
                        in, x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], data, v, w, bits, block, columns, lane, to,
                        workspace);
            case 4 -> four(in, x[0], x[1], x[2], x[3], data, v, w, bits, block, columns, lane, to, workspace);
            case 2 -> two(in, x[0], x[1], data, v, w, bits, block, columns, lane, to, workspace);
            default -> one(in, x[0], data, v, w, bits, block, columns, lane, to, workspace);
        }
    }

    /** Adds to the products of eight rows, {@code WIDTH} apart. */
    private static void eight(
            float[] x,
            int x0,
            int x1,
            int x2,
            int x3,
            int x4,
            int x5,
            int x6,
            int x7,
            MemorySegment data,
            long atV,
            long atW,
            int bits,
            int block,
            int columns,
            int lane,
            int to,
            Workspace workspace) {
        float[] multipliers = workspace.multipliers;
        float[] offsets = workspace.offsets;
        float[] products = workspace.products;
        IntVector mask = IntVector.broadcast(INTS, (1 << bits) - 1 << PackedMatrix.FRACTION - bits);
        IntVector one = IntVector.broadcast(INTS, PanelDecoder.ONE);
        FloatVector a0 = FloatVector.fromArray(FLOATS, products, to);
        FloatVector b0 = FloatVector.fromArray(FLOATS, products, to + STEP);
        FloatVector a1 = FloatVector.fromArray(FLOATS, products, to + WIDTH);
        FloatVector b1 = FloatVector.fromArray(FLOATS, products, to + WIDTH + STEP);
        FloatVector a2 = FloatVector.fromArray(FLOATS, products, to + 2 * WIDTH);
        FloatVector b2 = FloatVector.fromArray(FLOATS, products, to + 2 * WIDTH + STEP);
        FloatVector a3 = FloatVector.fromArray(FLOATS, products, to + 3 * WIDTH);
        FloatVector b3 = FloatVector.fromArray(FLOATS, products, to + 3 * WIDTH + STEP);
        FloatVector a4 = FloatVector.fromArray(FLOATS, products, to + 4 * WIDTH);
        FloatVector b4 = FloatVector.fromArray(FLOATS, products, to + 4 * WIDTH + STEP);
        FloatVector a5 = FloatVector.fromArray(FLOATS, products, to + 5 * WIDTH);
        FloatVector b5 = FloatVector.fromArray(FLOATS, products, to + 5 * WIDTH + STEP);
        FloatVector a6 = FloatVector.fromArray(FLOATS, products, to + 6 * WIDTH);
        FloatVector b6 = FloatVector.fromArray(FLOATS, products, to + 6 * WIDTH + STEP);
        FloatVector a7 = FloatVector.fromArray(FLOATS, products, to + 7 * WIDTH);
        FloatVector b7 = FloatVector.fromArray(FLOATS, products, to + 7 * WIDTH + STEP);
        for (int first = 0, scale = lane; first < columns; first += block, scale += WIDTH) {
            FloatVector multiplierV = FloatVector.fromArray(FLOATS, multipliers, scale);
            FloatVector multiplierW = FloatVector.fromArray(FLOATS, multipliers, scale + STEP);
            FloatVector offsetV = FloatVector.fromArray(FLOATS, offsets, scale);
            FloatVector offsetW = FloatVector.fromArray(FLOATS, offsets, scale + STEP);
            for (int c = first; c < first + block; c++) {
                long word = (long) (c * bits >> 5) * WIDTH * Integer.BYTES;
                FloatVector v = IntVector.fromMemorySegment(INTS, data, atV + word, ORDER)
                        .lanewise(VectorOperators.ROR, PanelLayout.turn(c, bits))
                        .and(mask)
                        .or(one)
                        .reinterpretAsFloats()
                        .fma(multiplierV, offsetV);
                FloatVector w = IntVector.fromMemorySegment(INTS, data, atW + word, ORDER)
                        .lanewise(VectorOperators.ROR, PanelLayout.turn(c, bits))
                        .and(mask)
                        .or(one)
                        .reinterpretAsFloats()
                        .fma(multiplierW, offsetW);
                FloatVector u = FloatVector.broadcast(FLOATS, x[x0 + c]);
                a0 = u.fma(v, a0);
                b0 = u.fma(w, b0);
                u = FloatVector.broadcast(FLOATS, x[x1 + c]);
                a1 = u.fma(v, a1);
                b1 = u.fma(w, b1);
                u = FloatVector.broadcast(FLOATS, x[x2 + c]);
                a2 = u.fma(v, a2);
                b2 = u.fma(w, b2);
                u = FloatVector.broadcast(FLOATS, x[x3 + c]);
                a3 = u.fma(v, a3);
                b3 = u.fma(w, b3);
                u = FloatVector.broadcast(FLOATS, x[x4 + c]);
                a4 = u.fma(v, a4);
                b4 = u.fma(w, b4);
                u = FloatVector.broadcast(FLOATS, x[x5 + c]);
                a5 = u.fma(v, a5);
                b5 = u.fma(w, b5);
                u = FloatVector.broadcast(FLOATS, x[x6 + c]);
                a6 = u.fma(v, a6);
                b6 = u.fma(w, b6);
                u = FloatVector.broadcast(FLOATS, x[x7 + c]);
                a7 = u.fma(v, a7);
                b7 = u.fma(w, b7);
            }
        }
        a0.intoArray(products, to);
        b0.intoArray(products, to + STEP);
        a1.intoArray(products, to + WIDTH);
        b1.intoArray(products, to + WIDTH + STEP);
        a2.intoArray(products, to + 2 * WIDTH);
        b2.intoArray(products, to + 2 * WIDTH + STEP);
        a3.intoArray(products, to + 3 * WIDTH);
        b3.intoArray(products, to + 3 * WIDTH + STEP);
        a4.intoArray(products, to + 4 * WIDTH);
        b4.intoArray(products, to + 4 * WIDTH + STEP);
        a5.intoArray(products, to + 5 * WIDTH);
        b5.intoArray(products, to + 5 * WIDTH + STEP);
        a6.intoArray(products, to + 6 * WIDTH);
        b6.intoArray(products, to + 6 * WIDTH + STEP);
        a7.intoArray(products, to + 7 * WIDTH);
        b7.intoArray(products, to + 7 * WIDTH + STEP);
    }

    /** See {@link #eight}. */
    private static void four(
            float[] x,
            int x0,
            int x1,
            int x2,
            int x3,
            MemorySegment data,
            long atV,
            long atW,
            int bits,
            int block,
            int columns,
            int lane,
            int to,
            Workspace workspace) {
        float[] multipliers = workspace.multipliers;
        float[] offsets = workspace.offsets;
        float[] products = workspace.products;
        IntVector mask = IntVector.broadcast(INTS, (1 << bits) - 1 << PackedMatrix.FRACTION - bits);
        IntVector one = IntVector.broadcast(INTS, PanelDecoder.ONE);
        FloatVector a0 = FloatVector.fromArray(FLOATS, products, to);
        FloatVector b0 = FloatVector.fromArray(FLOATS, products, to + STEP);
        FloatVector a1 = FloatVector.fromArray(FLOATS, products, to + WIDTH);
        FloatVector b1 = FloatVector.fromArray(FLOATS, products, to + WIDTH + STEP);
        FloatVector a2 = FloatVector.fromArray(FLOATS, products, to + 2 * WIDTH);
        FloatVector b2 = FloatVector.fromArray(FLOATS, products, to + 2 * WIDTH + STEP);
        FloatVector a3 = FloatVector.fromArray(FLOATS, products, to + 3 * WIDTH);
        FloatVector b3 = FloatVector.fromArray(FLOATS, products, to + 3 * WIDTH + STEP);
        for (int first = 0, scale = lane; first < columns; first += block, scale += WIDTH) {
            FloatVector multiplierV = FloatVector.fromArray(FLOATS, multipliers, scale);
            FloatVector multiplierW = FloatVector.fromArray(FLOATS, multipliers, scale + STEP);
            FloatVector offsetV = FloatVector.fromArray(FLOATS, offsets, scale);
            FloatVector offsetW = FloatVector.fromArray(FLOATS, offsets, scale + STEP);
            for (int c = first; c < first + block; c++) {
                long word = (long) (c * bits >> 5) * WIDTH * Integer.BYTES;
                FloatVector v = IntVector.fromMemorySegment(INTS, data, atV + word, ORDER)
                        .lanewise(VectorOperators.ROR, PanelLayout.turn(c, bits))
                        .and(mask)
                        .or(one)
                        .reinterpretAsFloats()
                        .fma(multiplierV, offsetV);
                FloatVector w = IntVector.fromMemorySegment(INTS, data, atW + word, ORDER)
                        .lanewise(VectorOperators.ROR, PanelLayout.turn(c, bits))
                        .and(mask)
                        .or(one)
                        .reinterpretAsFloats()
                        .fma(multiplierW, offsetW);
                FloatVector u = FloatVector.broadcast(FLOATS, x[x0 + c]);
                a0 = u.fma(v, a0);
                b0 = u.fma(w, b0);
                u = FloatVector.broadcast(FLOATS, x[x1 + c]);
                a1 = u.fma(v, a1);
                b1 = u.fma(w, b1);
                u = FloatVector.broadcast(FLOATS, x[x2 + c]);
                a2 = u.fma(v, a2);
                b2 = u.fma(w, b2);
                u = FloatVector.broadcast(FLOATS, x[x3 + c]);
                a3 = u.fma(v, a3);
                b3 = u.fma(w, b3);
            }
        }
        a0.intoArray(products, to);
        b0.intoArray(products, to + STEP);
        a1.intoArray(products, to + WIDTH);
        b1.intoArray(products, to + WIDTH + STEP);
        a2.intoArray(products, to + 2 * WIDTH);
        b2.intoArray(products, to + 2 * WIDTH + STEP);
        a3.intoArray(products, to + 3 * WIDTH);
        b3.intoArray(products, to + 3 * WIDTH + STEP);
    }

    /** See {@link #eight}. */
    private static void two(
            float[] x,
            int x0,
            int x1,
            MemorySegment data,
            long atV,
            long atW,
            int bits,
            int block,
            int columns,
            int lane,
            int to,
            Workspace workspace) {
        float[] multipliers = workspace.multipliers;
        float[] offsets = workspace.offsets;
        float[] products = workspace.products;
        IntVector mask = IntVector.broadcast(INTS, (1 << bits) - 1 << PackedMatrix.FRACTION - bits);
        IntVector one = IntVector.broadcast(INTS, PanelDecoder.ONE);
        FloatVector a0 = FloatVector.fromArray(FLOATS, products, to);
        FloatVector b0 = FloatVector.fromArray(FLOATS, products, to + STEP);
        FloatVector a1 = FloatVector.fromArray(FLOATS, products, to + WIDTH);
        FloatVector b1 = FloatVector.fromArray(FLOATS, products, to + WIDTH + STEP);
        for (int first = 0, scale = lane; first < columns; first += block, scale += WIDTH) {
            FloatVector multiplierV = FloatVector.fromArray(FLOATS, multipliers, scale);
            FloatVector multiplierW = FloatVector.fromArray(FLOATS, multipliers, scale + STEP);
            FloatVector offsetV = FloatVector.fromArray(FLOATS, offsets, scale);
            FloatVector offsetW = FloatVector.fromArray(FLOATS, offsets, scale + STEP);
            for (int c = first; c < first + block; c++) {
                long word = (long) (c * bits >> 5) * WIDTH * Integer.BYTES;
                FloatVector v = IntVector.fromMemorySegment(INTS, data, atV + word, ORDER)
                        .lanewise(VectorOperators.ROR, PanelLayout.turn(c, bits))
                        .and(mask)
                        .or(one)
                        .reinterpretAsFloats()
                        .fma(multiplierV, offsetV);
                FloatVector w = IntVector.fromMemorySegment(INTS, data, atW + word, ORDER)
                        .lanewise(VectorOperators.ROR, PanelLayout.turn(c, bits))
                        .and(mask)
                        .or(one)
                        .reinterpretAsFloats()
                        .fma(multiplierW, offsetW);
                FloatVector u = FloatVector.broadcast(FLOATS, x[x0 + c]);
                a0 = u.fma(v, a0);
                b0 = u.fma(w, b0);
                u = FloatVector.broadcast(FLOATS, x[x1 + c]);
                a1 = u.fma(v, a1);
                b1 = u.fma(w, b1);
            }
        }
        a0.intoArray(products, to);
        b0.intoArray(products, to + STEP);
        a1.intoArray(products, to + WIDTH);
        b1.intoArray(products, to + WIDTH + STEP);
    }

    /**
     * See {@link #eight}; the one that memory holds up, so that it reads each int but once. Four inputs at a time, each from the int
     * as it was read, and the quants' bits are picked by a blend and not by {@code and} and {@code or}: either would cost copies of
     * registers.
     */
    private static void one(
            float[] x,
            int x0,
            MemorySegment data,
            long atV,
            long atW,
            int bits,
            int block,
            int columns,
            int lane,
            int to,
            Workspace workspace) {
        float[] multipliers = workspace.multipliers;
        float[] offsets = workspace.offsets;
        float[] products = workspace.products;
        IntVector rest = IntVector.broadcast(INTS, ~((1 << bits) - 1 << PackedMatrix.FRACTION - bits));
        IntVector one = IntVector.broadcast(INTS, PanelDecoder.ONE);
        FloatVector a = FloatVector.fromArray(FLOATS, products, to);
        FloatVector b = FloatVector.fromArray(FLOATS, products, to + STEP);
        int perWord = Integer.SIZE / bits;
        int words = block * bits / Integer.SIZE;
        int all = columns * bits / Integer.SIZE;
        for (int first = 0, scale = lane; first < all; first += words, scale += WIDTH) {
            FloatVector multiplierV = FloatVector.fromArray(FLOATS, multipliers, scale);
            FloatVector multiplierW = FloatVector.fromArray(FLOATS, multipliers, scale + STEP);
            FloatVector offsetV = FloatVector.fromArray(FLOATS, offsets, scale);
            FloatVector offsetW = FloatVector.fromArray(FLOATS, offsets, scale + STEP);
            for (int word = first; word < first + words; word++) {
                long offset = (long) word * WIDTH * Integer.BYTES;
                IntVector quantsV = IntVector.fromMemorySegment(INTS, data, atV + offset, ORDER);
                IntVector quantsW = IntVector.fromMemorySegment(INTS, data, atW + offset, ORDER);
                for (int c = word * perWord; c < (word + 1) * perWord; c += 4) {
                    FloatVector u = FloatVector.broadcast(FLOATS, x[x0 + c]);
                    FloatVector v = quantsV.lanewise(VectorOperators.BITWISE_BLEND, one, rest)
                            .reinterpretAsFloats();
                    a = v.fma(multiplierV, offsetV).fma(u, a);
                    FloatVector w = quantsW.lanewise(VectorOperators.BITWISE_BLEND, one, rest)
                            .reinterpretAsFloats();
                    b = w.fma(multiplierW, offsetW).fma(u, b);
                    u = FloatVector.broadcast(FLOATS, x[x0 + c + 1]);
                    v = quantsV.lanewise(VectorOperators.ROR, Byte.SIZE)
                            .lanewise(VectorOperators.BITWISE_BLEND, one, rest)
                            .reinterpretAsFloats();
                    a = v.fma(multiplierV, offsetV).fma(u, a);
                    w = quantsW.lanewise(VectorOperators.ROR, Byte.SIZE)
                            .lanewise(VectorOperators.BITWISE_BLEND, one, rest)
                            .reinterpretAsFloats();
                    b = w.fma(multiplierW, offsetW).fma(u, b);
                    u = FloatVector.broadcast(FLOATS, x[x0 + c + 2]);
                    v = quantsV.lanewise(VectorOperators.ROR, 2 * Byte.SIZE)
                            .lanewise(VectorOperators.BITWISE_BLEND, one, rest)
                            .reinterpretAsFloats();
                    a = v.fma(multiplierV, offsetV).fma(u, a);
                    w = quantsW.lanewise(VectorOperators.ROR, 2 * Byte.SIZE)
                            .lanewise(VectorOperators.BITWISE_BLEND, one, rest)
                            .reinterpretAsFloats();
                    b = w.fma(multiplierW, offsetW).fma(u, b);
                    u = FloatVector.broadcast(FLOATS, x[x0 + c + 3]);
                    v = quantsV.lanewise(VectorOperators.ROR, 3 * Byte.SIZE)
                            .lanewise(VectorOperators.BITWISE_BLEND, one, rest)
                            .reinterpretAsFloats();
                    a = v.fma(multiplierV, offsetV).fma(u, a);
                    w = quantsW.lanewise(VectorOperators.ROR, 3 * Byte.SIZE)
                            .lanewise(VectorOperators.BITWISE_BLEND, one, rest)
                            .reinterpretAsFloats();
                    b = w.fma(multiplierW, offsetW).fma(u, b);
                    quantsV = quantsV.lanewise(VectorOperators.ROR, Byte.SIZE / 2);
                    quantsW = quantsW.lanewise(VectorOperators.ROR, Byte.SIZE / 2);
                }
            }
        }
        a.intoArray(products, to);
        b.intoArray(products, to + STEP);
    }
}
