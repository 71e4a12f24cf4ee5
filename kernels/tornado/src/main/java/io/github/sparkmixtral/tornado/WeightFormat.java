package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.util.List;

/**
 * How the weights of a {@link DeviceMatrix} are packed.
 *
 * @param bits of a weight: 4, 8 or 16
 * @param block columns that share a scale
 * @param affine whether a weight is an unsigned integer and has a minimum; 16 bits are never affine
 */
record WeightFormat(int bits, int block, boolean affine) {

    /**
     * The narrowest format that holds everything that a type can: a quantized one to the last bit; a float one with an error of at
     * most 2^-16 of the largest element of its block, where BF16's own rounding of that one is of up to 2^-9.
     */
    static WeightFormat of(TensorType type) {
        int bits = switch (type) {
            case Q4_0, Q4_1, Q2_K, Q3_K, Q4_K, TQ1_0, TQ2_0 -> 4;
            case Q5_0, Q5_1, Q8_0, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4 -> 8;
            // Levels of a table lie on no grid.
            case F32, F16, BF16, NF4 -> 16;
        };
        return new WeightFormat(bits, type.isQuantized() ? type.scaleBlock() : 32, type.isAffine());
    }

    /**
     * The format of tensors that are packed together. Quantized types keep all that they hold in it; beside a float type they
     * are treated as float.
     */
    static WeightFormat of(List<Tensor> tensors) {
        return tensors.stream()
                .map(tensor -> of(tensor.type()))
                .reduce(WeightFormat::with)
                .orElseThrow(() -> new IllegalArgumentException("a matrix needs a tensor"));
    }

    private WeightFormat with(WeightFormat other) {
        int most = Math.max(bits, other.bits);
        return most == 16
                ? new WeightFormat(16, 32, false)
                : new WeightFormat(most, Math.min(block, other.block), affine || other.affine);
    }

    /** Bytes of the elements of a {@link DeviceMatrix} of so many rows, those of all its groups together. */
    long bytes(long rows, int columns) {
        long elements = rows * Widths.padded(columns);
        long scales = elements / block;
        long minima = affine ? scales : 1;
        return elements * bits / Byte.SIZE + (scales + minima) * Float.BYTES;
    }

    /** Weights in a word. */
    int perWord() {
        return Integer.SIZE / bits;
    }
}
