package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Matrices of the same shape, one stacked on the other, in the one form that kernels read whatever the tensors' own format is.
 * An element is {@code q * scale}, or {@code q * scale + minimum} where the matrix is affine, in float, with an integer q
 * of few bits that is signed, or unsigned where the matrix is affine. The form is that of the tensors' {@link WeightFormat}, which
 * keeps what the tensors hold. The memory belongs to the {@link DeviceArrays} that it was taken from.
 *
 * @param words {@code [groups, outputs, columns * bits / 32]}; element i of a row is in word {@code i / (32 / bits)}, lowest bits
 *     first
 * @param scales {@code [groups, outputs, columns / block]}
 * @param minima as {@code scales}, or one zero where the matrix is not affine
 * @param bits of q: 4, 8 or 16
 * @param block columns that share a scale: 16 or 32
 * @param affine 1 if so, else 0
 * @param groups number of matrices
 * @param outputs rows of each matrix
 * @param columns rounded up to a multiple of {@value Widths#BLOCK}; those added are zero
 */
record DeviceMatrix(
        IntArray words,
        FloatArray scales,
        FloatArray minima,
        int bits,
        int block,
        int affine,
        int groups,
        int outputs,
        int columns) {

    /** Rows that one thread packs at a time. */
    private static final int ROWS = 32;

    /** All that is uploaded. */
    Object[] arrays() {
        return new Object[] {words, scales, minima};
    }

    /** Bytes that these tensors take on the device as one {@link DeviceMatrix}, however they are arranged in it. */
    static long bytes(List<Tensor> tensors) {
        long rows = tensors.stream().mapToLong(Tensor::rows).sum();
        return WeightFormat.of(tensors).bytes(rows, tensors.getFirst().columns()) + 3 * DeviceArrays.MOST_HEADER;
    }

    /** Packs a tensor's rows into the rows {@code first}, {@code first + distance} and so on, with all processors. */
    void pack(Tensor tensor, WeightFormat format, int first, int distance) {
        MemorySegment packed = words.getSegment();
        MemorySegment packedScales = scales.getSegment();
        MemorySegment packedMinima = minima.getSegment();
        IntStream.range(0, Math.ceilDiv(tensor.rows(), ROWS)).parallel().forEach(task -> {
            PackedRow row = new PackedRow(tensor, format);
            int end = Math.min((task + 1) * ROWS, tensor.rows());
            for (int i = task * ROWS; i < end; i++) {
                row.pack(i);
                long at = first + (long) i * distance;
                copy(row.words(), packed, at);
                copy(row.scales(), packedScales, at);
                if (format.affine()) {
                    copy(row.minima(), packedMinima, at);
                }
            }
        });
    }

    private static void copy(int[] row, MemorySegment to, long index) {
        MemorySegment.copy(row, 0, to, ValueLayout.JAVA_INT, index * row.length * Integer.BYTES, row.length);
    }

    private static void copy(float[] row, MemorySegment to, long index) {
        MemorySegment.copy(row, 0, to, ValueLayout.JAVA_FLOAT, index * row.length * Float.BYTES, row.length);
    }
}
