package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

@Tag("device")
final class ExpertKernelsTest {

    /** Of sums of some hundred products near 1, and of exponentials. */
    private static final double TOLERANCE = 1e-5;

    /** Tokens that grids and arrays have room for beyond those of the step. */
    private static final int ROOM = 3;

    private static final int UNTOUCHED = -77;

    private final KernelContext context = new KernelContext();

    private static IntArray step(int tokens) {
        IntArray step = new IntArray(StepLayout.HEADER);
        step.init(UNTOUCHED);
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

    private static void run(TaskGraph graph, WorkerGrid grid) throws TornadoExecutionPlanException {
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(new GridScheduler("graph.kernel", grid));
            plan.execute();
        }
    }

    private static IntArray untouched(int size) {
        IntArray array = new IntArray(size);
        array.init(UNTOUCHED);
        return array;
    }

    /** Tokens on their way through the router. */
    private final class Routed {
        final int tokens;
        final int experts;
        final int choices;
        final int stride;
        final Routing layout;
        final IntArray routing;
        final FloatArray weights;
        final FloatArray x;
        final FloatArray router;

        Routed(int tokens, int experts, int choices, int stride) {
            Random random = new Random(experts * 7L + choices);
            this.tokens = tokens;
            this.experts = experts;
            this.choices = choices;
            this.stride = stride;
            int capacity = (tokens + ROOM) * choices;
            layout = new Routing(experts, capacity);
            routing = untouched(layout.size());
            weights = new FloatArray(capacity);
            weights.init(UNTOUCHED);
            x = normal(random, (tokens + ROOM) * stride);
            router = normal(random, experts * stride);
            for (int i = 0; i < router.getSize(); i++) {
                router.set(i, router.get(i) / (float) Math.sqrt(stride));
            }
        }

        Routed run() throws TornadoExecutionPlanException {
            IntArray step = step(tokens);
            ExpertKernelsTest.run(
                    new TaskGraph("graph")
                            .transferToDevice(EVERY_EXECUTION, step, routing, weights, x, router)
                            .task(
                                    "kernel",
                                    ExpertKernels::route,
                                    context,
                                    step,
                                    routing,
                                    layout.chosenAt(),
                                    weights,
                                    x,
                                    stride,
                                    router,
                                    experts,
                                    choices)
                            .transferToHost(EVERY_EXECUTION, routing, weights),
                    ExpertKernels.perToken(tokens + ROOM));
            return this;
        }

        double logit(int token, int expert) {
            double sum = 0;
            for (int c = 0; c < stride; c++) {
                sum += (double) x.get(token * stride + c) * router.get(expert * stride + c);
            }
            return sum;
        }

        int[] chosen(int token) {
            int at = layout.chosenAt() + token * choices;
            return Arrays.copyOfRange(routing.toHeapArray(), at, at + choices);
        }

        float[] weights(int token) {
            return Arrays.copyOfRange(weights.toHeapArray(), token * choices, (token + 1) * choices);
        }

        void assertNothingElseWritten() {
            int[] all = routing.toHeapArray();
            assertThat(Arrays.copyOf(all, layout.chosenAt())).containsOnly(UNTOUCHED);
            assertThat(Arrays.copyOfRange(all, layout.chosenAt() + tokens * choices, all.length))
                    .containsOnly(UNTOUCHED);
            assertThat(Arrays.copyOfRange(weights.toHeapArray(), tokens * choices, weights.getSize()))
                    .containsOnly(UNTOUCHED);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "5, 1, 1, 32",
        "4, 2, 1, 64",
        "13, 8, 2, 96",
        "1, 8, 2, 4096",
        "3, 8, 8, 160",
        "4, 13, 3, 224",
        "2, 64, 6, 32",
        "2, 129, 128, 64",
        "2, 256, 4, 96",
        "1, 256, 256, 32"
    })
    void routeTakesTheLargestLogits(int tokens, int experts, int choices, int stride)
            throws TornadoExecutionPlanException {
        Routed routed = new Routed(tokens, experts, choices, stride).run();
        for (int token = 0; token < tokens; token++) {
            int row = token;
            int[] chosen = routed.chosen(token);
            assertThat(chosen).doesNotHaveDuplicates();
            double[] logits = IntStream.range(0, experts)
                    .mapToDouble(e -> routed.logit(row, e))
                    .toArray();
            double[] sorted = Arrays.stream(logits).sorted().toArray();
            double sum =
                    IntStream.of(chosen).mapToDouble(e -> Math.exp(logits[e])).sum();
            for (int i = 0; i < choices; i++) {
                // The i-th chosen one is the i-th largest, or so near to it that rounding may exchange them.
                assertThat(logits[chosen[i]])
                        .as("token %d, choice %d", token, i)
                        .isCloseTo(sorted[experts - 1 - i], within(TOLERANCE));
                assertThat((double) routed.weights(token)[i])
                        .isCloseTo(Math.exp(logits[chosen[i]]) / sum, within(TOLERANCE));
            }
        }
        routed.assertNothingElseWritten();
    }

    @ParameterizedTest
    @CsvSource({"8, 2", "8, 5", "200, 150"})
    void ofEqualLogitsTheLowerExpertComesFirst(int experts, int choices) throws TornadoExecutionPlanException {
        Routed routed = new Routed(6, experts, choices, 32);
        // Only three different rows, so that every logit comes up many times.
        for (int expert = 3; expert < experts; expert++) {
            for (int c = 0; c < 32; c++) {
                routed.router.set(expert * 32 + c, routed.router.get(expert % 3 * 32 + c));
            }
        }
        routed.run();
        for (int token = 0; token < 6; token++) {
            int row = token;
            int[] expected = IntStream.range(0, experts)
                    .boxed()
                    .sorted(Comparator.comparingDouble((Integer e) -> -routed.logit(row, e % 3))
                            .thenComparing(e -> e))
                    .mapToInt(e -> e)
                    .limit(choices)
                    .toArray();
            assertThat(routed.chosen(token)).containsExactly(expected);
        }
    }

    @Test
    void logitsThatAreNoNumbersStillGiveDifferentExperts() throws TornadoExecutionPlanException {
        Routed routed = new Routed(4, 8, 2, 32);
        routed.x.set(3, Float.NaN);
        routed.x.set(32 + 5, Float.POSITIVE_INFINITY);
        routed.x.set(2 * 32 + 5, Float.POSITIVE_INFINITY);
        routed.x.set(2 * 32 + 6, Float.NEGATIVE_INFINITY);
        routed.run();
        for (int token = 0; token < 4; token++) {
            assertThat(routed.chosen(token)).doesNotHaveDuplicates();
            assertThat(IntStream.of(routed.chosen(token))).allMatch(expert -> expert >= 0 && expert < 8);
        }
        assertThat(routed.weights(0)).containsOnly(Float.NaN);
        assertThat(routed.weights(1)).contains(Float.NaN);
        assertThat(routed.weights(2)).contains(Float.NaN);
        assertThat(routed.weights(3)[0] + routed.weights(3)[1]).isCloseTo(1f, within(1e-6f));
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, 1",
        "1, 8, 2",
        "13, 8, 2",
        "33, 8, 8",
        "207, 13, 3",
        "2500, 8, 2",
        "64, 65, 5",
        "300, 256, 4",
        "7, 256, 256"
    })
    void sortByExpertKeepsTheOrderOfTokens(int tokens, int experts, int choices) throws TornadoExecutionPlanException {
        Random random = new Random(tokens);
        int[] chosen = new int[tokens * choices];
        for (int token = 0; token < tokens; token++) {
            int first = random.nextInt(experts);
            for (int i = 0; i < choices; i++) {
                chosen[token * choices + i] = (first + i) % experts;
            }
        }
        assertSorted(tokens, experts, choices, chosen);
    }

    @Test
    void sortByExpertTakesOneExpertForAllTokens() throws TornadoExecutionPlanException {
        int[] chosen = new int[500];
        Arrays.fill(chosen, 6);
        assertSorted(500, 8, 1, chosen);
    }

    private void assertSorted(int tokens, int experts, int choices, int[] chosen) throws TornadoExecutionPlanException {
        int capacity = (tokens + ROOM) * choices;
        Routing layout = new Routing(experts, capacity);
        IntArray routing = untouched(layout.size());
        for (int i = 0; i < chosen.length; i++) {
            routing.set(layout.chosenAt() + i, chosen[i]);
        }
        int[] expected = routing.toHeapArray();
        int entry = 0;
        for (int expert = 0; expert < experts; expert++) {
            expected[layout.startsAt() + expert] = entry;
            for (int pair = 0; pair < chosen.length; pair++) {
                if (chosen[pair] == expert) {
                    expected[layout.entryTokenAt() + entry] = pair / choices;
                    expected[layout.entryOfAt() + pair] = entry++;
                }
            }
        }
        expected[layout.startsAt() + experts] = entry;
        IntArray step = step(tokens);
        run(
                new TaskGraph("graph")
                        .transferToDevice(EVERY_EXECUTION, step, routing)
                        .task(
                                "kernel",
                                ExpertKernels::sortByExpert,
                                context,
                                step,
                                routing,
                                experts,
                                choices,
                                layout.entryTokenAt(),
                                layout.entryOfAt(),
                                layout.chosenAt())
                        .transferToHost(EVERY_EXECUTION, routing),
                ExpertKernels.single());
        assertThat(routing.toHeapArray()).containsExactly(expected);
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 4", "4, 2, 33", "13, 3, 207"})
    void combineAddsTheExpertsOfEachToken(int tokens, int choices, int width) throws TornadoExecutionPlanException {
        Random random = new Random(width);
        int stride = Widths.padded(width);
        Routing layout = new Routing(8, (tokens + ROOM) * choices);
        IntArray routing = untouched(layout.size());
        int[] entries = IntStream.range(0, tokens * choices).toArray();
        for (int i = 0; i < entries.length; i++) {
            int other = random.nextInt(i, entries.length);
            routing.set(layout.entryOfAt() + i, entries[other]);
            entries[other] = entries[i];
        }
        FloatArray hidden = normal(random, (tokens + ROOM) * stride);
        float[] before = hidden.toHeapArray();
        FloatArray out = normal(random, tokens * choices * stride);
        FloatArray weights = normal(random, tokens * choices);
        IntArray step = step(tokens);
        run(
                new TaskGraph("graph")
                        .transferToDevice(EVERY_EXECUTION, step, hidden, out, routing, weights)
                        .task(
                                "kernel",
                                ExpertKernels::combine,
                                context,
                                step,
                                hidden,
                                stride,
                                out,
                                routing,
                                layout.entryOfAt(),
                                weights,
                                width,
                                choices)
                        .transferToHost(EVERY_EXECUTION, hidden),
                ExpertKernels.perToken(tokens + ROOM));
        for (int i = 0; i < before.length; i++) {
            int token = i / stride;
            double expected = before[i];
            for (int j = 0; j < choices && token < tokens && i % stride < width; j++) {
                int entry = routing.get(layout.entryOfAt() + token * choices + j);
                expected += (double) weights.get(token * choices + j) * out.get(entry * stride + i % stride);
            }
            assertThat((double) hidden.get(i)).as("element %d", i).isCloseTo(expected, within(TOLERANCE));
        }
    }
}
