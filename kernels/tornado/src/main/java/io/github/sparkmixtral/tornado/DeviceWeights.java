package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * A model's weights in the forms that kernels read. Every matrix is a {@link DeviceMatrix}; norms and the router, which
 * are small and decide much, stay float.
 *
 * @param embedding {@code [vocabulary, hidden]}
 * @param outputNorm {@code [hidden]}
 * @param head {@code [vocabulary, hidden]}
 * @param rotary {@code [positions, headDimension]} cosines, then sines, of each position's angles
 */
record DeviceWeights(
        DeviceMatrix embedding, List<Layer> layers, FloatArray outputNorm, DeviceMatrix head, FloatArray rotary) {

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
            DeviceMatrix qkv,
            DeviceMatrix output,
            FloatArray expertNorm,
            FloatArray router,
            DeviceMatrix gateUp,
            DeviceMatrix down) {

        /** All that is uploaded. */
        Object[] arrays() {
            return Stream.concat(
                            Stream.of(attentionNorm, expertNorm, router),
                            Stream.of(qkv, output, gateUp, down).flatMap(matrix -> Stream.of(matrix.arrays())))
                    .toArray();
        }
    }

    /** Those that rows are multiplied with. */
    Stream<DeviceMatrix> products() {
        return Stream.concat(
                layers.stream().flatMap(layer -> Stream.of(layer.qkv, layer.output, layer.gateUp, layer.down)),
                Stream.of(head));
    }

    /** Bytes that the weights will take on the device. */
    static long bytes(ModelConfig config, Weights weights, int positions) {
        long bytes = DeviceMatrix.bytes(List.of(weights.embedding())) + DeviceMatrix.bytes(List.of(weights.head()));
        bytes += (long) positions * config.headDimension() * Float.BYTES;
        for (Weights.Layer layer : weights.layers()) {
            bytes += DeviceMatrix.bytes(List.of(layer.query(), layer.key(), layer.value()));
            bytes += DeviceMatrix.bytes(List.of(layer.output()));
            bytes += DeviceMatrix.bytes(gateAndUp(layer));
            bytes += DeviceMatrix.bytes(downs(layer));
            bytes += (config.experts() + 2L) * Widths.of(config).hidden() * Float.BYTES;
        }
        return bytes + (long) Widths.of(config).hidden() * Float.BYTES;
    }

    /**
     * Packs a model's weights.
     *
     * @param positions longest sequence
     * @param arrays owns the memory of the result
     * @param progress told of each layer
     */
    static DeviceWeights of(
            ModelConfig config, Weights weights, int positions, DeviceArrays arrays, Consumer<String> progress) {
        Widths widths = Widths.of(config);
        List<Layer> layers = new ArrayList<>();
        for (Weights.Layer layer : weights.layers()) {
            progress.accept("packing layer %d of %d".formatted(layers.size() + 1, config.layers()));
            layers.add(new Layer(
                    vector(layer.attentionNorm(), widths.hidden(), arrays),
                    DeviceMatrix.stacked(List.of(layer.query(), layer.key(), layer.value()), arrays),
                    DeviceMatrix.stacked(List.of(layer.output()), arrays),
                    vector(layer.expertNorm(), widths.hidden(), arrays),
                    vector(layer.router(), widths.hidden(), arrays),
                    DeviceMatrix.interleaved(gateAndUp(layer), arrays),
                    DeviceMatrix.grouped(downs(layer), arrays)));
        }
        DeviceMatrix embedding = DeviceMatrix.stacked(List.of(weights.embedding()), arrays);
        return new DeviceWeights(
                embedding,
                List.copyOf(layers),
                vector(weights.outputNorm(), widths.hidden(), arrays),
                weights.head() == weights.embedding()
                        ? embedding
                        : DeviceMatrix.stacked(List.of(weights.head()), arrays),
                rotary(config, positions, arrays));
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
