package io.github.sparkmixtral.tornado;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.github.sparkmixtral.model.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * Packs one row of a tensor after another. A row is taken apart into integers with a scale, and where the type has one a minimum,
 * for every 32 or 16 of them; then those are packed as the matrix wants them. Layouts of blocks are those of
 * {@link io.github.sparkmixtral.model.TensorType}. For one thread.
 */
final class PackedRow {

    private final Tensor tensor;
    private final WeightFormat own;
    private final WeightFormat format;
    private final byte[] stored;
    private final byte[] quants;
    private final float[] floats;
    private final float[] ownScales;
    private final float[] ownMinima;
    private final int[] words;
    private final float[] scales;
    private final float[] minima;

    PackedRow(Tensor tensor, WeightFormat format) {
        this.tensor = tensor;
        this.format = format;
        own = WeightFormat.of(tensor.type());
        int columns = Widths.padded(tensor.columns());
        stored = new byte[Math.toIntExact(tensor.rowBytes())];
        quants = new byte[columns];
        floats = new float[columns];
        ownScales = new float[columns / own.block()];
        ownMinima = new float[columns / own.block()];
        words = new int[columns / format.perWord()];
        scales = new float[columns / format.block()];
        minima = new float[columns / format.block()];
    }

    /** What {@link #pack} has made last; overwritten by the next one. */
    int[] words() {
        return words;
    }

    /** See {@link #words}. */
    float[] scales() {
        return scales;
    }

    /** See {@link #words}; of no meaning where the format is not affine. */
    float[] minima() {
        return minima;
    }

    void pack(int row) {
        long at = row * tensor.rowBytes();
        if (format.bits() == 16) {
            tensor.type().decode(tensor.data(), at, floats, 0, tensor.columns());
            pack16();
            return;
        }
        MemorySegment.copy(tensor.data(), JAVA_BYTE, at, stored, 0, stored.length);
        switch (tensor.type()) {
            case Q4_0 -> takeApart4(18, -8);
            case Q4_1 -> takeApart4(20, 0);
            case Q5_0 -> takeApart5(22, -16);
            case Q5_1 -> takeApart5(24, 0);
            case Q8_0 -> takeApart8();
            case Q4_K -> takeApart45k(144, false);
            case Q5_K -> takeApart45k(176, true);
            case Q6_K -> takeApart6k();
            case F32, F16, BF16 -> throw new IllegalStateException(tensor.type() + " needs 16 bits");
        }
        // A signed integer where the matrix is affine: all are moved up, and the minimum takes that back, exactly.
        int offset = format.affine() && !own.affine() ? 1 << (format.bits() - 1) : 0;
        for (int i = 0; i < scales.length; i++) {
            int part = i * format.block() / own.block();
            scales[i] = ownScales[part];
            minima[i] = own.affine() ? ownMinima[part] : -offset * ownScales[part];
        }
        if (format.bits() == 8) {
            pack8(offset);
        } else {
            pack4(offset);
        }
    }

    private void pack4(int offset) {
        for (int i = 0; i < words.length; i++) {
            int word = 0;
            for (int j = 0; j < 8; j++) {
                word |= (quants[i * 8 + j] + offset & 0xF) << 4 * j;
            }
            words[i] = word;
        }
    }

    private void pack8(int offset) {
        for (int i = 0; i < words.length; i++) {
            int word = 0;
            for (int j = 0; j < 4; j++) {
                word |= (quants[i * 4 + j] + offset & 0xFF) << 8 * j;
            }
            words[i] = word;
        }
    }

    /** Quantizes floats to 16 bits; a block with an element that is not finite has a scale that is not finite either. */
    private void pack16() {
        for (int block = 0; block < scales.length; block++) {
            int from = block * 32;
            float largest = 0;
            float check = 0;
            for (int i = from; i < from + 32; i++) {
                largest = Math.max(largest, Math.abs(floats[i]));
                check += floats[i] * 0f;
            }
            // The product is NaN for what is not finite, which the quotient below would hide.
            scales[block] = largest / 32767 + check;
            float inverse = largest > 0x1p-100f ? 32767 / largest : 0;
            for (int i = from; i < from + 32; i += 2) {
                words[i / 2] = nearest(floats[i] * inverse) & 0xFFFF | nearest(floats[i + 1] * inverse) << 16;
            }
        }
    }

    private static int nearest(float x) {
        return (int) (x + Math.copySign(0.5f, x));
    }

    private float half(int at) {
        return Float.float16ToFloat((short) (stored[at] & 0xFF | stored[at + 1] << 8));
    }

    /** See {@code Q4_0} and {@code Q4_1}: 16 bytes, low nibbles first. */
    private void takeApart4(int blockBytes, int bias) {
        for (int block = 0; block < ownScales.length; block++) {
            int at = block * blockBytes;
            ownScales[block] = half(at);
            ownMinima[block] = bias == 0 ? half(at + 2) : 0;
            int nibbles = at + blockBytes - 16;
            for (int i = 0; i < 16; i++) {
                quants[block * 32 + i] = (byte) ((stored[nibbles + i] & 0xF) + bias);
                quants[block * 32 + 16 + i] = (byte) ((stored[nibbles + i] >> 4 & 0xF) + bias);
            }
        }
    }

    /** See {@code Q5_0} and {@code Q5_1}: a word of fifth bits, then nibbles as in {@link #takeApart4}. */
    private void takeApart5(int blockBytes, int bias) {
        for (int block = 0; block < ownScales.length; block++) {
            int at = block * blockBytes;
            ownScales[block] = half(at);
            ownMinima[block] = bias == 0 ? half(at + 2) : 0;
            int nibbles = at + blockBytes - 16;
            int fifth = 0;
            for (int i = 0; i < 4; i++) {
                fifth |= (stored[nibbles - 4 + i] & 0xFF) << 8 * i;
            }
            for (int i = 0; i < 16; i++) {
                int low = stored[nibbles + i] & 0xF | (fifth >>> i & 1) << 4;
                int high = stored[nibbles + i] >> 4 & 0xF | (fifth >>> (i + 16) & 1) << 4;
                quants[block * 32 + i] = (byte) (low + bias);
                quants[block * 32 + 16 + i] = (byte) (high + bias);
            }
        }
    }

    private void takeApart8() {
        for (int block = 0; block < ownScales.length; block++) {
            ownScales[block] = half(block * 34);
            System.arraycopy(stored, block * 34 + 2, quants, block * 32, 32);
        }
    }

    /** See {@code Q4_K} and {@code Q5_K}: 8 blocks of 32 with scales and minima of 6 bits. */
    private void takeApart45k(int blockBytes, boolean fifth) {
        for (int block = 0; block < ownScales.length; block++) {
            int at = block / 8 * blockBytes;
            int sub = block % 8;
            ownScales[block] = half(at) * scale(at + 4, sub);
            ownMinima[block] = -(half(at + 2) * minimum(at + 4, sub));
            int nibbles = at + blockBytes - 128 + sub / 2 * 32;
            int shift = sub % 2 * 4;
            for (int i = 0; i < 32; i++) {
                quants[block * 32 + i] = (byte) (stored[nibbles + i] >> shift & 0xF);
            }
            if (fifth) {
                for (int i = 0; i < 32; i++) {
                    quants[block * 32 + i] |= (byte) ((stored[at + 16 + i] >> sub & 1) << 4);
                }
            }
        }
    }

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

    /** See {@code Q6_K}: nibbles and upper two bits of 256 elements, with a signed scale for every 16. */
    private void takeApart6k() {
        for (int run = 0; run < quants.length / 32; run++) {
            int at = run / 8 * 210;
            int half = run % 8 / 4;
            int nibbles = at + half * 64 + run % 2 * 32;
            int upper = at + 128 + half * 32;
            int shift = run % 4 / 2 * 4;
            int upperShift = run % 4 * 2;
            for (int i = 0; i < 32; i++) {
                int q = stored[nibbles + i] >> shift & 0xF | (stored[upper + i] >> upperShift & 3) << 4;
                quants[run * 32 + i] = (byte) (q - 32);
            }
        }
        for (int block = 0; block < ownScales.length; block++) {
            int at = block / 16 * 210;
            ownScales[block] = half(at + 208) * stored[at + 192 + block % 16];
        }
    }
}
