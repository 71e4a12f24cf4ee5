package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import io.github.sparkmixtral.model.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.Vector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link TensorType#decode} in vectors, with the same results. Every quantized format comes down to small signed integers, some
 * at a time, that are multiplied by a scale and added to a minimum.
 */
final class VectorDecoder {

    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ORDER);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ORDER);

    private static final int LANES = FLOATS.length();
    private static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, FLOATS.vectorShape());
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(LANES * Short.SIZE));
    /** As many bytes as floats in a vector, or 8 where that would be fewer than the smallest vector holds. */
    private static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(LANES, 8) * Byte.SIZE));

    private static final int STEP = BYTES.length();

    private VectorDecoder() {}

    /** See {@link TensorType#decode}; the elements lie in the bounds of both {@code data} and {@code out}. */
    static void decode(TensorType type, MemorySegment data, long at, float[] out, int to, int elements) {
        switch (type) {
            case F32 -> MemorySegment.copy(data, KeyValueCache.FLOAT, at, out, to, elements);
            case F16 -> f16(data, at, out, to, elements);
            case BF16 -> bf16(data, at, out, to, elements);
            case Q4_0 -> q4(type, data, at, out, to, elements);
            case Q4_1 -> q4(type, data, at, out, to, elements);
            case Q5_0 -> q5(type, data, at, out, to, elements);
            case Q5_1 -> q5(type, data, at, out, to, elements);
            case Q8_0 -> q8(type, data, at, out, to, elements);
            case Q4_K -> q45k(type, data, at, out, to, elements);
            case Q5_K -> q45k(type, data, at, out, to, elements);
            case Q6_K -> q6k(type, data, at, out, to, elements);
        }
    }

    private static void bf16(MemorySegment data, long at, float[] out, int to, int elements) {
        int whole = elements - elements % LANES;
        for (int i = 0; i < whole; i += LANES) {
            Vector<Short> halves = ShortVector.fromMemorySegment(SHORTS, data, at + 2L * i, ORDER);
            IntVector bits = (IntVector) halves.convertShape(VectorOperators.S2I, INTS, 0);
            bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(out, to + i);
        }
        TensorType.BF16.decode(data, at + 2L * whole, out, to + whole, elements - whole);
    }

    /**
     * Exponent and fraction move into place; a multiplication by 2^112 mends the exponent's bias, for subnormal numbers too;
     * infinities and NaN keep an exponent of ones.
     */
    private static void f16(MemorySegment data, long at, float[] out, int to, int elements) {
        int whole = elements - elements % LANES;
        for (int i = 0; i < whole; i += LANES) {
            Vector<Short> halves = ShortVector.fromMemorySegment(SHORTS, data, at + 2L * i, ORDER);
            IntVector bits = (IntVector) halves.convertShape(VectorOperators.S2I, INTS, 0);
            IntVector magnitude = bits.and(0x7FFF).lanewise(VectorOperators.LSHL, 13);
            IntVector sign = bits.and(0x8000).lanewise(VectorOperators.LSHL, 16);
            IntVector scaled = magnitude.reinterpretAsFloats().mul(0x1p112f).reinterpretAsInts();
            VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, 0x7C00 << 13);
            scaled = scaled.blend(magnitude.or(0x7F800000), special);
            scaled.or(sign).reinterpretAsFloats().intoArray(out, to + i);
        }
        TensorType.F16.decode(data, at + 2L * whole, out, to + whole, elements - whole);
    }

    private static void q8(TensorType type, MemorySegment data, long at, float[] out, int to, int elements) {
        for (int end = to + elements; to < end; to += 32, at += type.blockBytes()) {
            float d = half(data, at);
            for (int i = 0; i < 32; i += STEP) {
                store(bytes(data, at + 2 + i), d, 0, out, to + i);
            }
        }
    }

    private static void q4(TensorType type, MemorySegment data, long at, float[] out, int to, int elements) {
        boolean symmetric = type == TensorType.Q4_0;
        byte bias = (byte) (symmetric ? 8 : 0);
        for (int end = to + elements; to < end; to += 32, at += type.blockBytes()) {
            float d = half(data, at);
            float minimum = symmetric ? 0 : half(data, at + 2);
            long quants = at + type.blockBytes() - 16;
            for (int i = 0; i < 16; i += STEP) {
                ByteVector pairs = bytes(data, quants + i);
                store(low(pairs).sub(bias), d, minimum, out, to + i);
                store(high(pairs).sub(bias), d, minimum, out, to + 16 + i);
            }
        }
    }

    private static void q5(TensorType type, MemorySegment data, long at, float[] out, int to, int elements) {
        boolean symmetric = type == TensorType.Q5_0;
        byte bias = (byte) (symmetric ? 16 : 0);
        for (int end = to + elements; to < end; to += 32, at += type.blockBytes()) {
            float d = half(data, at);
            float minimum = symmetric ? 0 : half(data, at + 2);
            long quants = at + type.blockBytes() - 16;
            int fifth = data.get(INT, quants - 4);
            for (int i = 0; i < 16; i += STEP) {
                ByteVector pairs = bytes(data, quants + i);
                store(fifthBit(low(pairs), fifth >>> i).sub(bias), d, minimum, out, to + i);
                store(fifthBit(high(pairs), fifth >>> (16 + i)).sub(bias), d, minimum, out, to + 16 + i);
            }
        }
    }

    private static ByteVector fifthBit(ByteVector quants, int bits) {
        return quants.lanewise(VectorOperators.OR, (byte) 16, VectorMask.fromLong(BYTES, bits));
    }

    /**
     * Eight sub-blocks of 32 with 6-bit scales and minima in 12 bytes; Q5_K has 32 bytes of fifth bits before the nibbles. Each
     * kind of run has a loop of its own: a loop body with more vector calls is not always inlined, and then allocates.
     */
    private static void q45k(TensorType type, MemorySegment data, long at, float[] out, int to, int elements) {
        boolean five = type == TensorType.Q5_K;
        for (int end = to + elements; to < end; to += 256, at += type.blockBytes()) {
            float d = half(data, at);
            float dMin = half(data, at + 2);
            long fifths = at + 16;
            long quants = at + type.blockBytes() - 128;
            for (int sub = 0; sub < 8; sub++) {
                float scale = d * scale(data, at + 4, sub);
                float minimum = -dMin * minimum(data, at + 4, sub);
                long pairs = quants + 32L * (sub / 2);
                if (five) {
                    fiveBits(data, pairs, fifths, sub, scale, minimum, out, to + 32 * sub);
                } else if (sub % 2 == 0) {
                    lowNibbles(data, pairs, scale, minimum, out, to + 32 * sub);
                } else {
                    highNibbles(data, pairs, scale, minimum, out, to + 32 * sub);
                }
            }
        }
    }

    private static void lowNibbles(MemorySegment data, long pairs, float scale, float minimum, float[] out, int to) {
        for (int i = 0; i < 32; i += STEP) {
            store(low(bytes(data, pairs + i)), scale, minimum, out, to + i);
        }
    }

    private static void highNibbles(MemorySegment data, long pairs, float scale, float minimum, float[] out, int to) {
        for (int i = 0; i < 32; i += STEP) {
            store(high(bytes(data, pairs + i)), scale, minimum, out, to + i);
        }
    }

    private static void fiveBits(
            MemorySegment data, long pairs, long fifths, int sub, float scale, float minimum, float[] out, int to) {
        for (int i = 0; i < 32; i += STEP) {
            ByteVector quants = bytes(data, pairs + i);
            quants = sub % 2 == 0 ? low(quants) : high(quants);
            store(quants.or(bits(bytes(data, fifths + i), sub, 1)), scale, minimum, out, to + i);
        }
    }

    private static int scale(MemorySegment data, long packed, int sub) {
        return sub < 4
                ? unsigned(data, packed + sub) & 63
                : unsigned(data, packed + sub + 4) & 15 | unsigned(data, packed + sub - 4) >> 6 << 4;
    }

    private static int minimum(MemorySegment data, long packed, int sub) {
        return sub < 4
                ? unsigned(data, packed + sub + 4) & 63
                : unsigned(data, packed + sub + 4) >> 4 | unsigned(data, packed + sub) >> 6 << 4;
    }

    /** Two halves of 128: 64 bytes of nibbles and 32 bytes of upper bit pairs each; a signed scale for every 16 elements. */
    private static void q6k(TensorType type, MemorySegment data, long at, float[] out, int to, int elements) {
        for (int end = to + elements; to < end; to += 256, at += type.blockBytes()) {
            float d = half(data, at + 208);
            for (int i = 0; i < 256; i += STEP) {
                int part = i / 128;
                int run = i % 128 / 32;
                int lane = i % 32;
                ByteVector pairs = bytes(data, at + part * 64 + run % 2 * 32 + lane);
                ByteVector low = run < 2 ? low(pairs) : high(pairs);
                ByteVector upper = bits(bytes(data, at + 128 + part * 32 + lane), 2 * run, 3);
                float scale = d * data.get(ValueLayout.JAVA_BYTE, at + 192 + i / 16);
                store(low.or(upper).sub((byte) 32), scale, 0, out, to + i);
            }
        }
    }

    private static float half(MemorySegment data, long at) {
        return Float.float16ToFloat(data.get(SHORT, at));
    }

    private static int unsigned(MemorySegment data, long at) {
        return data.get(ValueLayout.JAVA_BYTE, at) & 0xFF;
    }

    private static ByteVector bytes(MemorySegment data, long at) {
        return ByteVector.fromMemorySegment(BYTES, data, at, ORDER);
    }

    private static ByteVector low(ByteVector pairs) {
        return pairs.and((byte) 15);
    }

    private static ByteVector high(ByteVector pairs) {
        return pairs.lanewise(VectorOperators.LSHR, 4);
    }

    /** The bits {@code mask} of each byte, from {@code shift} up, as the bits above a nibble. */
    private static ByteVector bits(ByteVector bytes, int shift, int mask) {
        return bytes.lanewise(VectorOperators.LSHR, shift).and((byte) mask).lanewise(VectorOperators.LSHL, 4);
    }

    /** {@code out = scale * quants + minimum}, with two roundings like the reference. */
    private static void store(ByteVector quants, float scale, float minimum, float[] out, int to) {
        FloatVector first = (FloatVector) quants.convertShape(VectorOperators.B2F, FLOATS, 0);
        first.mul(scale).add(minimum).intoArray(out, to);
        if (STEP > LANES) {
            FloatVector second = (FloatVector) quants.convertShape(VectorOperators.B2F, FLOATS, 1);
            second.mul(scale).add(minimum).intoArray(out, to + LANES);
        }
    }
}
