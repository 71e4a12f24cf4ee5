package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Vocabulary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Models of real shapes with random weights and a vocabulary of made-up words: for speed, not for sense. Each layer has weights of
 * its own, as no cache may hold what a real model's would not; but where that would take more than {@value #OWN_LAYERS_BYTES} bytes,
 * all layers read the same memory, so that a device with little beside it can be measured; a backend that packs or uploads weights
 * still does so layer by layer.
 */
final class SyntheticModel {

    private static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long OWN_LAYERS_BYTES = 4L << 30;
    private static final int FIRST_BYTE = 3;
    private static final int BYTES = 256;

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
                256, 512, layers, 8, 2, 32, 8, 2, 1000, 8192, 1e6, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
    }

    /**
     * A model of that shape; the caller closes it.
     *
     * @throws IllegalArgumentException for types that it cannot make
     */
    static Model of(ModelConfig config, TensorType type, long seed) {
        return new SyntheticModel(config, type, seed).model();
    }

    private Model model() {
        ModelConfig c = config;
        Weights.Layer first = layer();
        boolean own = c.layers() * layerBytes(first) <= OWN_LAYERS_BYTES;
        Weights weights = new Weights(
                matrix("embedding", type, c.vocabularySize(), c.hiddenSize()),
                IntStream.range(0, c.layers())
                        .mapToObj(layer -> layer > 0 && own ? layer() : first)
                        .toList(),
                ones("output norm"),
                matrix("head", type, c.vocabularySize(), c.hiddenSize()));
        return new Model(
                new ModelDescription(
                        Path.of("synthetic"),
                        "synthetic " + type,
                        0,
                        bytes(weights),
                        c,
                        Tokenizer.of(vocabulary(c.vocabularySize()))),
                weights,
                arena);
    }

    private Weights.Layer layer() {
        ModelConfig c = config;
        int queries = c.heads() * c.headDimension();
        int keys = c.kvHeads() * c.headDimension();
        return new Weights.Layer(
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
    }

    /** Control tokens, bytes and numbered words; of the bytes none where the vocabulary has no room for all. */
    static Vocabulary vocabulary(int size) {
        int firstWord = size >= FIRST_BYTE + BYTES ? FIRST_BYTE + BYTES : FIRST_BYTE;
        String[] pieces = new String[size];
        float[] scores = new float[size];
        int[] types = new int[size];
        for (int id = 0; id < size; id++) {
            scores[id] = -id;
            if (id < FIRST_BYTE) {
                pieces[id] = List.of("<unk>", "<s>", "</s>").get(id);
                types[id] = id == 0 ? 2 : 3;
            } else if (id < firstWord) {
                pieces[id] = "<0x%02X>".formatted(id - FIRST_BYTE);
                types[id] = 6;
            } else {
                pieces[id] = "\u2581w" + id;
                types[id] = 1;
            }
        }
        return new Vocabulary("synthetic", pieces, scores, types, 0, 1, 2, true);
    }

    private long bytes(Weights weights) {
        return weights.embedding().data().byteSize()
                + weights.head().data().byteSize()
                + config.layers() * layerBytes(weights.layers().getFirst());
    }

    private static long layerBytes(Weights.Layer layer) {
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
                    data.set(HALF, 2 * i, (short) (Float.floatToRawIntBits(weight) >>> 16));
                }
            }
            case F16 -> {
                for (long i = 0; i < (long) rows * columns; i++) {
                    float weight = (float) ((random.nextDouble() * 2 - 1) * 1.7 * deviation);
                    data.set(HALF, 2 * i, Float.floatToFloat16(weight));
                }
            }
            // Uniform integers in [-128, 127] deviate by 74, in [-8, 7] by 4.6: the scale makes up for it.
            case Q8_0 -> blocks(data, type.blockBytes(), Float.floatToFloat16((float) (deviation / 74)));
            case Q4_0 -> blocks(data, type.blockBytes(), Float.floatToFloat16((float) (deviation / 4.6)));
            // 4-bit q times 6-bit s, less 7.5 times 6-bit m, deviates by 258 around 0.
            case Q4_K -> {
                blocks(data, type.blockBytes(), Float.floatToFloat16((float) (deviation / 258)));
                for (long at = 0; at < data.byteSize(); at += type.blockBytes()) {
                    data.set(HALF, at + 2, Float.floatToFloat16((float) (7.5 * deviation / 258)));
                }
            }
            case Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0, MXFP4, NF4 ->
                throw new IllegalArgumentException(
                        "no random weights of type " + type + "; take F32, F16, BF16, Q8_0, Q4_0 or Q4_K");
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
            data.set(HALF, at, scale);
        }
    }
}
