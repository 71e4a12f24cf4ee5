package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.Tensor;
import io.github.sparkmixtral.model.TensorType;
import io.github.sparkmixtral.model.Weights;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Models of real shapes with random weights: for speed, not for sense. All layers read the same memory, so that a model with
 * many layers takes the host no more than one with one; a backend that packs or uploads weights still does so layer by layer. It has no
 * tokenizer.
 */
final class SyntheticModel {

    private final ModelConfig config;
    private final TensorType type;
    private final Arena arena = Arena.ofShared();
    private final SplittableRandom random;

    private SyntheticModel(ModelConfig config, TensorType type, long seed) {
        this.config = config;
        this.type = type;
        this.random = new SplittableRandom(seed);
    }

    /** A Mixtral of 8x7B's width with that many layers. */
    static ModelConfig mixtral8x7b(int layers) {
        return new ModelConfig(
                4096, 14336, layers, 32, 8, 128, 8, 2, 32000, 32768, 1e6, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
    }

    /** The shape that shared CPU comparisons use: 0.79 billion weights. */
    static ModelConfig small(int layers) {
        return new ModelConfig(
                1024, 3584, layers, 16, 4, 64, 8, 2, 32000, 32768, 1e6, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
    }

    /** A shape that any machine runs through in a moment, to try the benchmark itself. */
    static ModelConfig tiny(int layers) {
        return new ModelConfig(
                256, 512, layers, 8, 2, 32, 8, 2, 1000, 4096, 1e6, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
    }

    static Model of(ModelConfig config, TensorType type, long seed) {
        return new SyntheticModel(config, type, seed).model();
    }

    private Model model() {
        ModelConfig c = config;
        int queries = c.heads() * c.headDimension();
        int keys = c.kvHeads() * c.headDimension();
        Weights.Layer layer = new Weights.Layer(
                ones("attention norm"),
                matrix("query", type, queries, c.hiddenSize()),
                matrix("key", type, keys, c.hiddenSize()),
                matrix("value", type, keys, c.hiddenSize()),
                matrix("output", type, c.hiddenSize(), queries),
                ones("expert norm"),
                // Wide enough that each token has its own favourites: experts get about equal shares.
                matrix("router", TensorType.F32, c.experts(), c.hiddenSize()),
                IntStream.range(0, c.experts())
                        .mapToObj(expert -> new Weights.Expert(
                                matrix("gate", type, c.intermediateSize(), c.hiddenSize()),
                                matrix("up", type, c.intermediateSize(), c.hiddenSize()),
                                matrix("down", type, c.hiddenSize(), c.intermediateSize())))
                        .toList());
        Weights weights = new Weights(
                matrix("embedding", type, c.vocabularySize(), c.hiddenSize()),
                IntStream.range(0, c.layers()).mapToObj(_ -> layer).toList(),
                ones("output norm"),
                matrix("head", type, c.vocabularySize(), c.hiddenSize()));
        return new Model(
                new ModelDescription(Path.of("synthetic"), "synthetic " + type, 0, bytes(weights), c, null),
                weights,
                arena);
    }

    private long bytes(Weights weights) {
        return weights.embedding().data().byteSize()
                + weights.head().data().byteSize()
                + config.layers() * layerBytes(weights);
    }

    private static long layerBytes(Weights weights) {
        Weights.Layer layer = weights.layers().getFirst();
        return attentionBytes(layer)
                + layer.experts().stream()
                        .mapToLong(SyntheticModel::expertBytes)
                        .sum();
    }

    /** Bytes of the matrices that every token of a layer passes. */
    static long attentionBytes(Weights.Layer layer) {
        return layer.query().data().byteSize()
                + layer.key().data().byteSize()
                + layer.value().data().byteSize()
                + layer.output().data().byteSize()
                + layer.router().data().byteSize();
    }

    static long expertBytes(Weights.Expert expert) {
        return expert.gate().data().byteSize()
                + expert.up().data().byteSize()
                + expert.down().data().byteSize();
    }

    private Tensor ones(String name) {
        MemorySegment data = arena.allocate(4L * config.hiddenSize(), 4);
        for (int i = 0; i < config.hiddenSize(); i++) {
            data.set(ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN), 4L * i, 1f);
        }
        return new Tensor(name, TensorType.F32, 1, config.hiddenSize(), data.asReadOnly());
    }

    /** Random weights of about {@code 1 / sqrt(columns)}, so that activations keep their size from layer to layer. */
    private Tensor matrix(String name, TensorType type, int rows, int columns) {
        MemorySegment data = arena.allocate(type.bytes((long) rows * columns), 64);
        double deviation = 1 / Math.sqrt(columns);
        switch (type) {
            case F32 -> {
                for (long i = 0; i < (long) rows * columns; i++) {
                    float weight = (float) ((random.nextDouble() * 2 - 1) * 1.7 * deviation);
                    data.set(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 4 * i, weight);
                }
            }
            case BF16 -> {
                for (long i = 0; i < (long) rows * columns; i++) {
                    float weight = (float) ((random.nextDouble() * 2 - 1) * 1.7 * deviation);
                    data.set(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 2 * i, (short)
                            (Float.floatToRawIntBits(weight) >>> 16));
                }
            }
            // Uniform integers in [-128, 127] deviate by 74, in [-8, 7] by 4.6: the scale makes up for it.
            case Q8_0 -> blocks(data, type.blockBytes(), Float.floatToFloat16((float) (deviation / 74)));
            case Q4_0 -> blocks(data, type.blockBytes(), Float.floatToFloat16((float) (deviation / 4.6)));
            case F16, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K ->
                throw new IllegalArgumentException(
                        "no random weights of type " + type + "; take F32, BF16, Q8_0 or Q4_0");
        }
        return new Tensor(name, type, rows, columns, data.asReadOnly());
    }

    /** Blocks of random bits, each after its scale. */
    private void blocks(MemorySegment data, int blockBytes, short scale) {
        ValueLayout.OfLong word = ValueLayout.JAVA_LONG_UNALIGNED;
        for (long at = 0; at + Long.BYTES <= data.byteSize(); at += Long.BYTES) {
            data.set(word, at, random.nextLong());
        }
        for (long at = 0; at < data.byteSize(); at += blockBytes) {
            data.set(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at, scale);
        }
    }
}
