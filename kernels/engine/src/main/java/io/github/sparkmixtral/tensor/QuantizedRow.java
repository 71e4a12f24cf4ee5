package io.github.sparkmixtral.tensor;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Takes rows of a quantized tensor apart, without rounding anything: into small integers, and for every {@link TensorType#scaleBlock} of them a
 * scale and, where the type is affine, a minimum. An element is {@code quant * scale + minimum}; of a type with a table, {@code
 * level(quant + 8) * scale}. Layouts of blocks are those of
 * {@link TensorType}. One row at a time, for one thread.
 *
 * <p>Scales are in half precision, which the powers of two of {@link TensorType#MXFP4} are not: from 2^16 on they become infinite, and
 * below 2^-24, where no weight is other than zero for all that follows, zero.
 */
public final class QuantizedRow {

    private final Tensor tensor;
    private final RowReader reader;
    private final int block;
    private final int group;
    private final boolean affine;
    private final byte[] stored;
    private final byte[] quants;
    private final short[] halves;
    private final short[] minimumHalves;
    private final byte[] factors;
    private final byte[] minimumFactors;

    /** @throws IllegalArgumentException where the tensor's type is not quantized */
    public QuantizedRow(Tensor tensor) {
        this.tensor = tensor;
        this.reader = new RowReader(tensor);
        TensorType type = tensor.type();
        if (!type.isQuantized()) {
            throw new IllegalArgumentException(type + " is not quantized");
        }
        block = type.scaleBlock();
        group = type.blockSize() / block;
        affine = type.isAffine();
        int columns = tensor.columns();
        stored = new byte[Math.toIntExact(tensor.rowBytes())];
        quants = new byte[columns];
        halves = new short[columns / block / group];
        minimumHalves = new short[affine ? halves.length : 0];
        factors = new byte[group > 1 ? columns / block : 0];
        minimumFactors = new byte[affine ? factors.length : 0];
    }

    /** {@code [columns]}; overwritten by the next {@link #read}, as are all arrays here. */
    public byte[] quants() {
        return quants;
    }

    /** {@code [columns / blockSize]}: the half-precision number in the scales of each of the type's blocks, as bits. */
    public short[] halves() {
        return halves;
    }

    /** As {@link #halves}, in the minima; empty where there are none. */
    public short[] minimumHalves() {
        return minimumHalves;
    }

    /**
     * {@code [columns / scaleBlock]} signed integers by which that number is multiplied; empty where a block of the type has one
     * scale.
     */
    public byte[] factors() {
        return factors;
    }

    /** As {@link #factors}, for the minima: with them, a minimum is the product's negative. */
    public byte[] minimumFactors() {
        return minimumFactors;
    }

    /** Scale of the {@code index}-th {@link TensorType#scaleBlock}, rounded to float as {@link TensorType#decode} rounds it. */
    public float scale(int index) {
        float half = Float.float16ToFloat(halves[index / group]);
        return group == 1 ? half : half * factors[index];
    }

    /** Its minimum: zero where the type is not affine. */
    public float minimum(int index) {
        if (!affine) {
            return 0;
        }
        float half = Float.float16ToFloat(minimumHalves[index / group]);
        return group == 1 ? half : -(half * minimumFactors[index]);
    }

    /** Takes one row apart. */
    public void read(int row) {
        MemorySegment.copy(reader.row(row), JAVA_BYTE, 0, stored, 0, stored.length);
        int bytes = tensor.type().blockBytes();
        for (int i = 0; i < halves.length; i++) {
            int at = i * bytes;
            switch (tensor.type()) {
                // An index less 8, so that what is packed with 8 added is the index.
                case Q4_0, NF4 -> nibbles(i, at, at + 2, -8);
                case Q4_1 -> nibbles(i, at, at + 4, 0);
                case Q5_0 -> fiveBits(i, at, at + 2, -16);
                case Q5_1 -> fiveBits(i, at, at + 4, 0);
                case Q8_0 -> {
                    halves[i] = half(at);
                    System.arraycopy(stored, at + 2, quants, i * 32, 32);
                }
                case Q2_K -> twoBits(i, at);
                case Q3_K -> threeBits(i, at);
                case Q4_K -> subBlocks(i, at, at + 16, -1);
                case Q5_K -> subBlocks(i, at, at + 48, at + 16);
                case Q6_K -> sixBits(i, at);
                case IQ4_NL -> {
                    halves[i] = half(at);
                    table(i * 32, at + 2, TensorType.IQ4_VALUES);
                }
                case IQ4_XS -> tables(i, at);
                case TQ1_0 -> trits(i, at);
                case TQ2_0 -> {
                    pairsOfBits(i, at, -1);
                    unfactored(i, at + 64);
                }
                case MXFP4 -> {
                    halves[i] = Float.floatToFloat16(Math.scalb(1f, (stored[at] & 0xFF) - 128));
                    table(i * 32, at + 1, TensorType.E2M1_DOUBLED);
                }
                case F32, F16, BF16 -> throw new AssertionError();
            }
        }
    }

    private short half(int at) {
        return (short) (stored[at] & 0xFF | stored[at + 1] << 8);
    }

    private void header(int index, int at) {
        halves[index] = half(at);
        if (affine) {
            minimumHalves[index] = half(at + 2);
        }
    }

    /** 16 bytes: low nibbles first. */
    private void nibbles(int index, int at, int pairs, int bias) {
        header(index, at);
        int to = index * 32;
        for (int i = 0; i < 16; i++) {
            quants[to + i] = (byte) ((stored[pairs + i] & 0xF) + bias);
            quants[to + 16 + i] = (byte) ((stored[pairs + i] >> 4 & 0xF) + bias);
        }
    }

    /** A word of fifth bits, then {@link #nibbles}. */
    private void fiveBits(int index, int at, int word, int bias) {
        nibbles(index, at, word + 4, bias);
        for (int i = 0; i < 32; i++) {
            quants[index * 32 + i] += (byte) ((stored[word + i / 8] >> i % 8 & 1) << 4);
        }
    }

    /** 16 bytes of nibbles, low ones first, that are indices of quants. */
    private void table(int to, int pairs, byte[] values) {
        for (int i = 0; i < 16; i++) {
            quants[to + i] = values[stored[pairs + i] & 0xF];
            quants[to + 16 + i] = values[stored[pairs + i] >> 4 & 0xF];
        }
    }

    /** Eight blocks of {@link #table}, with signed factors of 6 bits. */
    private void tables(int index, int at) {
        halves[index] = half(at);
        int upper = half(at + 2);
        for (int sub = 0; sub < 8; sub++) {
            int low = stored[at + 4 + sub / 2] >> sub % 2 * 4 & 0xF;
            factors[index * 8 + sub] = (byte) ((low | (upper >> 2 * sub & 3) << 4) - 32);
            table(index * 256 + sub * 32, at + 8 + sub * 16, TensorType.IQ4_VALUES);
        }
    }

    /** One scale for all of a block. */
    private void unfactored(int index, int at) {
        halves[index] = half(at);
        Arrays.fill(factors, index * group, (index + 1) * group, (byte) 1);
    }

    /** 64 bytes: each 32 of them hold four runs of 32, lowest bits first. */
    private void pairsOfBits(int index, int at, int bias) {
        for (int run = 0; run < 8; run++) {
            int from = at + run / 4 * 32;
            int to = index * 256 + run * 32;
            for (int i = 0; i < 32; i++) {
                quants[to + i] = (byte) ((stored[from + i] >> run % 4 * 2 & 3) + bias);
            }
        }
    }

    /** Factors and minima are the nibbles of 16 bytes. */
    private void twoBits(int index, int at) {
        header(index, at + 80);
        pairsOfBits(index, at + 16, 0);
        for (int i = 0; i < 16; i++) {
            factors[index * 16 + i] = (byte) (stored[at + i] & 0xF);
            minimumFactors[index * 16 + i] = (byte) (stored[at + i] >> 4 & 0xF);
        }
    }

    /** Where a third bit is not set, 4 is taken off; factors are signed, of 4 and 2 bits. */
    private void threeBits(int index, int at) {
        halves[index] = half(at + 108);
        pairsOfBits(index, at + 32, -4);
        for (int i = 0; i < 256; i++) {
            quants[index * 256 + i] += (byte) ((stored[at + i % 32] >> i / 32 & 1) << 2);
        }
        for (int i = 0; i < 16; i++) {
            int low = stored[at + 96 + i % 8] >> i / 8 * 4 & 0xF;
            int upper = stored[at + 104 + i % 4] >> i / 4 * 2 & 3;
            factors[index * 16 + i] = (byte) ((low | upper << 4) - 32);
        }
    }

    /** Digits in base 3: five in each of 32 and of 16 bytes, four in each of 4. */
    private void trits(int index, int at) {
        unfactored(index, at + 52);
        int to = index * 256;
        for (int first = 0, bytes = 32; first < 52; first += bytes, bytes = first < 48 ? 16 : 4) {
            for (int digit = 0, power = 1; digit < (bytes == 4 ? 4 : 5); digit++, power *= 3) {
                for (int i = 0; i < bytes; i++, to++) {
                    quants[to] = (byte) (((stored[at + first + i] * power & 0xFF) * 3 >> 8) - 1);
                }
            }
        }
    }

    /** Eight blocks of 32: each 32 bytes of nibbles hold two of them; fifth bits, where there are any, are those of 32 bytes. */
    private void subBlocks(int index, int at, int pairs, int fifths) {
        header(index, at);
        for (int sub = 0; sub < 8; sub++) {
            factors[index * 8 + sub] = (byte) scale(at + 4, sub);
            minimumFactors[index * 8 + sub] = (byte) minimum(at + 4, sub);
            int to = index * 256 + sub * 32;
            int from = pairs + sub / 2 * 32;
            int shift = sub % 2 * 4;
            for (int i = 0; i < 32; i++) {
                quants[to + i] = (byte) (stored[from + i] >> shift & 0xF);
            }
            for (int i = 0; fifths >= 0 && i < 32; i++) {
                quants[to + i] |= (byte) ((stored[fifths + i] >> sub & 1) << 4);
            }
        }
    }

    /** 6 bits; the upper ones of the last four lie in the upper bits of the first four. */
    private int scale(int packed, int sub) {
        return sub < 4
                ? stored[packed + sub] & 63
                : stored[packed + sub + 4] & 0xF | (stored[packed + sub - 4] >> 6 & 3) << 4;
    }

    private int minimum(int packed, int sub) {
        return sub < 4
                ? stored[packed + sub + 4] & 63
                : stored[packed + sub + 4] >> 4 & 0xF | (stored[packed + sub] >> 6 & 3) << 4;
    }

    /** Runs of 32: nibbles and two upper bits, with a signed factor for every 16. */
    private void sixBits(int index, int at) {
        halves[index] = half(at + 208);
        System.arraycopy(stored, at + 192, factors, index * 16, 16);
        for (int run = 0; run < 8; run++) {
            int pairs = at + run / 4 * 64 + run % 2 * 32;
            int upper = at + 128 + run / 4 * 32;
            int shift = run % 4 / 2 * 4;
            int upperShift = run % 4 * 2;
            int to = index * 256 + run * 32;
            for (int i = 0; i < 32; i++) {
                int quant = stored[pairs + i] >> shift & 0xF | (stored[upper + i] >> upperShift & 3) << 4;
                quants[to + i] = (byte) (quant - 32);
            }
        }
    }
}
