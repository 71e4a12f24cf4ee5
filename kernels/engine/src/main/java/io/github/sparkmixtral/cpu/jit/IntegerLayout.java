package io.github.sparkmixtral.cpu.jit;

/**
 * How a row of inputs lies in memory as integers of 16 bits. For each {@value #BLOCK} neighbours: the upper bytes and the lower bytes of
 * {@code x = 2 * round(input / (2 * scale))}, both with a sign, where {@code scale} is the largest magnitude's {@value #LARGEST}th part; then
 * the scale, the sums of {@code scale * x} over the block and over each of its halves as floats, and the sums of {@code -x / 2} over the
 * same as ints. {@code x} is even, so that these are whole numbers.
 */
public final class IntegerLayout {

    /** Inputs that share a scale. */
    public static final int BLOCK = 32;

    /** What the block's largest magnitude becomes. */
    public static final int LARGEST = 127 * 256;

    /** Smallest magnitude that is not taken for zero: below it, {@code 1 / scale} might be infinite. */
    public static final float SMALLEST = 1e-30f;

    /** What is taken from a byte whose upper bits are those of a quant: zero of a type without minima. */
    public static final int MIDDLE = 128;

    /** Bytes of a block. */
    public static final int BYTES = 96;

    // Where its parts begin.
    public static final int UPPER = 0;
    public static final int LOWER = BLOCK;
    public static final int SCALE = 2 * BLOCK;
    public static final int SUM = SCALE + Float.BYTES;
    public static final int HALF_SUMS = SUM + Float.BYTES;
    public static final int NEGATED_SUM = HALF_SUMS + 2 * Float.BYTES;
    public static final int NEGATED_HALF_SUMS = NEGATED_SUM + Integer.BYTES;

    private IntegerLayout() {}

    /** Bytes of a row. */
    public static int rowBytes(int columns) {
        return Math.ceilDiv(columns, BLOCK) * BYTES;
    }

    /** Where the floats {@code scale * x} are summed up: over a part of a block that has a scale of its own in the weights. */
    static int sum(int inputs, int part) {
        return inputs == BLOCK ? SUM : HALF_SUMS + part * Float.BYTES;
    }

    /** Where the same part's {@code -x / 2} are. */
    static int negatedSum(int inputs, int part) {
        return inputs == BLOCK ? NEGATED_SUM : NEGATED_HALF_SUMS + part * Integer.BYTES;
    }
}
