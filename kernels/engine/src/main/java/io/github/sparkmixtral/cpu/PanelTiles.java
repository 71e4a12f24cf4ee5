package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;

/** Products of many rows with a part of a panel that was decoded into floats: each of these serves all rows. */
final class PanelTiles {

    private static final int STEP = FLOATS.length();
    private static final int WIDTH = PackedMatrix.WIDTH;
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    private PanelTiles() {}

    /**
     * Adds the products of some rows' inputs {@code [column, column + columns)}. Rows go six at a time, then two; where one is
     * left, it is computed twice.
     */
    static void multiply(Matrix in, int[] inRows, int fromRow, int rows, int column, int columns, Workspace workspace) {
        float[] products = workspace.products;
        MemorySegment panel = workspace.panel;
        int[] x = workspace.rows;
        for (int row = 0; row < rows; ) {
            int tile = rows - row >= 6 ? 6 : 2;
            for (int i = 0; i < tile; i++) {
                x[i] = in.offset(inRows[fromRow + Math.min(row + i, rows - 1)]) + column;
            }
            for (int lane = 0; lane < WIDTH; lane += 2 * STEP) {
                int to = row * WIDTH + lane;
                if (tile == 6) {
                    six(in.data(), x[0], x[1], x[2], x[3], x[4], x[5], panel, columns, lane, products, to);
                } else {
                    two(in.data(), x[0], x[1], panel, columns, lane, products, to);
                }
            }
            row += tile;
        }
    }

    /** Adds to the products of six rows, {@code WIDTH} apart, with two vectors of outputs. */
    private static void six(
            float[] x,
            int x0,
            int x1,
            int x2,
            int x3,
            int x4,
            int x5,
            MemorySegment panel,
            int columns,
            int lane,
            float[] products,
            int to) {
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
        for (int c = 0; c < columns; c++) {
            FloatVector v =
                    FloatVector.fromMemorySegment(FLOATS, panel, (c * (long) WIDTH + lane) * Float.BYTES, ORDER);
            FloatVector w =
                    FloatVector.fromMemorySegment(FLOATS, panel, (c * (long) WIDTH + lane + STEP) * Float.BYTES, ORDER);
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
    }

    /** See {@link #six}. */
    private static void two(
            float[] x, int x0, int x1, MemorySegment panel, int columns, int lane, float[] products, int to) {
        FloatVector a0 = FloatVector.fromArray(FLOATS, products, to);
        FloatVector b0 = FloatVector.fromArray(FLOATS, products, to + STEP);
        FloatVector a1 = FloatVector.fromArray(FLOATS, products, to + WIDTH);
        FloatVector b1 = FloatVector.fromArray(FLOATS, products, to + WIDTH + STEP);
        for (int c = 0; c < columns; c++) {
            FloatVector v =
                    FloatVector.fromMemorySegment(FLOATS, panel, (c * (long) WIDTH + lane) * Float.BYTES, ORDER);
            FloatVector w =
                    FloatVector.fromMemorySegment(FLOATS, panel, (c * (long) WIDTH + lane + STEP) * Float.BYTES, ORDER);
            FloatVector u = FloatVector.broadcast(FLOATS, x[x0 + c]);
            a0 = u.fma(v, a0);
            b0 = u.fma(w, b0);
            u = FloatVector.broadcast(FLOATS, x[x1 + c]);
            a1 = u.fma(v, a1);
            b1 = u.fma(w, b1);
        }
        a0.intoArray(products, to);
        b0.intoArray(products, to + STEP);
        a1.intoArray(products, to + WIDTH);
        b1.intoArray(products, to + WIDTH + STEP);
    }
}
