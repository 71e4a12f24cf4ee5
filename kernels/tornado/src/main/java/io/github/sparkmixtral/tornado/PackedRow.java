package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.tensor.QuantizedRow;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;

/**
 * Packs one row of a tensor after another: the parts of a {@link QuantizedRow}, or what floats are quantized to, as the matrix wants
 * them. For one thread.
 */
final class PackedRow {

    private final Tensor tensor;
    private final RowReader reader;
    private final WeightFormat format;
    private final QuantizedRow quantized;
    private final float[] floats;
    private final int[] words;
    private final float[] scales;
    private final float[] minima;

    PackedRow(Tensor tensor, WeightFormat format) {
        this.tensor = tensor;
        this.format = format;
        int columns = Widths.padded(tensor.columns());
        reader = new RowReader(tensor);
        quantized = format.bits() == 16 ? null : new QuantizedRow(tensor);
        floats = new float[columns];
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
        if (format.bits() == 16) {
            tensor.type().decode(reader.row(row), 0, floats, 0, tensor.columns());
            pack16();
            return;
        }
        quantized.read(row);
        // A signed integer where the matrix is affine: all are moved up, and the minimum takes that back, exactly.
        boolean affine = tensor.type().isAffine();
        int offset = format.affine() && !affine ? 1 << (format.bits() - 1) : 0;
        for (int i = 0; i < scales.length; i++) {
            int part = i * format.block() / tensor.type().scaleBlock();
            scales[i] = quantized.scale(part);
            minima[i] = affine ? quantized.minimum(part) : -offset * scales[i];
        }
        if (format.bits() == 8) {
            pack8(offset);
        } else {
            pack4(offset);
        }
    }

    private void pack4(int offset) {
        byte[] quants = quantized.quants();
        for (int i = 0; i < words.length; i++) {
            int word = 0;
            for (int j = 0; j < 8; j++) {
                word |= (quants[i * 8 + j] + offset & 0xF) << 4 * j;
            }
            words[i] = word;
        }
    }

    private void pack8(int offset) {
        byte[] quants = quantized.quants();
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
}
