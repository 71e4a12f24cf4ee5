package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;

import io.github.sparkmixtral.engine.Batch;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
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
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

@Tag("device")
final class AttentionKernelsTest {

    /**
     * Values are at most 1. A score is a sum of float products that comes to a few units, so it is off by some 1e-6, and so is each
     * weight. One position too many or too few among a thousand is off by hundreds of times that.
     */
    private static final double TOLERANCE = 5e-6;

    private final KernelContext context = new KernelContext();

    /** A cache and a batch over it. What no token of the batch may read has scales that are no numbers. */
    private final class Scene {
        final int heads;
        final int kvHeads;
        final int headDim;
        final int window;
        final int queryTile;
        final Batch batch;
        final int tokens;
        final int stride;
        final int attendedStride;
        final FloatArray qkv;
        final IntArray keys;
        final IntArray values;
        final FloatArray keyScales;
        final FloatArray valueScales;
        final IntArray tables;
        StepLayout layout;
        IntArray step;
        int items;
        FloatArray partials;
        FloatArray attended;

        /** Sequence s computes {@code counts[s]} tokens from position {@code starts[s]}; sequences share up to two blocks. */
        Scene(int heads, int kvHeads, int headDim, int window, int[] starts, int[] counts) {
            this.heads = heads;
            this.kvHeads = kvHeads;
            this.headDim = headDim;
            this.window = window;
            queryTile = AttentionKernels.queryTile(headDim, heads / kvHeads);
            Random random = new Random(headDim);
            int blocks = 3;
            for (int s = 0; s < starts.length; s++) {
                blocks += (starts[s] + counts[s]) / 16 + 1;
            }
            batch = batch(starts, counts, blocks, random);
            tokens = batch.tokens().length;
            stride = Widths.padded((heads + 2 * kvHeads) * headDim);
            attendedStride = Widths.padded(heads * headDim);
            qkv = new FloatArray(tokens * stride);
            for (int i = 0; i < qkv.getSize(); i++) {
                qkv.set(i, i % stride < heads * headDim ? (float) random.nextGaussian() : Float.NaN);
            }
            keys = words(random, blocks * kvHeads * 16 * headDim / 2);
            values = words(random, keys.getSize());
            keyScales = new FloatArray(blocks * kvHeads * 16);
            valueScales = new FloatArray(keyScales.getSize());
            keyScales.init(Float.NaN);
            valueScales.init(Float.NaN);
            for (int s = 0; s < starts.length; s++) {
                for (int position = 0; position < starts[s] + counts[s]; position++) {
                    for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
                        keyScales.set(row(s, position, kvHead), (0.5f + 2 * random.nextFloat()) / 32768);
                        valueScales.set(row(s, position, kvHead), random.nextFloat() / 32768);
                    }
                }
            }
            tables = IntArray.fromArray(batch.blockTables());
            AttentionItems attention = new AttentionItems(queryTile, window, tokens, starts.length, 4096);
            layout = new StepLayout(tokens, attention.maxItems(), 1);
            step = step(layout);
            items = attention.write(batch, batch.blockTableStarts(), step, layout);
            partials = new FloatArray(attention.maxSlots() * heads * (headDim + 2));
        }

        private IntArray step(StepLayout layout) {
            IntArray step = new IntArray(layout.size());
            step.set(StepLayout.TOKENS, tokens);
            for (int i = 0; i < tokens; i++) {
                step.set(layout.positionsAt() + i, batch.positions()[i]);
            }
            return step;
        }

        /** Attends to the ranges that the cuts make of every context, token by token, instead of those of the batch's items. */
        void splitAt(int... cuts) {
            layout = new StepLayout(tokens, tokens * (cuts.length + 1), 1);
            step = step(layout);
            items = 0;
            for (int token = 0; token < tokens; token++) {
                int first = items;
                for (int cut = 0; cut <= cuts.length; cut++) {
                    int[] item = {
                        token,
                        1,
                        cut == 0 ? 0 : cuts[cut - 1],
                        Math.min(cut == cuts.length ? 4096 : cuts[cut], batch.positions()[token] + 1),
                        batch.blockTableStarts()[sequence(token)],
                        items
                    };
                    for (int i = 0; i < item.length; i++) {
                        step.set(layout.itemsAt() + items * StepLayout.ITEM + i, item[i]);
                    }
                    items++;
                }
                step.set(layout.partialsAt() + token * StepLayout.PARTIAL, first);
                step.set(layout.partialsAt() + token * StepLayout.PARTIAL + 1, 1);
                step.set(layout.partialsAt() + token * StepLayout.PARTIAL + 2, cuts.length + 1);
            }
            step.set(StepLayout.ITEMS, items);
            partials = new FloatArray(items * heads * (headDim + 2));
        }

        int sequence(int token) {
            int sequence = 0;
            while (batch.sequenceStarts()[sequence + 1] <= token) {
                sequence++;
            }
            return sequence;
        }

        int row(int sequence, int position, int kvHead) {
            int block = batch.blockTables()[batch.blockTableStarts()[sequence] + position / 16];
            return (block * kvHeads + kvHead) * 16 + position % 16;
        }

        /** Runs both kernels, on grids that are larger than they need to be. */
        Scene attend() throws TornadoExecutionPlanException {
            partials.init(Float.NaN);
            attended = new FloatArray(tokens * attendedStride);
            attended.init(Float.NaN);
            GridScheduler grids =
                    new GridScheduler("graph.attend", AttentionKernels.attendGrid(items + 1, heads, kvHeads, headDim));
            grids.addWorkerGrid("graph.merge", AttentionKernels.mergeGrid(tokens + 1, heads));
            TaskGraph graph = new TaskGraph("graph")
                    .transferToDevice(EVERY_EXECUTION, step, tables, partials, attended, qkv)
                    .transferToDevice(EVERY_EXECUTION, keys, keyScales, values, valueScales)
                    .task(
                            "attend",
                            AttentionKernels::attend,
                            context,
                            step,
                            layout.positionsAt(),
                            layout.itemsAt(),
                            tables,
                            partials,
                            qkv,
                            stride,
                            keys,
                            keyScales,
                            values,
                            valueScales,
                            heads,
                            kvHeads,
                            headDim,
                            queryTile,
                            window)
                    .task(
                            "merge",
                            AttentionKernels::mergeAttention,
                            context,
                            step,
                            layout.partialsAt(),
                            attended,
                            attendedStride,
                            partials,
                            heads,
                            headDim)
                    .transferToHost(EVERY_EXECUTION, attended, partials);
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                plan.withGridScheduler(grids).execute();
            }
            return this;
        }

        /** softmax(q * k / sqrt(d)) * v. */
        double[] expected(int token, int head) {
            int position = batch.positions()[token];
            int from = window == 0 ? 0 : Math.max(0, position - window + 1);
            int kvHead = head / (heads / kvHeads);
            double[] scores = new double[position + 1 - from];
            for (int p = from; p <= position; p++) {
                int row = row(sequence(token), p, kvHead);
                for (int i = 0; i < headDim; i++) {
                    scores[p - from] += (double) qkv.get(token * stride + head * headDim + i) * element(keys, row, i);
                }
                scores[p - from] *= keyScales.get(row) / Math.sqrt(headDim);
            }
            double largest = Arrays.stream(scores).max().orElseThrow();
            double[] weights =
                    Arrays.stream(scores).map(s -> Math.exp(s - largest)).toArray();
            double sum = Arrays.stream(weights).sum();
            double[] result = new double[headDim];
            for (int p = from; p <= position; p++) {
                int row = row(sequence(token), p, kvHead);
                for (int i = 0; i < headDim; i++) {
                    result[i] += weights[p - from] / sum * element(values, row, i) * valueScales.get(row);
                }
            }
            return result;
        }

        private int element(IntArray words, int row, int i) {
            int word = words.get((row * headDim + i) / 2);
            return i % 2 == 0 ? (short) word : word >> 16;
        }

        void assertToken(int token) {
            for (int head = 0; head < heads; head++) {
                double[] expected = expected(token, head);
                for (int i = 0; i < headDim; i++) {
                    assertThat((double) attended.get(token * attendedStride + head * headDim + i))
                            .as(
                                    "token %d at position %d, head %d, element %d",
                                    token, batch.positions()[token], head, i)
                            .isCloseTo(expected[i], within(TOLERANCE));
                }
            }
            for (int column = heads * headDim; column < attendedStride; column++) {
                assertThat(attended.get(token * attendedStride + column)).isZero();
            }
        }

        /** Says that the partial result in a slot is that of no positions. */
        void assertEmpty(int slot) {
            int width = headDim + 2;
            for (int head = 0; head < heads; head++) {
                int at = (slot * heads + head) * width;
                assertThat(IntStream.range(at, at + headDim).mapToObj(partials::get))
                        .containsOnly(0f);
                assertThat(partials.get(at + headDim)).isEqualTo(-Float.MAX_VALUE);
                assertThat(partials.get(at + headDim + 1)).isZero();
            }
        }

        void assertAll() {
            for (int token = 0; token < tokens; token++) {
                assertToken(token);
            }
        }
    }

    private static IntArray words(Random random, int size) {
        IntArray words = new IntArray(size);
        for (int i = 0; i < size; i++) {
            words.set(i, random.nextInt());
        }
        return words;
    }

    private static Batch batch(int[] starts, int[] counts, int blocks, Random random) {
        List<Integer> shuffled = IntStream.range(0, blocks).boxed().collect(Collectors.toList());
        Collections.shuffle(shuffled, random);
        Deque<Integer> free = new ArrayDeque<>(shuffled);
        int[] prefix = {free.pop(), free.pop()};
        int[] sequenceStarts = new int[starts.length + 1];
        int[] tableStarts = new int[starts.length + 1];
        IntStream.Builder tables = IntStream.builder();
        IntStream.Builder positions = IntStream.builder();
        for (int s = 0; s < starts.length; s++) {
            int end = starts[s] + counts[s];
            int held = Math.ceilDiv(end, 16);
            for (int block = 0; block < held; block++) {
                boolean computed = block < prefix.length && 16 * (block + 1) <= starts[s];
                tables.add(computed ? prefix[block] : free.pop());
            }
            IntStream.range(starts[s], end).forEach(positions::add);
            sequenceStarts[s + 1] = sequenceStarts[s] + counts[s];
            tableStarts[s + 1] = tableStarts[s] + held;
        }
        int[] unused = new int[sequenceStarts[starts.length]];
        return new Batch(
                unused,
                positions.build().toArray(),
                unused,
                sequenceStarts,
                tables.build().toArray(),
                tableStarts,
                new int[0]);
    }

    @ParameterizedTest
    @CsvSource({
        // heads, kvHeads, headDim, window
        "1, 1, 2, 0",
        "4, 2, 16, 0",
        "7, 1, 6, 33",
        "6, 2, 24, 1",
        "5, 1, 34, 300",
        "8, 1, 64, 0",
        "20, 1, 10, 0",
        "8, 2, 128, 0",
        "3, 3, 130, 16",
        "8, 1, 256, 0"
    })
    void attendsToPromptsAndSingleTokensInOneLaunch(int heads, int kvHeads, int headDim, int window)
            throws TornadoExecutionPlanException {
        int[] starts = {0, 0, 40, 63, 5, 15, 100};
        int[] counts = {19, 1, 5, 1, 0, 2, 1};

        new Scene(heads, kvHeads, headDim, window, starts, counts).attend().assertAll();
    }

    @ParameterizedTest
    @CsvSource({"4, 2, 16, 0", "2, 1, 6, 700"})
    void mergesTheSplitsOfLongContexts(int heads, int kvHeads, int headDim, int window)
            throws TornadoExecutionPlanException {
        Scene scene = new Scene(heads, kvHeads, headDim, window, new int[] {1030, 255, 600}, new int[] {1, 3, 9});

        assertThat(scene.items).isGreaterThan(3 + 9 / scene.queryTile);
        scene.attend().assertAll();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 20})
    void takesRangesThatBeginAndEndInsideABlockAndThoseOfNoPositions(int window) throws TornadoExecutionPlanException {
        Scene scene = new Scene(4, 1, 8, window, new int[] {0, 50}, new int[] {3, 20});
        scene.splitAt(0, 1, 5, 37, 38, 64);

        scene.attend().assertAll();

        scene.assertEmpty(0);
        if (window > 0) {
            // The last token, at position 69, sees none of the positions from 5 to 36.
            scene.assertEmpty(22 * 7 + 3);
        }
    }

    @Test
    void scoresOfAnySizeLeaveFiniteWeights() throws TornadoExecutionPlanException {
        Scene scene = new Scene(4, 2, 16, 0, new int[] {0, 300}, new int[] {20, 1});
        for (int token = 0; token < scene.tokens; token++) {
            for (int i = 0; i < 4 * 16; i++) {
                scene.qkv.set(token * scene.stride + i, scene.qkv.get(token * scene.stride + i) * 3000);
            }
        }
        scene.attend();

        for (int token = 0; token < scene.tokens; token++) {
            for (int head = 0; head < 4; head++) {
                double[] expected = scene.expected(token, head);
                for (int i = 0; i < 16; i++) {
                    // Scores of some thousands are rounded to thousandths, and so are the weights.
                    assertThat((double) scene.attended.get(token * scene.attendedStride + head * 16 + i))
                            .isCloseTo(expected[i], within(5e-3));
                }
            }
        }
    }

    @Test
    void whatIsNoNumberStaysInItsSequence() throws TornadoExecutionPlanException {
        Scene scene = new Scene(4, 2, 16, 0, new int[] {0, 20, 70}, new int[] {6, 1, 2});
        scene.qkv.set(6 * scene.stride, Float.NaN);
        scene.keyScales.set(scene.row(2, 69, 0), Float.POSITIVE_INFINITY);
        scene.attend();

        for (int token = 0; token < 6; token++) {
            scene.assertToken(token);
        }
        assertThat(scene.attended.get(6 * scene.attendedStride)).isNaN();
        assertThat(scene.attended.get(7 * scene.attendedStride)).isNaN();
        assertThat(IntStream.range(0, 64).mapToObj(i -> scene.attended.get(6 * scene.attendedStride + i)))
                .filteredOn(x -> !x.isNaN())
                .hasSize(48);
    }

    @Test
    void aTileIsAsLargeAsLocalMemoryAllows() {
        assertThat(AttentionKernels.queryTile(128, 4)).isEqualTo(4);
        assertThat(AttentionKernels.queryTile(128, 1)).isEqualTo(16);
        assertThat(AttentionKernels.queryTile(256, 8)).isEqualTo(2);
        assertThat(AttentionKernels.queryTile(128, 6)).isEqualTo(2);
        assertThat(AttentionKernels.queryTile(128, 71)).isEqualTo(1);
        assertThat(AttentionKernels.queryTile(512, 4)).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {514, 7, 0})
    void refusesHeadsThatItCannotHold(int headDim) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> AttentionKernels.queryTile(headDim, 4))
                .withMessage("the head dimension is " + headDim
                        + ", but must be even and at most 512 for attention on a device");
    }

    @Test
    void holdsTheWidestHeads() throws TornadoExecutionPlanException {
        new Scene(5, 1, 512, 0, new int[] {0, 33}, new int[] {2, 1}).attend().assertAll();
    }
}
