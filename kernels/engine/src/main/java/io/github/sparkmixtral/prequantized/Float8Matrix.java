package io.github.sparkmixtral.prequantized;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.RowSource;
import io.github.sparkmixtral.tensor.StoredTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A matrix of 8-bit floats, E4M3 without infinities (Micikevicius et al. 2022), times scales by block. It becomes {@code F16}: rounding costs
 * at most 2^-11 of a weight, and below 2^-14, where half precision has fewer bits, 2^-25. {@code BF16}, in which such models were trained, would
 * cost up to 2^-8: the product of 4 significant bits and a scale has more than its 8. {@code Q8_0} would take half of the memory, but lose the
 * small ones of 32 neighbours, which E4M3 holds as exactly as the large ones: that is for {@code --quantization} to choose.
 *
 * @param weight {@code [rows, columns]} bytes
 * @param scales {@code [ceil(rows / blockRows), ceil(columns / blockColumns)]}, row-major
 */
record Float8Matrix(int columns, StoredTensor weight, StoredTensor scales, int blockRows, int blockColumns)
        implements RowSource {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int NOT_A_NUMBER = 0x7F;
    private static final float[] VALUES = new float[256];

    static {
        for (int bits = 0; bits < 256; bits++) {
            int exponent = bits >> 3 & 0xF;
            int fraction = bits & 7;
            float magnitude = exponent == 0 ? fraction * 0x1p-9f : Math.scalb(8 + fraction, exponent - 10);
            VALUES[bits] = (bits & 0x80) == 0 ? magnitude : -magnitude;
        }
    }

    @Override
    public void read(int first, int count, MemorySegment out) {
        int across = Math.ceilDiv(columns, blockColumns);
        float[] scale = new float[across];
        byte[] stored = new byte[columns];
        for (int row = 0; row < count; row++) {
            long from = (long) (first + row) * columns;
            MemorySegment.copy(weight.data(), JAVA_BYTE, from, stored, 0, columns);
            Stored.floats(scales, (long) ((first + row) / blockRows) * across, scale, 0, across);
            for (int column = 0; column < columns; column++) {
                int bits = stored[column] & 0xFF;
                float value = VALUES[bits] * scale[column / blockColumns];
                short half = Float.floatToFloat16(value);
                if ((bits & NOT_A_NUMBER) == NOT_A_NUMBER || !Float.isFinite(Float.float16ToFloat(half))) {
                    throw new ModelException(
                            "%s: tensor %s, or its scale, makes a weight in row %d that is not a number or above 65,504; the file is damaged"
                                    .formatted(weight.file(), weight.name(), first + row));
                }
                out.set(SHORT, ((long) row * columns + column) * Short.BYTES, half);
            }
        }
    }
}
