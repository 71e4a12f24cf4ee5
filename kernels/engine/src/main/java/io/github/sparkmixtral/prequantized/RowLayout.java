package io.github.sparkmixtral.prequantized;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.github.sparkmixtral.tensor.StoredTensor;
import java.util.Optional;

/**
 * Integers row by row: those of compressed-tensors, packed into words with their lowest value as 0, and signed bytes, as LLM.int8 of
 * bitsandbytes has them, too.
 *
 * @param weight {@code [rows, columns * bits / 32]} words, or {@code [rows, columns]} bytes
 * @param scales {@code [rows, groups]}, or one for all
 * @param unit by which scales are multiplied
 * @param zeros packed {@code [rows * bits / 32, groups]} words, or {@code [rows, groups]} bytes; empty where the lowest value is the
 *     negative of the largest one and one more
 */
record RowLayout(int bits, StoredTensor weight, StoredTensor scales, float unit, Optional<StoredTensor> zeros)
        implements IntegerRows.Layout {

    static boolean signedBytes(StoredTensor tensor) {
        return tensor.typeName().equals("I8");
    }

    @Override
    public void read(int first, int count, IntegerRows to) {
        int middle = 1 << bits - 1;
        int columns = to.columns();
        int wide = Math.toIntExact(weight.shape().getLast());
        for (int row = 0; row < count; row++) {
            long from = (long) (first + row) * wide;
            int[] words = signedBytes(weight) ? null : Stored.words(weight.data(), from, wide);
            for (int column = 0; column < columns; column++) {
                int code = words == null
                        ? weight.data().get(JAVA_BYTE, from + column) + middle
                        : Stored.bits(words, 0, 1, column, bits);
                to.codes()[row * columns + column] = (short) code;
            }
            scales(first + row, row, to);
            for (int group = 0; group < to.groups(); group++) {
                to.zeros()[row * to.groups() + group] =
                        zeros.isPresent() ? zero(zeros.get(), first + row, group, to.groups()) : middle;
            }
        }
    }

    private void scales(int row, int toRow, IntegerRows to) {
        int groups = to.groups();
        boolean one = scales.shape().stream().allMatch(dimension -> dimension == 1);
        Stored.floats(scales, one ? 0 : (long) row * groups, to.scales(), toRow * groups, groups);
        for (int group = 0; group < groups; group++) {
            to.scales()[toRow * groups + group] *= unit;
        }
    }

    private int zero(StoredTensor stored, int row, int group, int groups) {
        if (signedBytes(stored)) {
            return stored.data().get(JAVA_BYTE, (long) row * groups + group) + (1 << bits - 1);
        }
        int perWord = Integer.SIZE / bits;
        int word = stored.data().get(Stored.INT, ((long) row / perWord * groups + group) * Integer.BYTES);
        return word >>> row % perWord * bits & (1 << bits) - 1;
    }
}
