package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.model.ModelException;
import io.github.sparkmixtral.model.QuantizedRow;
import io.github.sparkmixtral.model.Tensor;
import io.github.sparkmixtral.model.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A matrix of weights in panels of {@value #WIDTH} outputs: what belongs to the same input of a panel's outputs lies side by side,
 * so that a vector holds neighbouring outputs and no sum runs across its lanes. Outputs past the last one are zero.
 *
 * <p>A panel of a quantized type holds one after another, each {@code [.., WIDTH]}: for each block of the type a number in half
 * precision; the same for the minima of an affine type; where the parts of a block have factors of their own, these as bytes, and
 * those of the minima; and last the quants, as non-negative integers of 4 or 8 bits, those of {@code 32 / bits} neighbouring inputs
 * in an int. The first of them has the int's lowest bits, and then the int is turned to the left until they lie at the top of a
 * float's fraction. Types of 5 and 6 bits take 8. Other types are held as they are, {@code [columns, WIDTH]}.
 *
 * @param tensor the weights as their file has them; all there is where nothing was packed
 * @param bits of an element: 4, 8, 16 or 32
 * @param panels {@link #bytes} bytes, or empty where nothing was packed
 */
record PackedMatrix(Tensor tensor, int bits, MemorySegment panels) {

    /** Outputs of a panel. */
    static final int WIDTH = 32;

    /** Bits below a float's exponent. */
    static final int FRACTION = 23;

    private static final long ALIGNMENT = 64;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** @param panels memory for the panels, yet to be {@linkplain #pack packed}, or empty where they are not needed */
    PackedMatrix(Tensor tensor, MemorySegment panels) {
        this(
                tensor,
                switch (tensor.type()) {
                    case Q4_0, Q4_1, Q4_K -> 4;
                    case Q5_0, Q5_1, Q5_K, Q6_K, Q8_0 -> 8;
                    case F16, BF16 -> 16;
                    case F32 -> 32;
                },
                panels);
    }

    /** Bytes that the panels of a tensor take: a multiple of {@value #ALIGNMENT}. */
    static long bytes(Tensor tensor) {
        PackedMatrix matrix = new PackedMatrix(tensor, MemorySegment.NULL);
        return matrix.panelCount() * matrix.panelBytes();
    }

    int panelCount() {
        return Math.ceilDiv(tensor.rows(), WIDTH);
    }

    /** Outputs of a panel that the matrix has: fewer than {@link #WIDTH} in the last one, perhaps. */
    int outputs(int panel) {
        return Math.min(WIDTH, tensor.rows() - panel * WIDTH);
    }

    int columns() {
        return tensor.columns();
    }

    TensorType type() {
        return tensor.type();
    }

    /** Whether the parts of a block have factors. */
    boolean factored() {
        return type().blockSize() > type().scaleBlock();
    }

    /** What is added to a quant so that it is not negative. */
    int zero() {
        return type().isAffine() ? 0 : 1 << bits - 1;
    }

    private long halvesBytes() {
        return type().isQuantized() ? (long) columns() / type().blockSize() * WIDTH * Short.BYTES : 0;
    }

    private long factorsBytes() {
        return factored() ? (long) columns() / type().scaleBlock() * WIDTH : 0;
    }

    /** Byte offset in a panel of the half-precision numbers in the minima. */
    long minimumHalves() {
        return halvesBytes();
    }

    /** Byte offset in a panel of the factors. */
    long factors() {
        return halvesBytes() * (type().isAffine() ? 2 : 1);
    }

    /** Byte offset in a panel of the factors of the minima. */
    long minimumFactors() {
        return factors() + factorsBytes();
    }

    /** Byte offset in a panel of the quants, or of the elements where the type is not quantized. */
    long quants() {
        return factors() + factorsBytes() * (type().isAffine() ? 2 : 1);
    }

    /** Byte offset from there of an output's quants of the inputs from {@code column}, which begins a block. */
    long quants(int column, int output) {
        int words = column * bits / Integer.SIZE;
        return (long) (words * WIDTH + output) * Integer.BYTES;
    }

    /** Bytes from one panel to the next. */
    long panelBytes() {
        long bytes = quants() + (long) columns() * WIDTH * bits / Byte.SIZE;
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    /**
     * Fills one panel from the tensor.
     *
     * @throws ModelException where a number in half precision is infinite or not a number: kernels do without that case
     */
    void pack(int panel) {
        if (type().isQuantized()) {
            packQuants(panel);
        } else {
            packElements(panel);
        }
    }

    private void packQuants(int panel) {
        QuantizedRow row = new QuantizedRow(tensor);
        int perWord = Integer.SIZE / bits;
        int zero = zero();
        int[] words = new int[columns() / perWord * WIDTH];
        short[] halves = new short[row.halves().length * WIDTH];
        short[] minimumHalves = new short[row.minimumHalves().length * WIDTH];
        byte[] factors = new byte[row.factors().length * WIDTH];
        byte[] minimumFactors = new byte[row.minimumFactors().length * WIDTH];
        for (int output = 0; output < outputs(panel); output++) {
            row.read(panel * WIDTH + output);
            byte[] quants = row.quants();
            for (int i = 0, at = output; i < quants.length; i += perWord, at += WIDTH) {
                int word = 0;
                for (int j = 0; j < perWord; j++) {
                    word |= quants[i + j] + zero << bits * j;
                }
                words[at] = Integer.rotateLeft(word, FRACTION - bits);
            }
            interleave(row.halves(), halves, output, panel);
            interleave(row.minimumHalves(), minimumHalves, output, panel);
            interleave(row.factors(), factors, output);
            interleave(row.minimumFactors(), minimumFactors, output);
        }
        long at = panel * panelBytes();
        MemorySegment.copy(halves, 0, panels, SHORT, at, halves.length);
        MemorySegment.copy(minimumHalves, 0, panels, SHORT, at + minimumHalves(), minimumHalves.length);
        MemorySegment.copy(factors, 0, panels, ValueLayout.JAVA_BYTE, at + factors(), factors.length);
        MemorySegment.copy(
                minimumFactors, 0, panels, ValueLayout.JAVA_BYTE, at + minimumFactors(), minimumFactors.length);
        MemorySegment.copy(words, 0, panels, INT, at + quants(), words.length);
    }

    private void packElements(int panel) {
        long at = panel * panelBytes();
        if (bits == 32) {
            int[] row = new int[columns()];
            int[] elements = new int[columns() * WIDTH];
            for (int output = 0; output < outputs(panel); output++) {
                long from = (panel * WIDTH + output) * tensor.rowBytes();
                MemorySegment.copy(tensor.data(), INT, from, row, 0, row.length);
                for (int i = 0; i < row.length; i++) {
                    elements[i * WIDTH + output] = row[i];
                }
            }
            MemorySegment.copy(elements, 0, panels, INT, at, elements.length);
            return;
        }
        // Four outputs at a time: stores to distant cache lines are what this takes its time for.
        short[][] rows = new short[4][columns()];
        long[] elements = new long[columns() * WIDTH / 4];
        for (int output = 0; output < outputs(panel); output += 4) {
            for (int i = 0; i < 4; i++) {
                readHalves(panel, output + i, rows[i]);
            }
            interleave(rows[0], rows[1], rows[2], rows[3], elements, output / 4);
        }
        MemorySegment.copy(elements, 0, panels, LONG, at, elements.length);
    }

    private void readHalves(int panel, int output, short[] row) {
        if (output >= outputs(panel)) {
            Arrays.fill(row, (short) 0);
            return;
        }
        long from = (panel * WIDTH + output) * tensor.rowBytes();
        MemorySegment.copy(tensor.data(), SHORT, from, row, 0, row.length);
        if (type() == TensorType.F16) {
            requireFinite(row, panel, output);
        }
    }

    private static void interleave(short[] first, short[] second, short[] third, short[] fourth, long[] to, int at) {
        for (int i = 0; i < first.length; i++) {
            int low = first[i] & 0xFFFF | second[i] << 16;
            int high = third[i] & 0xFFFF | fourth[i] << 16;
            to[i * (WIDTH / 4) + at] = low & 0xFFFFFFFFL | (long) high << 32;
        }
    }

    private static void interleave(byte[] from, byte[] to, int output) {
        for (int i = 0; i < from.length; i++) {
            to[i * WIDTH + output] = from[i];
        }
    }

    private void interleave(short[] from, short[] to, int output, int panel) {
        requireFinite(from, panel, output);
        for (int i = 0; i < from.length; i++) {
            to[i * WIDTH + output] = from[i];
        }
    }

    private void requireFinite(short[] halves, int panel, int output) {
        int largest = 0;
        for (short half : halves) {
            largest = Math.max(largest, half & 0x7FFF);
        }
        if (largest >= 0x7C00) {
            throw new ModelException("row " + (panel * WIDTH + output) + " of tensor " + tensor.name() + " ("
                    + tensor.type() + ") holds a number that is infinite or not a number; the file is damaged");
        }
    }
}
