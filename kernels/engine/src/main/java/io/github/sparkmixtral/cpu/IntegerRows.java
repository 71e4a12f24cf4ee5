package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.jit.IntegerLayout;
import io.github.sparkmixtral.cpu.jit.PanelLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Inputs as {@linkplain IntegerLayout integers}, and their products with quants, in plain Java: what kernels in machine code are held to bit
 * for bit, and what there is if they cannot run.
 */
final class IntegerRows {

    private static final int BLOCK = IntegerLayout.BLOCK;
    private static final int WIDTH = PackedMatrix.WIDTH;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private IntegerRows() {}

    /** Makes integers of a row of whole blocks. */
    static void make(Matrix matrix, int row) {
        for (int column = 0; column < matrix.columns(); column += BLOCK) {
            make(
                    matrix.data(),
                    matrix.offset(row) + column,
                    matrix.integers(),
                    matrix.integersOffset(row) + column / BLOCK * (long) IntegerLayout.BYTES);
        }
    }

    private static void make(float[] inputs, int from, MemorySegment to, long at) {
        int largest = Float.floatToRawIntBits(IntegerLayout.SMALLEST);
        for (int i = from; i < from + BLOCK; i++) {
            // Compared as ints, a number that is not one is larger than all others.
            largest = Math.max(largest, Float.floatToRawIntBits(inputs[i]) & Integer.MAX_VALUE);
        }
        float scale = Float.intBitsToFloat(largest) * (1f / IntegerLayout.LARGEST);
        float factor = IntegerLayout.LARGEST / 2 / Float.intBitsToFloat(largest);
        int[] sums = new int[2];
        for (int i = 0; i < BLOCK; i++) {
            int half = (int) Math.rint(inputs[from + i] * factor);
            sums[i / (BLOCK / 2)] += half;
            int upper = 2 * half + (1 << 7) >> Byte.SIZE;
            to.set(ValueLayout.JAVA_BYTE, at + IntegerLayout.UPPER + i, (byte) upper);
            to.set(ValueLayout.JAVA_BYTE, at + IntegerLayout.LOWER + i, (byte) (2 * half - (upper << Byte.SIZE)));
        }
        to.set(FLOAT, at + IntegerLayout.SCALE, scale);
        to.set(FLOAT, at + IntegerLayout.SUM, 2 * (sums[0] + sums[1]) * scale);
        to.set(INT, at + IntegerLayout.NEGATED_SUM, -(sums[0] + sums[1]));
        for (int i = 0; i < 2; i++) {
            to.set(FLOAT, at + IntegerLayout.HALF_SUMS + i * Float.BYTES, 2 * sums[i] * scale);
            to.set(INT, at + IntegerLayout.NEGATED_HALF_SUMS + i * Integer.BYTES, -sums[i]);
        }
    }

    /** See {@link Kernels#gemm}. */
    static void multiply(Matrix out, Rows in, PackedMatrix weights, int fromPanel, int toPanel, Workspace workspace) {
        for (int panel = fromPanel; panel < toPanel; panel++) {
            float[] products = workspace.products;
            Arrays.fill(products, 0, in.count() * WIDTH, 0);
            for (int column = 0; column < weights.columns(); column += Workspace.COLUMNS) {
                int columns = Math.min(Workspace.COLUMNS, weights.columns() - column);
                PanelDecoder.integerScales(weights, panel, column, columns, workspace);
                for (int row = 0; row < in.count(); row++) {
                    multiply(in, row, weights, panel, column, columns, workspace);
                }
            }
            for (int row = 0; row < in.count(); row++) {
                int to = out.offset(in.from() + row) + weights.firstOutput(panel);
                System.arraycopy(products, row * WIDTH, out.data(), to, weights.outputs(panel));
            }
        }
    }

    /** Adds a row's products of the inputs {@code [column, column + columns)}. */
    private static void multiply(
            Rows in, int row, PackedMatrix weights, int panel, int column, int columns, Workspace workspace) {
        int part = weights.type().scaleBlock();
        MemorySegment data = in.matrix().integers();
        int[] sums = new int[WIDTH];
        for (int from = 0; from < columns; from += part) {
            long at = in.matrix().integersOffset(in.indices()[in.from() + row])
                    + (column + from) / BLOCK * (long) IntegerLayout.BYTES;
            int first = (column + from) % BLOCK;
            boolean whole = part == BLOCK;
            int half = first / (BLOCK / 2);
            int negated = data.get(
                    INT,
                    at + (whole ? IntegerLayout.NEGATED_SUM : IntegerLayout.NEGATED_HALF_SUMS + half * Integer.BYTES));
            Arrays.fill(sums, 2 * IntegerLayout.MIDDLE * negated);
            add(data, at + first, weights, panel, column + from, part, sums);
            float scale = data.get(FLOAT, at + IntegerLayout.SCALE);
            float sum =
                    data.get(FLOAT, at + (whole ? IntegerLayout.SUM : IntegerLayout.HALF_SUMS + half * Float.BYTES));
            float[] products = workspace.products;
            int scales = from / part * WIDTH;
            for (int o = 0; o < WIDTH; o++) {
                float product = products[row * WIDTH + o];
                if (weights.type().isAffine()) {
                    product = Math.fma(workspace.offsets[scales + o], sum, product);
                }
                products[row * WIDTH + o] =
                        Math.fma((float) sums[o], workspace.multipliers[scales + o] * scale, product);
            }
        }
    }

    /** Adds the products of some inputs, from the first one's upper byte on, with quants, which take a byte's upper bits. */
    private static void add(
            MemorySegment data, long at, PackedMatrix weights, int panel, int column, int inputs, int[] sums) {
        int bits = weights.isFolded() ? Byte.SIZE : weights.bits();
        int up = Byte.SIZE - bits;
        int mask = (1 << bits) - 1;
        int[] words = new int[WIDTH];
        for (int i = 0; i < inputs; i++) {
            if (i * bits % Integer.SIZE == 0) {
                weights.words(panel, column + i, words);
            }
            int turn = PanelLayout.turn(i, bits);
            int x = data.get(ValueLayout.JAVA_BYTE, at + IntegerLayout.UPPER + i) * 256
                    + data.get(ValueLayout.JAVA_BYTE, at + IntegerLayout.LOWER + i);
            for (int o = 0; o < WIDTH; o++) {
                sums[o] += ((Integer.rotateRight(words[o], turn) & mask) << up) * x;
            }
        }
    }
}
