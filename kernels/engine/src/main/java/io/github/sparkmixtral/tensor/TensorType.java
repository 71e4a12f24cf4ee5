package io.github.sparkmixtral.tensor;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * How the elements of a tensor are stored. Blocks are those of the GGUF specification, little-endian; a row holds a whole
 * number of blocks.
 */
public enum TensorType {
    F32(1, 4),
    F16(1, 2),
    BF16(1, 2),
    Q4_0(32, 18),
    Q4_1(32, 20),
    Q5_0(32, 22),
    Q5_1(32, 24),
    Q8_0(32, 34),
    Q2_K(256, 84),
    Q3_K(256, 110),
    Q4_K(256, 144),
    Q5_K(256, 176),
    Q6_K(256, 210),
    IQ4_NL(32, 18),
    IQ4_XS(256, 136),
    TQ1_0(256, 54),
    TQ2_0(256, 66),
    MXFP4(32, 17),
    /**
     * Indices into a table of levels between -1 and 1, times a scale (Dettmers et al. 2023). The block is that of {@link #Q4_0}; no GGUF file
     * has it.
     */
    NF4(32, 18);

    /** What the 4 bits of an element of {@link #IQ4_NL} and {@link #IQ4_XS} mean: integers that lie closer near zero. */
    static final byte[] IQ4_VALUES = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

    /** The same of {@link #MXFP4}: twice the numbers of 4-bit floats (E2M1), as their block's scale is half of its power of two. */
    static final byte[] E2M1_DOUBLED = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    /** Quantiles of a normal distribution, one of them zero: the table of bitsandbytes. */
    private static final float[] LEVELS = {
        -1.0f,
        -0.6961928009986877f,
        -0.5250730514526367f,
        -0.39491748809814453f,
        -0.28444138169288635f,
        -0.18477343022823334f,
        -0.09105003625154495f,
        0.0f,
        0.07958029955625534f,
        0.16093020141124725f,
        0.24611230194568634f,
        0.33791524171829224f,
        0.44070982933044434f,
        0.5626170039176941f,
        0.7229568362236023f,
        1.0f
    };

    private final int blockSize;
    private final int blockBytes;

    TensorType(int blockSize, int blockBytes) {
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
    }

    /** Elements per block. */
    public int blockSize() {
        return blockSize;
    }

    /** Bytes per block. */
    public int blockBytes() {
        return blockBytes;
    }

    /** Whether elements are small integers with scales. */
    public boolean isQuantized() {
        return blockSize > 1;
    }

    /** Elements that share a scale: 16 or 32, and 1 where the type is not quantized. */
    public int scaleBlock() {
        return switch (this) {
            case Q2_K, Q3_K, Q6_K -> 16;
            case F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4, NF4 ->
                Math.min(blockSize, 32);
        };
    }

    /** Whether a quantized element is an integer that is not negative, times a scale, plus a minimum. */
    public boolean isAffine() {
        return switch (this) {
            case Q4_1, Q5_1, Q2_K, Q4_K, Q5_K -> true;
            case F32, F16, BF16, Q4_0, Q5_0, Q8_0, Q3_K, Q6_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4, NF4 -> false;
        };
    }

    /** Whether a quant is an index of a {@link #level}, and no number. */
    public boolean isTable() {
        return this == NF4;
    }

    /** What an index from 0 to 15 means, before it is multiplied by the scale, where the type {@link #isTable}. */
    public float level(int index) {
        return LEVELS[index];
    }

    /** Bytes of {@code elements} elements, which must be a whole number of blocks. */
    public long bytes(long elements) {
        return Math.multiplyExact(elements / blockSize, (long) blockBytes);
    }

    /**
     * Decodes {@code elements} elements, a whole number of blocks, that begin {@code byteOffset} bytes into {@code data}. This
     * is the reference that every kernel is held to: the formula of the format, in float, one rounding per operation.
     *
     * @param data need not be aligned
     * @param out receives the elements at {@code [outOffset, outOffset + elements)}
     * @throws IllegalArgumentException where {@code elements} is negative or no whole number of blocks
     * @throws IndexOutOfBoundsException where {@code data} or {@code out} is too short; nothing is read outside of it
     */
    public void decode(MemorySegment data, long byteOffset, float[] out, int outOffset, int elements) {
        if (elements < 0 || elements % blockSize != 0) {
            throw new IllegalArgumentException(
                    elements + " elements are no whole number of " + this + " blocks of " + blockSize);
        }
        Objects.checkFromIndexSize(byteOffset, bytes(elements), data.byteSize());
        Objects.checkFromIndexSize(outOffset, elements, out.length);
        BlockDecoder.decode(this, data, byteOffset, out, outOffset, elements);
    }

    /**
     * Quantizes the whole {@code row}, with the rounding of ggml's reference; to {@link #NF4} with that of bitsandbytes, in blocks of 64
     * as it has them by default.
     *
     * @param row a whole number of blocks
     * @param out receives the blocks from {@code byteOffset} on; need not be aligned
     * @throws IllegalArgumentException where this is neither {@link #Q8_0}, {@link #Q4_0} nor {@link #NF4}, the types that models are quantized to,
     *     or where {@code row} is no whole number of blocks
     * @throws IndexOutOfBoundsException where {@code out} is too short; nothing is written then
     */
    public void encode(float[] row, MemorySegment out, long byteOffset) {
        if (row.length % blockSize != 0) {
            throw new IllegalArgumentException(
                    row.length + " elements are no whole number of " + this + " blocks of " + blockSize);
        }
        Objects.checkFromIndexSize(byteOffset, bytes(row.length), out.byteSize());
        switch (this) {
            case Q8_0 -> BlockEncoder.q8(row, out, byteOffset);
            case Q4_0 -> BlockEncoder.q4(row, out, byteOffset);
            case NF4 -> BlockEncoder.nf4(row, out, byteOffset);
            case F32, F16, BF16, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4 ->
                throw new IllegalArgumentException("nothing is quantized to " + this);
        }
    }
}
