package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.jit.IntegerLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Activations {@code [rows, columns]} on the heap, row-major, each row {@code stride} floats long. The elements between
 * {@code columns} and {@code stride} are zero and stay so, which lets a kernel run over whole vectors without a tail.
 *
 * @param integers the same as {@linkplain IntegerLayout integers}, each row as long as {@link IntegerLayout#rowBytes} says, if kernels
 *     {@linkplain Kernels#prepare prepare} their inputs so; else nothing
 */
public record Matrix(float[] data, int columns, int stride, MemorySegment integers) {

    /** Rows are padded to a multiple of this: the lanes over which a dot product is spread, whatever the machine's vectors. */
    public static final int LANES = 16;

    /** Without integers. */
    public Matrix(float[] data, int columns, int stride) {
        this(data, columns, stride, MemorySegment.NULL);
    }

    /** Zeros {@code [rows, columns]}, with room for integers. */
    static Matrix withIntegers(int rows, int columns) {
        Matrix floats = zeros(rows, columns);
        long bytes = (long) rows * IntegerLayout.rowBytes(columns);
        return new Matrix(floats.data, columns, floats.stride, Arena.ofAuto().allocate(bytes, 64));
    }

    /** Zeros {@code [rows, columns]}. */
    public static Matrix zeros(int rows, int columns) {
        int stride = stride(columns);
        return new Matrix(new float[Math.multiplyExact(rows, stride)], columns, stride);
    }

    /**
     * Floats from one row of {@link #zeros} to the next: some more than the columns take, so that the same column of many rows does not
     * fall into the same set of a cache, as it would with columns that are a power of two.
     */
    static int stride(int columns) {
        return padded(columns) + LANES;
    }

    static int padded(int columns) {
        return Math.ceilDiv(columns, LANES) * LANES;
    }

    /** Index in {@link #data} of the first element of a row. */
    public int offset(int row) {
        return row * stride;
    }

    boolean hasIntegers() {
        return integers.byteSize() > 0;
    }

    /** Byte in {@link #integers} of the first of a row. */
    long integersOffset(int row) {
        return (long) row * IntegerLayout.rowBytes(columns);
    }

    /** Copies a row of another matrix of the same shape, or of this one. */
    void copyRow(int row, Matrix from, int fromRow) {
        System.arraycopy(from.data, from.offset(fromRow), data, offset(row), columns);
        if (hasIntegers()) {
            MemorySegment.copy(
                    from.integers,
                    from.integersOffset(fromRow),
                    integers,
                    integersOffset(row),
                    IntegerLayout.rowBytes(columns));
        }
    }
}
