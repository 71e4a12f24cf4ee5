package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * All matrices of a model as kernels read them. The embedding, of which a step takes single rows, stays as it is in its file.
 *
 * @param layers one per decoder layer
 * @param head {@code [vocabulary, hidden]}
 */
record PackedWeights(List<Layer> layers, PackedMatrix head) {

    /** See {@link Weights.Layer}. */
    record Layer(
            PackedMatrix query,
            PackedMatrix key,
            PackedMatrix value,
            PackedMatrix output,
            PackedMatrix router,
            List<Expert> experts) {}

    /** See {@link Weights.Expert}. */
    record Expert(PackedMatrix gate, PackedMatrix up, PackedMatrix down) {}

    /** Bytes that {@link #pack} needs. */
    static long bytes(Weights weights, Packing packing) {
        long[] total = {0};
        map(weights, packing, (tensor, its) -> {
            total[0] += PackedMatrix.bytes(tensor, its);
            return new PackedMatrix(tensor, its, MemorySegment.NULL);
        });
        return total[0];
    }

    /**
     * Packs all matrices, with all workers.
     *
     * @param memory {@link #bytes} bytes, zero
     * @throws io.github.sparkmixtral.file.ModelException where a tensor holds what cannot be
     */
    static PackedWeights pack(Weights weights, Packing packing, MemorySegment memory, WorkerPool pool) {
        List<PackedMatrix> matrices = new ArrayList<>();
        long[] taken = {0};
        PackedWeights packed = map(weights, packing, (tensor, its) -> {
            long bytes = PackedMatrix.bytes(tensor, its);
            PackedMatrix matrix = new PackedMatrix(tensor, its, memory.asSlice(taken[0], bytes));
            taken[0] += bytes;
            matrices.add(matrix);
            return matrix;
        });
        int[] starts = new int[matrices.size() + 1];
        for (int i = 0; i < matrices.size(); i++) {
            starts[i + 1] = starts[i] + matrices.get(i).panelCount();
        }
        pool.run(starts[matrices.size()], (worker, i) -> {
            int found = Arrays.binarySearch(starts, i);
            int matrix = found >= 0 ? found : -found - 2;
            matrices.get(matrix).pack(i - starts[matrix]);
        });
        return packed;
    }

    /** The router stays in floats, where rounding could choose another expert; it is small. */
    private static PackedWeights map(
            Weights weights, Packing packing, BiFunction<Tensor, Packing, PackedMatrix> packAs) {
        Function<Tensor, PackedMatrix> pack = tensor -> packAs.apply(tensor, packing);
        Packing exact = packing == Packing.BFLOAT16 ? Packing.FLOATS : packing;
        return new PackedWeights(
                weights.layers().stream()
                        .map(layer -> new Layer(
                                pack.apply(layer.query()),
                                pack.apply(layer.key()),
                                pack.apply(layer.value()),
                                pack.apply(layer.output()),
                                packAs.apply(layer.router(), exact),
                                layer.experts().stream()
                                        .map(expert -> new Expert(
                                                pack.apply(expert.gate()),
                                                pack.apply(expert.up()),
                                                pack.apply(expert.down())))
                                        .toList()))
                        .toList(),
                pack.apply(weights.head()));
    }
}
