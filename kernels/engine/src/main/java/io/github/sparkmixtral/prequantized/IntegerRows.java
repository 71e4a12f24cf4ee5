package io.github.sparkmixtral.prequantized;

/**
 * Rows of unsigned integers, with a scale and a zero point for each group of a row: a weight is {@code scale * (code - zero)}.
 *
 * @param codes {@code [count, columns]}
 * @param scales {@code [count, groups]}
 * @param zeros {@code [count, groups]}
 */
record IntegerRows(int columns, int groups, short[] codes, float[] scales, int[] zeros) {

    IntegerRows(int count, int columns, int groups) {
        this(columns, groups, new short[count * columns], new float[count * groups], new int[count * groups]);
    }

    /** How a method stores them. */
    interface Layout {
        /** Reads the rows {@code [first, first + count)}. */
        void read(int first, int count, IntegerRows to);
    }
}
