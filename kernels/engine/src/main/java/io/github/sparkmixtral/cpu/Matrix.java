package io.github.sparkmixtral.cpu;

/**
 * Activations {@code [rows, columns]} on the heap, row-major, each row {@code stride} floats long. The elements between
 * {@code columns} and {@code stride} are zero and stay so, which lets a kernel run over whole vectors without a tail.
 */
public record Matrix(float[] data, int columns, int stride) {

    /** Rows are padded to a multiple of this: the lanes over which a dot product is spread, whatever the machine's vectors. */
    public static final int LANES = 16;

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
}
