package io.github.sparkmixtral.testkit;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Models of any shape with random f32 or bf16 weights, made in memory. They have no tokenizer. */
public final class RandomModel {

    private final Random random;
    private final TensorType type;
    private final Arena arena = Arena.ofShared();

    private RandomModel(TensorType type, long seed) {
        this.random = new Random(seed);
        this.type = type;
    }

    /** A small shape with nothing even about it. */
    public static ModelConfig config(int slidingWindow, RopeLayout layout) {
        return new ModelConfig(44, 52, 2, 6, 2, 10, 5, 2, 131, 2048, 1e4, 1e-5, slidingWindow, layout, 1, List.of(2));
    }

    /** The same seed gives the same values in every type, up to rounding. */
    public static Model of(ModelConfig config, TensorType type, long seed) {
        return new RandomModel(type, seed).model(config);
    }

    /** The model of the same seed with the rows of query and key permuted from halves to neighbours. */
    public static Model permuted(ModelConfig config, TensorType type, long seed) {
        RandomModel random = new RandomModel(type, seed);
        Model model = random.model(config);
        List<Weights.Layer> layers = model.weights().layers().stream()
                .map(layer -> new Weights.Layer(
                        layer.attentionNorm(),
                        random.permuted(layer.query(), config.headDimension()),
                        random.permuted(layer.key(), config.headDimension()),
                        layer.value(),
                        layer.output(),
                        layer.expertNorm(),
                        layer.router(),
                        layer.experts()))
                .toList();
        Weights weights = model.weights();
        return new Model(
                model.description(),
                new Weights(weights.embedding(), layers, weights.outputNorm(), weights.head()),
                model.arena());
    }

    /** Row {@code i} of a head's first half becomes row {@code 2i}, row {@code i} of its second half row {@code 2i + 1}. */
    private Tensor permuted(Tensor tensor, int headDimension) {
        MemorySegment data = arena.allocate(tensor.data().byteSize(), 1);
        long bytes = tensor.rowBytes();
        for (int row = 0; row < tensor.rows(); row++) {
            int inHead = row % headDimension;
            int half = headDimension / 2;
            int to = row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
            MemorySegment.copy(tensor.data(), row * bytes, data, to * bytes, bytes);
        }
        return new Tensor(tensor.name(), tensor.type(), tensor.rows(), tensor.columns(), data.asReadOnly());
    }

    private Model model(ModelConfig c) {
        int queries = c.heads() * c.headDimension();
        int keys = c.kvHeads() * c.headDimension();
        Tensor embedding = matrix("embedding", c.vocabularySize(), c.hiddenSize());
        List<Weights.Layer> layers = IntStream.range(0, c.layers())
                .mapToObj(layer -> new Weights.Layer(
                        norm("attention norm", c.hiddenSize()),
                        matrix("query", queries, c.hiddenSize()),
                        matrix("key", keys, c.hiddenSize()),
                        matrix("value", keys, c.hiddenSize()),
                        matrix("output", c.hiddenSize(), queries),
                        norm("expert norm", c.hiddenSize()),
                        matrix("router", c.experts(), c.hiddenSize()),
                        IntStream.range(0, c.experts())
                                .mapToObj(expert -> new Weights.Expert(
                                        matrix("gate", c.intermediateSize(), c.hiddenSize()),
                                        matrix("up", c.intermediateSize(), c.hiddenSize()),
                                        matrix("down", c.hiddenSize(), c.intermediateSize())))
                                .toList()))
                .toList();
        Tensor outputNorm = norm("output norm", c.hiddenSize());
        Tensor head = matrix("head", c.vocabularySize(), c.hiddenSize());
        var description = new ModelDescription(Path.of("random"), "memory " + type, 0, 0, c, null);
        return new Model(description, new Weights(embedding, layers, outputNorm, head), arena);
    }

    private Tensor norm(String name, int columns) {
        return tensor(name, TensorType.F32, 1, columns, 1, 0.3);
    }

    private Tensor matrix(String name, int rows, int columns) {
        return tensor(name, type, rows, columns, 0, 1.5 / Math.sqrt(columns));
    }

    private Tensor tensor(String name, TensorType type, int rows, int columns, double mean, double deviation) {
        MemorySegment data = arena.allocate(type.bytes((long) rows * columns), 1);
        for (int i = 0; i < rows * columns; i++) {
            float weight = (float) (mean + deviation * random.nextGaussian());
            switch (type) {
                case F32 ->
                    data.set(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 4L * i, weight);
                case BF16 ->
                    data.set(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 2L * i, (short)
                            (Float.floatToRawIntBits(weight) >>> 16));
                case F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, NF4 ->
                    throw new IllegalArgumentException("no random weights of type " + type);
            }
        }
        return new Tensor(name, type, rows, columns, data.asReadOnly());
    }
}
