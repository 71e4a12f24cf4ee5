package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.jit.PanelLayout;
import io.github.sparkmixtral.cpu.jit.PanelLayout.Elements;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.QuantizedRow;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.Arena;
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
 * in an int. Its four bytes belong to four neighbours in a row; if the quants take 4 bits, the bytes' lower halves to the first four
 * and the upper ones to the others. Then the int is turned to the left until the first quant lies at the top of a float's fraction. Types of fewer bits take 4; those of 5 and 6, and
 * those whose 4 bits are indices of larger integers, take 8. For products of integers those of 5 and 6 bits take 6, {@linkplain
 * FoldedQuants folded}: memory is what one row waits for then, and products of floats would only be slowed down.
 *
 * <p>Other types are held as they are, {@code [columns, WIDTH]}.
 *
 * <p>For products in bfloat16 all types are held as such, rounded to the nearest, in panels of {@value #BFLOAT16_WIDTH} outputs:
 * {@code [BFLOAT16_WIDTH / WIDTH, bfloat16Columns / 2, WIDTH, 2]}, two neighbouring inputs side by side, those past the last one zero.
 *
 * @param tensor the weights as their file has them; all there is where nothing is packed
 * @param panels {@link #bytes} bytes, yet to be {@linkplain #pack packed}
 */
public record PackedMatrix(Tensor tensor, Packing packing, MemorySegment panels) {

    /** Outputs of a panel, but for products in bfloat16. */
    static final int WIDTH = 32;

    /** Outputs of a panel in bfloat16: what makes a call of the library worth its while. */
    static final int BFLOAT16_WIDTH = 4 * WIDTH;

    /** Bits below a float's exponent. */
    static final int FRACTION = 23;

    /** What {@link #bfloat16Columns} is a multiple of. */
    static final int BFLOAT16_COLUMNS = 32;

    /** Half of the last place of a bfloat16, among the bits of a float: what rounding to the nearest one adds. */
    static final int BFLOAT16_HALF = 1 << 15;

    private static final int BFLOAT16_INFINITY = 0x7F80;

    // Of four bfloat16 in a long: the exponent of a number that is not finite carries into its sign.
    private static final long EXPONENTS = 0x7F807F807F807F80L;
    private static final long LAST_PLACES = 0x0080008000800080L;
    private static final long SIGNS = 0x8000800080008000L;

    /** The number 1 in each byte of an int. */
    private static final int BYTE_EACH = 0x01010101;

    private static final int HALF_INFINITY = 0x7C00;
    private static final long ALIGNMENT = 64;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Bytes that the panels of a tensor take: a multiple of {@value #ALIGNMENT}, and none where nothing is packed. */
    static long bytes(Tensor tensor, Packing packing) {
        PackedMatrix matrix = new PackedMatrix(tensor, packing, MemorySegment.NULL);
        return packing == Packing.NONE ? 0 : matrix.panelCount() * matrix.panelBytes();
    }

    /**
     * Packs a tensor, with the calling thread alone.
     *
     * @param arena owns the panels
     * @throws ModelException as {@link #pack}
     */
    public static PackedMatrix of(Tensor tensor, Packing packing, Arena arena) {
        PackedMatrix matrix = new PackedMatrix(tensor, packing, arena.allocate(bytes(tensor, packing), ALIGNMENT));
        for (int panel = 0; panel < matrix.panelCount(); panel++) {
            matrix.pack(panel);
        }
        return matrix;
    }

    /** Bits that an element takes, where it is not held in bfloat16. */
    int bits() {
        return switch (tensor.type()) {
            case Q4_0, Q4_1, Q2_K, Q3_K, Q4_K, TQ1_0, TQ2_0, NF4 -> 4;
            case Q5_0, Q5_1, Q5_K, Q6_K -> takesIntegers() ? PanelLayout.FOLDED_BITS : 8;
            case Q8_0, IQ4_NL, IQ4_XS, MXFP4 -> 8;
            case F16, BF16 -> 16;
            case F32 -> 32;
        };
    }

    /** Whether quants are {@linkplain FoldedQuants folded}. */
    boolean isFolded() {
        return bits() == PanelLayout.FOLDED_BITS;
    }

    /** How many panels there are. */
    public int panelCount() {
        return Math.ceilDiv(tensor.rows(), width());
    }

    /** Outputs of a panel. */
    int width() {
        return packing == Packing.BFLOAT16 ? BFLOAT16_WIDTH : WIDTH;
    }

    int firstOutput(int panel) {
        return panel * width();
    }

    /** Outputs of a panel that the matrix has: fewer than its width in the last one, perhaps. */
    public int outputs(int panel) {
        return Math.min(width(), tensor.rows() - firstOutput(panel));
    }

    int columns() {
        return tensor.columns();
    }

    TensorType type() {
        return tensor.type();
    }

    /** Whether products take the {@linkplain Matrix#integers integers} of their inputs. */
    boolean takesIntegers() {
        return packing == Packing.INTEGERS && type().isQuantized() && !type().isTable();
    }

    /** Whether the parts of a block have factors. */
    boolean factored() {
        return type().blockSize() > type().scaleBlock();
    }

    /** What is added to a quant so that it is not negative. */
    int zero() {
        return type().isAffine() ? 0 : 1 << bits() - 1;
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
        int words = column * bits() / Integer.SIZE;
        return (long) (words * WIDTH + output) * Integer.BYTES;
    }

    /**
     * Reads the ints that begin with an input's quants, turned back, for each output of a panel.
     *
     * @param words for {@code WIDTH} ints; folded quants become bytes with the quants on top and zeros below
     */
    void words(int panel, int column, int[] words) {
        long at = panel * panelBytes() + quants();
        if (isFolded()) {
            FoldedQuants.unfold(panels, at, column, words);
            return;
        }
        for (int output = 0; output < WIDTH; output++) {
            words[output] = Integer.rotateRight(panels.get(INT, at + quants(column, output)), FRACTION - bits());
        }
    }

    /** The layout for kernels in machine code, of panels that are not in bfloat16. */
    PanelLayout layout() {
        Elements elements = switch (type()) {
            case F32 -> Elements.FLOATS;
            case F16 -> Elements.HALVES;
            case BF16 -> Elements.BFLOAT16;
            default -> quantElements();
        };
        return new PanelLayout(
                elements,
                bits(),
                columns(),
                type().blockSize(),
                type().scaleBlock(),
                type().isAffine(),
                zero(),
                Math.toIntExact(minimumHalves()),
                Math.toIntExact(factors()),
                Math.toIntExact(minimumFactors()),
                Math.toIntExact(quants()));
    }

    private Elements quantElements() {
        if (isFolded()) {
            return Elements.FOLDED_QUANTS;
        }
        return type().isTable() ? Elements.INDICES : Elements.QUANTS;
    }

    /** Inputs of a panel in bfloat16, zeros past the last one among them. */
    int bfloat16Columns() {
        return Math.ceilDiv(columns(), BFLOAT16_COLUMNS) * BFLOAT16_COLUMNS;
    }

    /** Bytes from one panel to the next. */
    long panelBytes() {
        long bytes = packing == Packing.BFLOAT16
                ? (long) bfloat16Columns() * BFLOAT16_WIDTH * Short.BYTES
                : quants() + (long) columns() * WIDTH * bits() / Byte.SIZE;
        return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    }

    /**
     * Fills one panel from the tensor.
     *
     * @throws ModelException where a number in half precision is infinite or not a number: kernels do without that case
     */
    void pack(int panel) {
        switch (packing) {
            case NONE -> {}
            case FLOATS, INTEGERS -> {
                if (type().isQuantized()) {
                    packQuants(panel);
                } else {
                    packElements(panel);
                }
            }
            case BFLOAT16 -> packBfloat16(panel);
        }
    }

    private void packQuants(int panel) {
        QuantizedRow row = new QuantizedRow(tensor);
        int bits = bits();
        // Four at a time: if zero is the middle of what so many bits hold, to add it is to turn the highest of them
        // over.
        int[] quants = new int[columns() / Integer.BYTES];
        int mask = ((1 << bits) - 1) * BYTE_EACH;
        int zeros = zero() * BYTE_EACH;
        int[] words = new int[columns() * bits / Integer.SIZE * WIDTH];
        short[] halves = new short[row.halves().length * WIDTH];
        short[] minimumHalves = new short[row.minimumHalves().length * WIDTH];
        byte[] factors = new byte[row.factors().length * WIDTH];
        byte[] minimumFactors = new byte[row.minimumFactors().length * WIDTH];
        for (int output = 0; output < outputs(panel); output++) {
            row.read(panel * WIDTH + output);
            MemorySegment.copy(MemorySegment.ofArray(row.quants()), INT, 0, quants, 0, quants.length);
            for (int i = 0; i < quants.length; i++) {
                quants[i] = quants[i] & mask ^ zeros;
            }
            if (isFolded()) {
                FoldedQuants.fold(quants, words, output);
            } else {
                join(quants, words, output);
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

    /** Writes an output's ints of 4 or 8 bits a quant, from ints of four quants. */
    private void join(int[] quants, int[] words, int output) {
        int bits = bits();
        int perWord = Byte.SIZE / bits;
        for (int i = 0, at = output; i < quants.length; i += perWord, at += WIDTH) {
            int word = perWord > 1 ? quants[i] | quants[i + 1] << bits : quants[i];
            words[at] = Integer.rotateLeft(word, FRACTION - bits);
        }
    }

    private void packElements(int panel) {
        long at = panel * panelBytes();
        RowReader reader = new RowReader(tensor);
        if (type() == TensorType.F32) {
            int[] row = new int[columns()];
            int[] elements = new int[columns() * WIDTH];
            for (int output = 0; output < outputs(panel); output++) {
                MemorySegment.copy(reader.row(panel * WIDTH + output), INT, 0, row, 0, row.length);
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
                readHalves(reader, panel, output + i, rows[i]);
            }
            interleave(rows[0], rows[1], rows[2], rows[3], elements, output / 4);
        }
        MemorySegment.copy(elements, 0, panels, LONG, at, elements.length);
    }

    private void packBfloat16(int panel) {
        RowReader reader = new RowReader(tensor);
        float[] decoded = new float[bfloat16Columns()];
        short[][] rows = new short[4][bfloat16Columns()];
        int pairs = bfloat16Columns() / 2;
        long[] elements = new long[pairs * BFLOAT16_WIDTH / 2];
        for (int output = 0; output < outputs(panel); output += 4) {
            for (int i = 0; i < 4; i++) {
                round(reader, panel, output + i, decoded, rows[i]);
            }
            int at = (output / WIDTH * pairs * WIDTH + output % WIDTH) / 2;
            long overflows = 0;
            for (int i = 0; i < pairs; i++, at += WIDTH / 2) {
                long low = pair(rows[0], i) & 0xFFFFFFFFL | (long) pair(rows[1], i) << 32;
                long high = pair(rows[2], i) & 0xFFFFFFFFL | (long) pair(rows[3], i) << 32;
                overflows |= (low & EXPONENTS) + LAST_PLACES | (high & EXPONENTS) + LAST_PLACES;
                elements[at] = low;
                elements[at + 1] = high;
            }
            for (int i = 0; (overflows & SIGNS) != 0 && i < 4; i++) {
                requireFinite(rows[i], BFLOAT16_INFINITY, panel, output + i);
            }
        }
        MemorySegment.copy(elements, 0, panels, LONG, panel * panelBytes(), elements.length);
    }

    /** Reads an output's weights as bfloat16, zeros where there is no such output. */
    private void round(RowReader reader, int panel, int output, float[] decoded, short[] rounded) {
        if (output >= outputs(panel)) {
            Arrays.fill(rounded, (short) 0);
            return;
        }
        MemorySegment row = reader.row(firstOutput(panel) + output);
        if (type() == TensorType.BF16) {
            MemorySegment.copy(row, SHORT, 0, rounded, 0, columns());
        } else {
            type().decode(row, 0, decoded, 0, columns());
            for (int i = 0; i < rounded.length; i++) {
                rounded[i] = (short) (Float.floatToRawIntBits(decoded[i]) + BFLOAT16_HALF >> 16);
            }
        }
    }

    private static int pair(short[] row, int i) {
        return row[2 * i] & 0xFFFF | row[2 * i + 1] << 16;
    }

    private void readHalves(RowReader reader, int panel, int output, short[] row) {
        if (output >= outputs(panel)) {
            Arrays.fill(row, (short) 0);
            return;
        }
        MemorySegment.copy(reader.row(panel * WIDTH + output), SHORT, 0, row, 0, row.length);
        if (type() == TensorType.F16) {
            requireFinite(row, HALF_INFINITY, panel, output);
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
        requireFinite(from, HALF_INFINITY, panel, output);
        for (int i = 0; i < from.length; i++) {
            to[i * WIDTH + output] = from[i];
        }
    }

    /** @param infinity bits of an infinite number in the elements' format */
    private void requireFinite(short[] elements, int infinity, int panel, int output) {
        int largest = 0;
        for (short element : elements) {
            largest = Math.max(largest, element & 0x7FFF);
        }
        if (largest < infinity) {
            return;
        }
        throw new ModelException("row " + (firstOutput(panel) + output) + " of tensor " + tensor.name() + " ("
                + tensor.type() + ") holds a number that is infinite or not a number; the file is damaged");
    }
}
