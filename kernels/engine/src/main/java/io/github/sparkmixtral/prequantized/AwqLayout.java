package io.github.sparkmixtral.prequantized;

import io.github.sparkmixtral.tensor.StoredTensor;
import java.lang.foreign.MemorySegment;

/**
 * AWQ (Lin et al. 2023) as AutoAWQ stores it for its kernel {@code gemm}: for each input words of eight outputs, and for each group
 * words of their zero points. The outputs of a word stand in the order 0, 2, 4, 6, 1, 3, 5, 7.
 *
 * @param qweight {@code [columns, rows / 8]} words
 * @param qzeros {@code [groups, rows / 8]} words
 * @param scales {@code [groups, rows]}
 */
record AwqLayout(int rows, StoredTensor qweight, StoredTensor qzeros, StoredTensor scales)
        implements IntegerRows.Layout {

    static final int PER_WORD = 8;

    /** Where the bits of an output begin in its word. */
    private static final int[] SHIFTS = {0, 16, 4, 20, 8, 24, 12, 28};

    @Override
    public void read(int first, int count, IntegerRows to) {
        int columns = to.columns();
        int groups = to.groups();
        int from = first / PER_WORD;
        int[] words = new int[Math.ceilDiv(first + count, PER_WORD) - from];
        for (int column = 0; column < columns; column++) {
            words(qweight, column, from, words);
            for (int row = 0; row < count; row++) {
                to.codes()[row * columns + column] = (short) nibble(words, first + row - from * PER_WORD);
            }
        }
        float[] scale = new float[count];
        for (int group = 0; group < groups; group++) {
            words(qzeros, group, from, words);
            Stored.floats(scales, (long) group * rows + first, scale, 0, count);
            for (int row = 0; row < count; row++) {
                to.zeros()[row * groups + group] = nibble(words, first + row - from * PER_WORD);
                to.scales()[row * groups + group] = scale[row];
            }
        }
    }

    private void words(StoredTensor tensor, int line, int from, int[] words) {
        long at = ((long) line * (rows / PER_WORD) + from) * Integer.BYTES;
        MemorySegment.copy(tensor.data(), Stored.INT, at, words, 0, words.length);
    }

    private static int nibble(int[] words, int output) {
        return words[output / PER_WORD] >>> SHIFTS[output % PER_WORD] & 0xF;
    }
}
