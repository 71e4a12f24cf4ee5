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

    /** One matrix of the rows of all tensors, end to end. */
    static DeviceMatrix stacked(List<Tensor> tensors, DeviceArrays arrays) {
        return pack(tensors, 1, 1, arrays);
    }

    /** A matrix for each tensor; all have the same shape. */
    static DeviceMatrix grouped(List<Tensor> tensors, DeviceArrays arrays) {
        return pack(tensors, tensors.size(), 1, arrays);
    }

    /** A matrix for each two tensors, whose rows take turns; all have the same shape. */
    static DeviceMatrix interleaved(List<Tensor> tensors, DeviceArrays arrays) {
        return pack(tensors, tensors.size() / 2, 2, arrays);
    }

    /** Bytes that these tensors take on the device as one {@link DeviceMatrix}, however they are arranged in it. */
    static long bytes(List<Tensor> tensors) {
        WeightFormat format = WeightFormat.of(tensors);
        long elements = rows(tensors) * Widths.padded(tensors.getFirst().columns());
        long scales = elements / format.block();
        long minima = format.affine() ? scales : 1;
        return DeviceArrays.bytes(elements * format.bits() / Integer.SIZE)
                + DeviceArrays.bytes(scales)
                + DeviceArrays.bytes(minima);
    }

    private static long rows(List<Tensor> tensors) {
        return tensors.stream().mapToLong(Tensor::rows).sum();
    }

    /** @param turns tensors of a matrix whose rows take turns */
    private static DeviceMatrix pack(List<Tensor> tensors, int groups, int turns, DeviceArrays arrays) {
        int columns = tensors.getFirst().columns();
        int height = tensors.getFirst().rows();
        for (Tensor tensor : tensors) {
            if (tensor.columns() != columns || (tensors.size() == groups * turns && tensor.rows() != height)) {
                throw new IllegalArgumentException("the tensor %s [%d, %d] does not fit to %s [%d, %d]"
                        .formatted(
                                tensor.name(),
                                tensor.rows(),
                                tensor.columns(),
                                tensors.getFirst().name(),
                                height,
                                columns));
            }
        }
        WeightFormat format = WeightFormat.of(tensors);
        long rows = rows(tensors);
        int padded = Widths.padded(columns);
        long scales = rows * (padded / format.block());
        DeviceMatrix matrix = new DeviceMatrix(
                arrays.ints(rows * (padded / format.perWord())),
                arrays.floats(scales),
                arrays.floats(format.affine() ? scales : 1),
                format.bits(),
                format.block(),
                format.affine() ? 1 : 0,
                groups,
                Math.toIntExact(rows / groups),
                padded);
        int first = 0;
        for (int i = 0; i < tensors.size(); i++) {
            Tensor tensor = tensors.get(i);
            matrix.pack(tensor, format, first + i % turns, turns);
            if (i % turns == turns - 1) {
                first += tensor.rows() * turns;
            }
        }
        return matrix;
    }

    /** Packs a tensor's rows into the rows {@code first}, {@code first + distance} and so on, with all processors. */
    private void pack(Tensor tensor, WeightFormat format, int first, int distance) {
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
