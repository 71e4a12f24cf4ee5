package io.github.sparkmixtral.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Quantizes rows of floats with the rounding of ggml's reference ({@code quantize_row_q8_0_ref}, {@code quantize_row_q4_0_ref}),
 * byte for byte. The inverse of {@link BlockDecoder}, up to rounding.
 */
final class BlockEncoder {
    private static final int BLOCK = 32;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private BlockEncoder() {}

    /** Encodes {@code row}, a multiple of 32, to {@code out} from {@code at} on. */
    static void q8(float[] row, MemorySegment out, long at) {
        for (int block = 0; block < row.length; block += BLOCK) {
            float largest = 0;
            for (int i = block; i < block + BLOCK; i++) {
                largest = Math.max(largest, Math.abs(row[i]));
            }
            float d = largest / 127;
            float inverse = d == 0 ? 0 : 1 / d;
            out.set(SHORT, at, Float.floatToFloat16(d));
            for (int i = 0; i < BLOCK; i++) {
                out.set(JAVA_BYTE, at + 2 + i, (byte) roundHalfAway(row[block + i] * inverse));
            }
            at += 2 + BLOCK;
        }
    }

    /** As {@link #q8}, in 4 bits; the element of the largest magnitude becomes -8. */
    static void q4(float[] row, MemorySegment out, long at) {
        for (int block = 0; block < row.length; block += BLOCK) {
            float extreme = 0;
            for (int i = block; i < block + BLOCK; i++) {
                if (Math.abs(row[i]) > Math.abs(extreme)) {
                    extreme = row[i];
                }
            }
            float d = extreme / -8;
            float inverse = d == 0 ? 0 : 1 / d;
            out.set(SHORT, at, Float.floatToFloat16(d));
            for (int i = 0; i < BLOCK / 2; i++) {
                int low = nibble(row[block + i] * inverse);
                int high = nibble(row[block + i + BLOCK / 2] * inverse);
                out.set(JAVA_BYTE, at + 2 + i, (byte) (low | high << 4));
            }
            at += 2 + BLOCK / 2;
        }
    }

    /**
     * The nearest level of what is divided by the largest magnitude of 64 elements (of 32 at the end of a row), the lower one of two that
     * are equally near: as {@code dQuantizeNF4} of bitsandbytes.
     */
    static void nf4(float[] row, MemorySegment out, long at) {
        float largest = 0;
        for (int block = 0; block < row.length; block += BLOCK) {
            if (block % 64 == 0) {
                largest = 0;
                for (int i = block; i < Math.min(block + 64, row.length); i++) {
                    largest = Math.max(largest, Math.abs(row[i]));
                }
            }
            float inverse = largest == 0 ? 0 : 1 / largest;
            out.set(SHORT, at, Float.floatToFloat16(largest));
            for (int i = 0; i < BLOCK / 2; i++) {
                int low = level(row[block + i] * inverse);
                int high = level(row[block + i + BLOCK / 2] * inverse);
                out.set(JAVA_BYTE, at + 2 + i, (byte) (low | high << 4));
            }
            at += 2 + BLOCK / 2;
        }
    }

    private static int level(float x) {
        int level = 0;
        while (level < 15 && x > (TensorType.NF4.level(level) + TensorType.NF4.level(level + 1)) / 2) {
            level++;
        }
        return level;
    }

    private static int nibble(float scaled) {
        return Math.min(15, (int) (scaled + 8.5f) & 0xFF);
    }

    /** C's {@code roundf}: {@link Math#round} would take -0.5 to 0. */
    private static int roundHalfAway(float x) {
        // The sum is exact enough in double for any float, where x + 0.5f would round 0.49999997f up.
        return (int) (x + Math.copySign(0.5, x));
    }
}
