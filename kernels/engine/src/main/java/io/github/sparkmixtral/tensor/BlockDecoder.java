package io.github.sparkmixtral.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Decodes one block of each {@link TensorType}. Layouts are those of ggml ({@code block_q4_0} and so on): a scale {@code d} in
 * half precision, quants packed into nibbles, and for the K types 256 elements in sub-blocks with scales of 6 or 8 bits.
 */
final class BlockDecoder {
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private BlockDecoder() {}

    /** Decodes {@code elements} elements, a whole number of blocks that lie in the bounds of both {@code data} and {@code out}. */
    static void decode(TensorType type, MemorySegment data, long at, float[] out, int to, int elements) {
        if (!type.isQuantized()) {
            plain(type, data, at, out, to, elements);
            return;
        }
        for (int end = to + elements; to < end; to += type.blockSize(), at += type.blockBytes()) {
            switch (type) {
                case F32, F16, BF16 -> throw new AssertionError();
                case Q4_0 -> q4(data, at + 2, half(data, at), -8, 0, out, to);
                case Q4_1 -> q4(data, at + 4, half(data, at), 0, half(data, at + 2), out, to);
                case Q5_0 -> q5(data, at + 2, half(data, at), -16, 0, out, to);
                case Q5_1 -> q5(data, at + 4, half(data, at), 0, half(data, at + 2), out, to);
                case Q8_0 -> q8(data, at + 2, half(data, at), out, to);
                case Q2_K -> q2k(data, at, out, to);
                case Q3_K -> q3k(data, at, out, to);
                case Q4_K -> q45k(data, at, -1, at + 16, out, to);
                case Q5_K -> q45k(data, at, at + 16, at + 48, out, to);
                case Q6_K -> q6k(data, at, out, to);
                case IQ4_NL -> table(data, at + 2, half(data, at), TensorType.IQ4_VALUES, out, to);
                case IQ4_XS -> iq4xs(data, at, out, to);
                case TQ1_0 -> tq1(data, at, out, to);
                case TQ2_0 -> tq2(data, at, out, to);
                case MXFP4 ->
                    table(data, at + 1, Math.scalb(1f, unsigned(data, at) - 128), TensorType.E2M1_DOUBLED, out, to);
                case NF4 -> nf4(type, data, at + 2, half(data, at), out, to);
            }
        }
    }

    /** A loop for each type: the compiler makes vectors of them. */
    private static void plain(TensorType type, MemorySegment data, long at, float[] out, int to, int elements) {
        if (type == TensorType.F32) {
            MemorySegment.copy(data, FLOAT, at, out, to, elements);
            return;
        }
        short[] stored = new short[elements];
        MemorySegment.copy(data, SHORT, at, stored, 0, elements);
        if (type == TensorType.F16) {
            for (int i = 0; i < elements; i++) {
                out[to + i] = Float.float16ToFloat(stored[i]);
            }
        } else {
            for (int i = 0; i < elements; i++) {
                out[to + i] = Float.intBitsToFloat(stored[i] << 16);
            }
        }
    }

    private static float half(MemorySegment data, long at) {
        return Float.float16ToFloat(data.get(SHORT, at));
    }

    private static int unsigned(MemorySegment data, long at) {
        return data.get(JAVA_BYTE, at) & 0xFF;
    }

    /** 16 bytes: low nibbles are elements 0 to 15, high nibbles elements 16 to 31; {@code d * (q + bias) + minimum}. */
    private static void q4(MemorySegment data, long quants, float d, int bias, float minimum, float[] out, int to) {
        for (int i = 0; i < 16; i++) {
            int pair = unsigned(data, quants + i);
            out[to + i] = d * ((pair & 0xF) + bias) + minimum;
            out[to + i + 16] = d * ((pair >> 4) + bias) + minimum;
        }
    }

    /** As {@link #q4}, with levels in place of integers. */
    private static void nf4(TensorType type, MemorySegment data, long quants, float d, float[] out, int to) {
        for (int i = 0; i < 16; i++) {
            int pair = unsigned(data, quants + i);
            out[to + i] = d * type.level(pair & 0xF);
            out[to + i + 16] = d * type.level(pair >> 4);
        }
    }

    /** As {@link #q4}, with the fifth bit of element i at bit i of a 32-bit word before the nibbles. */
    private static void q5(MemorySegment data, long high, float d, int bias, float minimum, float[] out, int to) {
        int fifth = data.get(INT, high);
        for (int i = 0; i < 16; i++) {
            int pair = unsigned(data, high + 4 + i);
            int low = (pair & 0xF) | (fifth >>> i & 1) << 4;
            int upper = (pair >> 4) | (fifth >>> (i + 16) & 1) << 4;
            out[to + i] = d * (low + bias) + minimum;
            out[to + i + 16] = d * (upper + bias) + minimum;
        }
    }

    private static void q8(MemorySegment data, long quants, float d, float[] out, int to) {
        for (int i = 0; i < 32; i++) {
            out[to + i] = d * data.get(JAVA_BYTE, quants + i);
        }
    }

    /** 16 bytes of nibbles as in {@link #q4}, each the index of an integer: {@code d * values[q]}. */
    private static void table(MemorySegment data, long quants, float d, byte[] values, float[] out, int to) {
        for (int i = 0; i < 16; i++) {
            int pair = unsigned(data, quants + i);
            out[to + i] = d * values[pair & 0xF];
            out[to + i + 16] = d * values[pair >> 4];
        }
    }

    /** Two bits of an element of 256: two halves of 128, each four runs of 32, which share 32 bytes, lowest bits first. */
    private static int pairOfBits(MemorySegment data, long quants, int element) {
        return unsigned(data, quants + element / 128 * 32 + element % 32) >> element % 128 / 32 * 2 & 3;
    }

    /** 16 bytes of scales (low nibble) and minima, one for 16 elements; quants of 2 bits; {@code d} and {@code dMin}. */
    private static void q2k(MemorySegment data, long at, float[] out, int to) {
        float d = half(data, at + 80);
        float dMin = half(data, at + 82);
        for (int element = 0; element < 256; element++) {
            int both = unsigned(data, at + element / 16);
            float scale = d * (both & 0xF);
            float minimum = dMin * (both >> 4);
            out[to + element] = scale * pairOfBits(data, at + 16, element) - minimum;
        }
    }

    /**
     * 32 bytes whose bits s are the third bits of run s of 32 elements, inverted: where one is 0, 4 is taken off; two lower bits as in
     * {@link #q2k}; 16 scales of 6 bits, less 32; and {@code d}.
     */
    private static void q3k(MemorySegment data, long at, float[] out, int to) {
        float d = half(data, at + 108);
        for (int element = 0; element < 256; element++) {
            int third = unsigned(data, at + element % 32) >> element / 32 & 1;
            int q = pairOfBits(data, at + 32, element) + 4 * third - 4;
            out[to + element] = d * scale3(data, at + 96, element / 16) * q;
        }
    }

    /** Four lower bits from nibbles of 8 bytes, those of the last 8 being the high ones; two upper bits from 4 bytes. */
    private static int scale3(MemorySegment data, long packed, int index) {
        int low = unsigned(data, packed + index % 8) >> index / 8 * 4 & 0xF;
        int upper = unsigned(data, packed + 8 + index % 4) >> index / 4 * 2 & 3;
        return (low | upper << 4) - 32;
    }

    /** {@code d}; upper two bits of eight scales in 16; lower four of them in 4 bytes; then eight blocks as of {@link #table}. */
    private static void iq4xs(MemorySegment data, long at, float[] out, int to) {
        float d = half(data, at);
        int upper = data.get(SHORT, at + 2);
        for (int sub = 0; sub < 8; sub++) {
            int low = unsigned(data, at + 4 + sub / 2) >> sub % 2 * 4 & 0xF;
            int scale = (low | (upper >> 2 * sub & 3) << 4) - 32;
            table(data, at + 8 + sub * 16, d * scale, TensorType.IQ4_VALUES, out, to + sub * 32);
        }
    }

    /** Two bits for each of -1, 0 and 1; then {@code d}. */
    private static void tq2(MemorySegment data, long at, float[] out, int to) {
        float d = half(data, at + 64);
        for (int element = 0; element < 256; element++) {
            out[to + element] = d * (pairOfBits(data, at, element) - 1);
        }
    }

    /** Five of -1, 0 and 1 in a byte, {@code 5 * 32 + 5 * 16} of them; four in each of the last 4 bytes; then {@code d}. */
    private static void tq1(MemorySegment data, long at, float[] out, int to) {
        float d = half(data, at + 52);
        trits(data, at, 32, 5, d, out, to);
        trits(data, at + 32, 16, 5, d, out, to + 160);
        trits(data, at + 48, 4, 4, d, out, to + 240);
    }

    /** A byte is a fraction of 256 in base 3: times 3 to the power of i, its first digit is digit i. */
    private static void trits(MemorySegment data, long at, int bytes, int digits, float d, float[] out, int to) {
        for (int digit = 0, power = 1; digit < digits; digit++, power *= 3) {
            for (int i = 0; i < bytes; i++) {
                int rest = unsigned(data, at + i) * power & 0xFF;
                out[to + digit * bytes + i] = d * ((rest * 3 >> 8) - 1);
            }
        }
    }

    /**
     * Eight sub-blocks of 32: {@code (d * scale) * q - (dMin * minimum)}. Each 32 bytes of nibbles hold two sub-blocks, low
     * nibbles first; for Q5_K the fifth bits of sub-block s are bit s of 32 further bytes at {@code high} (-1: none).
     */
    private static void q45k(MemorySegment data, long at, long high, long quants, float[] out, int to) {
        float d = half(data, at);
        float dMin = half(data, at + 2);
        for (int sub = 0; sub < 8; sub++) {
            float scale = d * scale(data, at + 4, sub);
            float minimum = dMin * minimum(data, at + 4, sub);
            long nibbles = quants + (sub / 2) * 32;
            for (int i = 0; i < 32; i++) {
                int q = unsigned(data, nibbles + i) >> (sub % 2 * 4) & 0xF;
                if (high >= 0) {
                    q |= (unsigned(data, high + i) >> sub & 1) << 4;
                }
                out[to + sub * 32 + i] = scale * q - minimum;
            }
        }
    }

    /** 6-bit scale of a sub-block; the upper bits of the last four lie in the upper bits of the first four. */
    private static int scale(MemorySegment data, long packed, int sub) {
        return sub < 4
                ? unsigned(data, packed + sub) & 63
                : unsigned(data, packed + sub + 4) & 0xF | unsigned(data, packed + sub - 4) >> 6 << 4;
    }

    private static int minimum(MemorySegment data, long packed, int sub) {
        return sub < 4
                ? unsigned(data, packed + sub + 4) & 63
                : unsigned(data, packed + sub + 4) >> 4 | unsigned(data, packed + sub) >> 6 << 4;
    }

    /**
     * Two halves of 128 elements, each four runs of 32: lower four bits from 64 bytes of nibbles, upper two bits from 32
     * bytes; then 16 signed 8-bit scales, one per 16 elements, and {@code d}: {@code (d * scale) * (q - 32)}.
     */
    private static void q6k(MemorySegment data, long at, float[] out, int to) {
        float d = half(data, at + 208);
        for (int element = 0; element < 256; element++) {
            int part = element / 128;
            int run = element % 128 / 32;
            int lane = element % 32;
            int low = unsigned(data, at + part * 64 + run % 2 * 32 + lane) >> (run / 2 * 4) & 0xF;
            int upper = unsigned(data, at + 128 + part * 32 + lane) >> (run * 2) & 3;
            float scale = d * data.get(JAVA_BYTE, at + 192 + element / 16);
            out[to + element] = scale * ((low | upper << 4) - 32);
        }
    }
}
