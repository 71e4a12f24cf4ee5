package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.tensor.Tensor;
import java.util.List;

/**
 * A matrix whose memory is set apart, and the tensors that are to be packed into it: those of all layers would take as much of the
 * host's memory as of the device's.
 *
 * @param matrix without its elements
 * @param tensors all of the same width
 * @param turns tensors of a matrix whose rows take turns
 */
record UnpackedMatrix(DeviceMatrix matrix, List<Tensor> tensors, int turns) {

    /** One matrix of the rows of all tensors, end to end. */
    static UnpackedMatrix stacked(List<Tensor> tensors, DeviceArrays arrays) {
        return of(tensors, 1, 1, arrays);
    }

    /** A matrix for each tensor; all have the same shape. */
    static UnpackedMatrix grouped(List<Tensor> tensors, DeviceArrays arrays) {
        return of(tensors, tensors.size(), 1, arrays);
    }

    /** A matrix for each two tensors, whose rows take turns; all have the same shape. */
    static UnpackedMatrix interleaved(List<Tensor> tensors, DeviceArrays arrays) {
        return of(tensors, tensors.size() / 2, 2, arrays);
    }

    private static UnpackedMatrix of(List<Tensor> tensors, int groups, int turns, DeviceArrays arrays) {
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
        long rows = tensors.stream().mapToLong(Tensor::rows).sum();
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
        return new UnpackedMatrix(matrix, tensors, turns);
    }

    /** Packs the tensors, with all processors. */
    DeviceMatrix pack() {
        WeightFormat format = new WeightFormat(matrix.bits(), matrix.block(), matrix.affine() == 1);
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
}
