package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;

import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

@Tag("device")
final class LayerKernelsTest {

    /** Of a few roundings to float. */
    private static final double ROUNDING = 1e-6;

    /** Tokens of a grid that is larger than any step of the tests: a work-group without a token must do nothing. */
    private static final int ROOMY = 40;

    private static final StepLayout LAYOUT = new StepLayout(ROOMY, 1, 1);

    private final KernelContext context = new KernelContext();

    private static void run(TaskGraph graph, WorkerGrid grid) throws TornadoExecutionPlanException {
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(new GridScheduler("graph.kernel", grid));
            plan.execute();
        }
    }

    private static IntArray step(int tokens) {
        IntArray step = new IntArray(LAYOUT.size());
        step.init(-1);
        step.set(StepLayout.TOKENS, tokens);
        return step;
    }

    private static FloatArray normal(Random random, int size) {
        FloatArray array = new FloatArray(size);
        for (int i = 0; i < size; i++) {
            array.set(i, (float) random.nextGaussian());
        }
        return array;
    }

    /** One number after another out of packed words, bit by bit. */
    private static int element(IntArray words, long index, int bits, boolean signed) {
        int value = 0;
        for (int bit = 0; bit < bits; bit++) {
            long at = index * bits + bit;
            value |= (words.get((int) (at / 32)) >>> at % 32 & 1) << bit;
        }
        return signed && value >= 1 << (bits - 1) ? value - (1 << bits) : value;
    }

    @ParameterizedTest
    @CsvSource({
        "4, 32, 0, 32",
        "4, 32, 1, 224",
        "8, 32, 0, 96",
        "8, 16, 0, 160",
        "8, 32, 1, 32",
        "16, 32, 0, 224",
        "16, 32, 0, 32"
    })
    void embedDecodesTheRowsOfItsTokens(int bits, int block, int affine, int stride)
            throws TornadoExecutionPlanException {
        int vocabulary = 11;
        int[] tokens = {3, 10, 0, 3, 7};
        Random random = new Random(bits + stride);
        IntArray words = new IntArray(vocabulary * stride * bits / 32);
        for (int i = 0; i < words.getSize(); i++) {
            words.set(i, random.nextInt());
        }
        FloatArray scales = normal(random, vocabulary * stride / block);
        FloatArray minima = affine == 1 ? normal(random, scales.getSize()) : new FloatArray(1);
        FloatArray hidden = new FloatArray(tokens.length * stride);
        IntArray step = step(tokens.length);
        for (int i = 0; i < tokens.length; i++) {
            step.set(LAYOUT.tokensAt() + i, tokens[i]);
        }

        run(
                new TaskGraph("graph")
                        .transferToDevice(EVERY_EXECUTION, step, hidden, words, scales, minima)
                        .task(
                                "kernel",
                                LayerKernels::embed,
                                context,
                                step,
                                LAYOUT.tokensAt(),
                                hidden,
                                stride,
                                words,
                                scales,
                                minima,
                                bits,
                                block,
                                affine)
                        .transferToHost(EVERY_EXECUTION, hidden),
                LayerKernels.rowGrid(ROOMY));

        for (int i = 0; i < tokens.length; i++) {
            for (int column = 0; column < stride; column++) {
                int at = tokens[i] * stride + column;
                double expected = (double) element(words, at, bits, affine == 0) * scales.get(at / block)
                        + (affine == 1 ? minima.get(at / block) : 0);
                assertThat((double) hidden.get(i * stride + column))
                        .as("token %d, column %d", i, column)
                        .isCloseTo(expected, within(ROUNDING * (1 + Math.abs(expected))));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 13, 33, 127, 128, 207, 512})
    void rmsNormDividesByTheRootOfTheMeanSquare(int width) throws TornadoExecutionPlanException {
        int stride = Widths.padded(width);
        int tokens = 4;
        float epsilon = 1e-5f;
        Random random = new Random(width);
        FloatArray x = normal(random, tokens * stride);
        for (int column = 0; column < stride; column++) {
            x.set(column, 0);
            x.set(stride + column, x.get(stride + column) * 1e6f);
            x.set(2 * stride + column, x.get(2 * stride + column) * 1e-4f);
        }
        for (int token = 0; token < tokens; token++) {
            for (int column = width; column < stride; column++) {
                x.set(token * stride + column, Float.NaN);
            }
        }
        FloatArray weight = normal(random, width);
        FloatArray y = new FloatArray(x.getSize());
        IntArray step = step(tokens);

        run(
                new TaskGraph("graph")
                        .transferToDevice(EVERY_EXECUTION, step, x, y, weight)
                        .task("kernel", LayerKernels::rmsNorm, context, step, y, x, weight, width, stride, epsilon)
                        .transferToHost(EVERY_EXECUTION, y),
                LayerKernels.rowGrid(ROOMY));

        for (int token = 0; token < tokens; token++) {
            double squares = 0;
            for (int column = 0; column < width; column++) {
                squares += Math.pow(x.get(token * stride + column), 2);
            }
            double scale = 1 / Math.sqrt(squares / width + epsilon);
            for (int column = 0; column < stride; column++) {
                double expected = column < width ? x.get(token * stride + column) * scale * weight.get(column) : 0;
                assertThat((double) y.get(token * stride + column))
                        .as("token %d, column %d", token, column)
                        .isCloseTo(expected, within(4 * ROUNDING * Math.abs(expected)));
            }
        }
    }

    /** Queries, keys and values of as many tokens as the cache has slots. */
    private final class Vectors {
        static final int BLOCKS = 2;
        static final int TOKENS = 16 * BLOCKS;
        static final int POSITIONS = 14;

        final int heads;
        final int kvHeads;
        final int headDim;
        final int stride;
        final int[] positions;
        final int[] slots;
        final FloatArray before;
        final FloatArray qkv;
        final FloatArray rotary;
        final IntArray keys;
        final FloatArray keyScales;
        final IntArray values;
        final FloatArray valueScales;

        Vectors(int heads, int kvHeads, int headDim) {
            this.heads = heads;
            this.kvHeads = kvHeads;
            this.headDim = headDim;
            stride = Widths.padded((heads + 2 * kvHeads) * headDim);
            Random random = new Random(headDim);
            positions = random.ints(TOKENS, 0, POSITIONS).toArray();
            positions[1] = 0;
            List<Integer> shuffled = IntStream.range(0, TOKENS).boxed().collect(Collectors.toList());
            Collections.shuffle(shuffled, random);
            slots = shuffled.stream().mapToInt(slot -> slot).toArray();
            qkv = normal(random, TOKENS * stride);
            before = new FloatArray(qkv.getSize());
            rotary = new FloatArray(POSITIONS * headDim);
            for (int position = 0; position < POSITIONS; position++) {
                for (int i = 0; i < headDim / 2; i++) {
                    double angle = position * Math.pow(10000, -2.0 * i / headDim);
                    rotary.set(position * headDim + i, (float) Math.cos(angle));
                    rotary.set(position * headDim + headDim / 2 + i, (float) Math.sin(angle));
                }
            }
            keys = new IntArray(BLOCKS * kvHeads * 16 * headDim / 2);
            values = new IntArray(keys.getSize());
            keyScales = new FloatArray(BLOCKS * kvHeads * 16);
            valueScales = new FloatArray(keyScales.getSize());
        }

        void store(int neighbours) throws TornadoExecutionPlanException {
            for (int i = 0; i < qkv.getSize(); i++) {
                before.set(i, qkv.get(i));
            }
            IntArray step = step(TOKENS);
            for (int i = 0; i < TOKENS; i++) {
                step.set(LAYOUT.positionsAt() + i, positions[i]);
                step.set(LAYOUT.slotsAt() + i, slots[i]);
            }
            run(
                    new TaskGraph("graph")
                            .transferToDevice(EVERY_EXECUTION, step, qkv, rotary)
                            .transferToDevice(EVERY_EXECUTION, keys, keyScales, values, valueScales)
                            .task(
                                    "kernel",
                                    LayerKernels::ropeAndStore,
                                    context,
                                    step,
                                    LAYOUT.positionsAt(),
                                    LAYOUT.slotsAt(),
                                    qkv,
                                    stride,
                                    rotary,
                                    keys,
                                    keyScales,
                                    values,
                                    valueScales,
                                    heads,
                                    kvHeads,
                                    headDim,
                                    neighbours)
                            .transferToHost(EVERY_EXECUTION, qkv, keys, keyScales, values, valueScales),
                    LayerKernels.ropeGrid(ROOMY, heads, kvHeads));
        }

        /** A vector of a token as it came in. */
        double[] vector(int token, int vector) {
            return IntStream.range(0, headDim)
                    .mapToDouble(i -> before.get(token * stride + vector * headDim + i))
                    .toArray();
        }

        double[] rotated(int token, int vector, int neighbours) {
            double[] x = vector(token, vector);
            double[] y = new double[headDim];
            for (int i = 0; i < headDim / 2; i++) {
                int a = neighbours == 1 ? 2 * i : i;
                int b = neighbours == 1 ? 2 * i + 1 : i + headDim / 2;
                double angle = positions[token] * Math.pow(10000, -2.0 * i / headDim);
                y[a] = x[a] * Math.cos(angle) - x[b] * Math.sin(angle);
                y[b] = x[b] * Math.cos(angle) + x[a] * Math.sin(angle);
            }
            return y;
        }

        int cacheRow(int token, int kvHead) {
            return (slots[token] / 16 * kvHeads + kvHead) * 16 + slots[token] % 16;
        }

        void assertStored(IntArray words, FloatArray scales, int token, int kvHead, double[] expected) {
            int row = cacheRow(token, kvHead);
            double largest = IntStream.range(0, headDim)
                    .mapToDouble(i -> Math.abs(expected[i]))
                    .max()
                    .orElseThrow();
            double scale = scales.get(row);
            assertThat(scale).isCloseTo(largest / 32767, within(ROUNDING * largest / 32767));
            for (int i = 0; i < headDim; i++) {
                int stored = element(words, (long) row * headDim + i, 16, true);
                assertThat(stored).isBetween(-32767, 32767);
                // Half a step by rounding to the nearest, and the rotation's own roundings.
                assertThat(stored * scale)
                        .as("token %d, head %d, element %d", token, kvHead, i)
                        .isCloseTo(expected[i], within(0.5 * scale + ROUNDING * largest));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 2", "3, 1, 6", "4, 2, 34", "2, 2, 64", "8, 2, 128", "2, 1, 256", "1, 1, 300"})
    void ropeRotatesQueriesAndStoresKeysAndValues(int heads, int kvHeads, int headDim)
            throws TornadoExecutionPlanException {
        for (int neighbours = 0; neighbours < 2; neighbours++) {
            Vectors vectors = new Vectors(heads, kvHeads, headDim);
            vectors.store(neighbours);

            for (int token = 0; token < Vectors.TOKENS; token++) {
                for (int head = 0; head < heads; head++) {
                    double[] expected = vectors.rotated(token, head, neighbours);
                    for (int i = 0; i < headDim; i++) {
                        assertThat((double) vectors.qkv.get(token * vectors.stride + head * headDim + i))
                                .isCloseTo(expected[i], within(4 * ROUNDING));
                    }
                }
                for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
                    vectors.assertStored(
                            vectors.keys,
                            vectors.keyScales,
                            token,
                            kvHead,
                            vectors.rotated(token, heads + kvHead, neighbours));
                    vectors.assertStored(
                            vectors.values,
                            vectors.valueScales,
                            token,
                            kvHead,
                            vectors.vector(token, heads + kvHeads + kvHead));
                }
            }
        }
    }

    @Test
    void cacheRoundsToTheNearestStep() throws TornadoExecutionPlanException {
        Vectors vectors = new Vectors(1, 1, 6);
        float[] value = {32767, 10.4f, -10.4f, 10.6f, -10.6f, -32767};
        for (int i = 0; i < value.length; i++) {
            vectors.qkv.set(12 + i, value[i]);
        }
        vectors.store(0);

        int row = vectors.cacheRow(0, 0);
        assertThat(IntStream.range(0, 6).map(i -> element(vectors.values, row * 6L + i, 16, true)))
                .containsExactly(32767, 10, -10, 11, -11, -32767);
    }

    @ParameterizedTest
    @ValueSource(floats = {0, 1e-32f, Float.MIN_VALUE})
    void cacheTakesAVanishingVectorForZero(float tiny) throws TornadoExecutionPlanException {
        Vectors vectors = new Vectors(2, 1, 64);
        for (int i = 0; i < 2 * 64; i++) {
            vectors.qkv.set(2 * 64 + i, tiny);
        }
        vectors.store(1);

        int row = vectors.cacheRow(0, 0);
        assertThat(vectors.keyScales.get(row)).isZero();
        assertThat(vectors.valueScales.get(row)).isZero();
        for (int i = 0; i < 32; i++) {
            assertThat(vectors.keys.get(row * 32 + i)).isZero();
            assertThat(vectors.values.get(row * 32 + i)).isZero();
        }
    }

    @Test
    void whatIsNoFiniteNumberStaysInItsVector() throws TornadoExecutionPlanException {
        Vectors vectors = new Vectors(2, 2, 34);
        float[] bad = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};
        for (int token = 0; token < bad.length; token++) {
            vectors.qkv.set(token * vectors.stride + 2 * 34 + 5, bad[token]);
            vectors.qkv.set(token * vectors.stride + 4 * 34 + 5, bad[token]);
        }
        vectors.store(0);

        for (int token = 0; token < Vectors.TOKENS; token++) {
            for (int kvHead = token < bad.length ? 1 : 0; kvHead < 2; kvHead++) {
                vectors.assertStored(
                        vectors.keys, vectors.keyScales, token, kvHead, vectors.rotated(token, 2 + kvHead, 0));
                vectors.assertStored(
                        vectors.values, vectors.valueScales, token, kvHead, vectors.vector(token, 4 + kvHead));
            }
        }
    }
}
