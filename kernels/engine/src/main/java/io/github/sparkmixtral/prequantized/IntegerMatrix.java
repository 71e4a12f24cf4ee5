package io.github.sparkmixtral.prequantized;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.RowSource;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * A matrix of integers with scales and zero points by group, as blocks of ours.
 *
 * <p>{@code Q4_0} and {@code Q8_0} take over integers and scales: exact, but for a scale that is not in half precision, which is
 * rounded to it. {@code Q4_1} takes over the integers and the scale, and rounds {@code -scale * zero} to half precision: a weight is off
 * by at most {@code 2^-11 * scale * zero}, so by less than a hundredth of the distance of two weights. {@code F16} rounds each weight.
 *
 * <p>Where neighbouring inputs have different scales (GPTQ's act-order), no block can hold that: weights of up to 4 bits are then rounded to
 * {@code Q8_0}, with an error of at most 1/254 of a block's largest weight.
 *
 * @param name of the tensor with the integers, for error messages
 * @param zeros what the zero point's tensor or option is called, for error messages
 * @param middle the zero point of weights that are called symmetric
 * @param groupSize columns of a group
 * @param groupOf {@code g_idx}: the group of each column
 * @param shuffled whether groups are anything but runs of {@code groupSize} columns
 */
record IntegerMatrix(
        String file,
        String name,
        String zeros,
        TensorType type,
        int middle,
        int columns,
        int groups,
        int groupSize,
        Optional<MemorySegment> groupOf,
        boolean shuffled,
        IntegerRows.Layout layout)
        implements RowSource {

    private static final int BLOCK = 32;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Override
    public void read(int first, int count, MemorySegment out) {
        IntegerRows rows = new IntegerRows(count, columns, groups);
        layout.read(first, count, rows);
        int[] groupOfColumn = groupOfColumn();
        for (int row = 0; row < count; row++) {
            MemorySegment to = out.asSlice(row * type.bytes(columns), type.bytes(columns));
            switch (type) {
                case Q4_0, Q4_1 -> nibbles(rows, row, first, to);
                case Q8_0 -> {
                    if (shuffled) {
                        type.encode(floats(rows, row, groupOfColumn), to, 0);
                    } else {
                        bytes(rows, row, first, to);
                    }
                }
                case F16 -> halves(floats(rows, row, groupOfColumn), to);
                default -> throw new AssertionError(type);
            }
        }
    }

    private int[] groupOfColumn() {
        int[] group = new int[columns];
        if (groupOf.isPresent()) {
            MemorySegment.copy(groupOf.get(), INT, 0, group, 0, columns);
        }
        for (int column = 0; column < columns; column++) {
            int inOrder = column / groupSize;
            if (groupOf.isEmpty()) {
                group[column] = inOrder;
            } else if (group[column] < 0 || group[column] >= groups) {
                throw refusal("g_idx puts input %d into the group %d of %d; the file is damaged"
                        .formatted(column, group[column], groups));
            } else if (!shuffled && group[column] != inOrder) {
                throw refusal(
                        "g_idx puts input %d into the group %d, which only desc_act true explains; correct it in the quantization's configuration"
                                .formatted(column, group[column]));
            }
        }
        return group;
    }

    private void nibbles(IntegerRows rows, int row, int first, MemorySegment to) {
        boolean affine = type == TensorType.Q4_1;
        for (int block = 0, at = 0; block < columns; block += BLOCK, at += type.blockBytes()) {
            int group = row * groups + block / groupSize;
            float scale = rows.scales()[group];
            int zero = rows.zeros()[group];
            to.set(SHORT, at, Float.floatToFloat16(scale));
            int quants = at + 2;
            if (!affine) {
                requireMiddle(first + row, zero);
            } else {
                to.set(SHORT, at + 2, Float.floatToFloat16(-(scale * zero)));
                quants += 2;
            }
            int bias = affine ? 0 : 8 - zero;
            int from = row * columns + block;
            for (int i = 0; i < BLOCK / 2; i++) {
                int low = rows.codes()[from + i] + bias;
                int high = rows.codes()[from + i + BLOCK / 2] + bias;
                to.set(JAVA_BYTE, quants + i, (byte) (low | high << 4));
            }
        }
    }

    private void bytes(IntegerRows rows, int row, int first, MemorySegment to) {
        for (int block = 0, at = 0; block < columns; block += BLOCK, at += type.blockBytes()) {
            int group = row * groups + block / groupSize;
            int zero = rows.zeros()[group];
            requireMiddle(first + row, zero);
            to.set(SHORT, at, Float.floatToFloat16(rows.scales()[group]));
            int from = row * columns + block;
            for (int i = 0; i < BLOCK; i++) {
                to.set(JAVA_BYTE, at + 2 + i, (byte) (rows.codes()[from + i] - zero));
            }
        }
    }

    private float[] floats(IntegerRows rows, int row, int[] groupOfColumn) {
        float[] floats = new float[columns];
        for (int column = 0; column < columns; column++) {
            int group = row * groups + groupOfColumn[column];
            floats[column] = rows.scales()[group] * (rows.codes()[row * columns + column] - rows.zeros()[group]);
        }
        return floats;
    }

    private static void halves(float[] floats, MemorySegment to) {
        for (int i = 0; i < floats.length; i++) {
            to.set(SHORT, 2L * i, Float.floatToFloat16(floats[i]));
        }
    }

    private void requireMiddle(int row, int zero) {
        if (zero != middle) {
            throw refusal(
                    "output %d has the zero point %d in %s, but weights that are called symmetric have %d; correct the quantization's configuration (sym, checkpoint_format)"
                            .formatted(row, zero, zeros, middle));
        }
    }

    private ModelException refusal(String reason) {
        return new ModelException("%s: tensor %s: %s".formatted(file, name, reason));
    }
}
