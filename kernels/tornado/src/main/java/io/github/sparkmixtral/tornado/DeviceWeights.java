package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * The weights of a model's layers that lie on one device, in the forms that kernels read. Every matrix is a {@link DeviceMatrix}; norms
 * and the router, which are small and decide much, stay float. Matrices are packed when they are about to be uploaded, and
 * released when they have been, so that the host holds those of a few layers at a time.
 */
final class DeviceWeights {

    private final LayerRange range;
    private final List<Layer> layers;
    private final UnpackedMatrix embedding;
    private final FloatArray outputNorm;
    private final UnpackedMatrix head;
    private final FloatArray rotary;

    private DeviceWeights(ModelConfig config, Weights weights, LayerRange range, int positions, DeviceArrays arrays) {
        this.range = range;
        Widths widths = Widths.of(config);
        layers = weights.layers().subList(range.from(), range.to()).stream()
                .map(layer -> Layer.of(layer, widths, arrays))
                .toList();
        embedding = range.isFirst() ? UnpackedMatrix.stacked(List.of(weights.embedding()), arrays) : null;
        boolean tied = range.isFirst() && weights.head() == weights.embedding();
        UnpackedMatrix own = range.isLast() && !tied ? UnpackedMatrix.stacked(List.of(weights.head()), arrays) : null;
        head = range.isLast() && tied ? embedding : own;
        outputNorm = range.isLast() ? vector(weights.outputNorm(), widths.hidden(), arrays) : null;
        rotary = rotary(config, positions, arrays);
    }

    /**
     * One decoder layer.
     *
     * @param attentionNorm {@code [hidden]}
     * @param qkv {@code [heads and twice kvHeads, hidden]}
     * @param output {@code [hidden, heads * headDimension]}
     * @param expertNorm {@code [hidden]}
     * @param router {@code [experts, hidden]}, rows {@link Widths#hidden} apart
     * @param gateUp {@code [experts, 2 * intermediate, hidden]}, rows of gate and up in turn
     * @param down {@code [experts, hidden, intermediate]}
     */
    record Layer(
            FloatArray attentionNorm,
            UnpackedMatrix qkv,
            UnpackedMatrix output,
            FloatArray expertNorm,
            FloatArray router,
            UnpackedMatrix gateUp,
            UnpackedMatrix down) {

        private static Layer of(Weights.Layer layer, Widths widths, DeviceArrays arrays) {
            return new Layer(
                    vector(layer.attentionNorm(), widths.hidden(), arrays),
                    UnpackedMatrix.stacked(List.of(layer.query(), layer.key(), layer.value()), arrays),
                    UnpackedMatrix.stacked(List.of(layer.output()), arrays),
                    vector(layer.expertNorm(), widths.hidden(), arrays),
                    vector(layer.router(), widths.hidden(), arrays),
                    UnpackedMatrix.interleaved(gateAndUp(layer), arrays),
                    UnpackedMatrix.grouped(downs(layer), arrays));
        }

        /** All that is uploaded. */
        Object[] arrays() {
            return Stream.concat(
                            Stream.of(attentionNorm, expertNorm, router),
                            matrices()
                                    .flatMap(matrix -> Stream.of(matrix.matrix().arrays())))
                    .toArray();
        }

        private Stream<UnpackedMatrix> matrices() {
            return Stream.of(qkv, output, gateUp, down);
        }
    }

    /** Which layers these are. */
    LayerRange range() {
        return range;
    }

    /** {@code [vocabulary, hidden]}; only with the first layer. */
    DeviceMatrix embedding() {
        return embedding.matrix();
    }

    List<Layer> layers() {
        return layers;
    }

    /** {@code [hidden]}; only with the last layer. */
    FloatArray outputNorm() {
        return outputNorm;
    }

    /** {@code [vocabulary, hidden]}; only with the last layer. */
    DeviceMatrix head() {
        return head.matrix();
    }

    /** {@code [positions, headDimension]} cosines, then sines, of each position's angles. */
    FloatArray rotary() {
        return rotary;
    }

    /** Bytes that the weights of each layer take on the device. */
    static long[] layerBytes(ModelConfig config, Weights weights) {
        long vectors = (config.experts() + 2L) * Widths.of(config).hidden() * Float.BYTES;
        return weights.layers().stream()
                .mapToLong(layer -> vectors
                        + DeviceMatrix.bytes(List.of(layer.query(), layer.key(), layer.value()))
                        + DeviceMatrix.bytes(List.of(layer.output()))
                        + DeviceMatrix.bytes(gateAndUp(layer))
                        + DeviceMatrix.bytes(downs(layer)))
                .toArray();
    }

    /**
     * Sets memory apart, and fills that of vectors. All of it belongs to {@code arrays}.
     *
     * @param positions longest sequence
     */
    static DeviceWeights of(ModelConfig config, Weights weights, LayerRange range, int positions, DeviceArrays arrays) {
        return new DeviceWeights(config, weights, range, positions, arrays);
    }

    /**
     * Packs the matrices of the layers {@code [from, to)}, counted from this device's first.
     *
     * @return whether all of them do with fp16's range
     */
    boolean pack(int from, int to) {
        return layers.subList(from, to).stream()
                .flatMap(Layer::matrices)
                .map(UnpackedMatrix::pack)
                .map(TensorCoreKernels::takes)
                .reduce(true, Boolean::logicalAnd);
    }

    /**
     * Packs embedding and head, as far as they lie here.
     *
     * @return whether the head does with fp16's range
     */
    boolean packEnds() {
        ends().forEach(UnpackedMatrix::pack);
        return head == null || TensorCoreKernels.takes(head.matrix());
    }

    /** Gives the host's memory back of what {@link #pack} has packed. */
    void release(int from, int to) {
        layers.subList(from, to).forEach(layer -> layer.matrices().forEach(DeviceWeights::release));
    }

    /** Gives the host's memory back of what {@link #packEnds} has packed. */
    void releaseEnds() {
        ends().forEach(DeviceWeights::release);
    }

    private static void release(UnpackedMatrix matrix) {
        DeviceArrays.release(matrix.matrix().arrays());
    }

    private Stream<UnpackedMatrix> ends() {
        return Stream.of(embedding, head).filter(Objects::nonNull).distinct();
    }

    /** Gate and up of each expert, end to end. */
    private static List<Tensor> gateAndUp(Weights.Layer layer) {
        List<Tensor> tensors = new ArrayList<>();
        layer.experts().forEach(expert -> {
            tensors.add(expert.gate());
            tensors.add(expert.up());
        });
        return tensors;
    }

    private static List<Tensor> downs(Weights.Layer layer) {
        return layer.experts().stream().map(Weights.Expert::down).toList();
    }

    /** A tensor's rows as floats, {@code stride} apart. */
    private static FloatArray vector(Tensor tensor, int stride, DeviceArrays arrays) {
        FloatArray vector = arrays.floats((long) tensor.rows() * stride);
        RowReader reader = new RowReader(tensor);
        float[] row = new float[tensor.columns()];
        for (int i = 0; i < tensor.rows(); i++) {
            tensor.type().decode(reader.row(i), 0, row, 0, row.length);
            for (int column = 0; column < row.length; column++) {
                vector.set(i * stride + column, row[column]);
            }
        }
        return vector;
    }

    private static FloatArray rotary(ModelConfig config, int positions, DeviceArrays arrays) {
        float[] frequencies = config.ropeFrequencies();
        float[] row = new float[config.headDimension()];
        FloatArray rotary = arrays.floats((long) positions * row.length);
        for (int position = 0; position < positions; position++) {
            for (int i = 0; i < frequencies.length; i++) {
                // Rounded to float, as in Hugging Face transformers.
                float angle = position * frequencies[i];
                row[i] = (float) Math.cos(angle);
                row[frequencies.length + i] = (float) Math.sin(angle);
            }
            MemorySegment.copy(
                    MemorySegment.ofArray(row),
                    0,
                    rotary.getSegment(),
                    (long) position * row.length * Float.BYTES,
                    row.length * Float.BYTES);
        }
        return rotary;
    }
}
