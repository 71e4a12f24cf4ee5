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
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

@Tag("device")
final class HeadKernelsTest {

    private static final int UNTOUCHED = -77;

    /** Rows of logits on the device, one row more than wanted. */
    private static final class Rows {
        final int rows;
        final int vocabulary;
        final int stride;
        final int count;
        final FloatArray logits;
        final FloatArray inverses;
        final IntArray tokens;
        final FloatArray values;
        final FloatArray logSumExp;
        final FloatArray totals;

        Rows(int rows, int vocabulary, int count) {
            this.rows = rows;
            this.vocabulary = vocabulary;
            this.count = count;
            stride = Widths.padded(vocabulary);
            Random random = new Random(vocabulary);
            logits = new FloatArray((rows + 1) * stride);
            for (int i = 0; i < logits.getSize(); i++) {
                // Few different values, so that most come up more than once. The pad is larger than all.
                logits.set(i, i % stride < vocabulary ? Math.round(random.nextGaussian() * 40) / 10f : 100);
            }
            inverses = new FloatArray(rows + 1);
            for (int row = 0; row <= rows; row++) {
                inverses.set(row, new float[] {1.25f, 0.5f, 20}[row % 3]);
            }
            tokens = new IntArray((rows + 1) * HeadKernels.MAX_TOP);
            tokens.init(UNTOUCHED);
            values = new FloatArray((rows + 1) * HeadKernels.MAX_TOP);
            values.init(UNTOUCHED);
            logSumExp = new FloatArray(rows + 1);
            logSumExp.init(UNTOUCHED);
            totals = new FloatArray(rows + 1);
            totals.init(UNTOUCHED);
        }

        Rows run() throws TornadoExecutionPlanException {
            IntArray step = new IntArray(StepLayout.HEADER);
            step.init(UNTOUCHED);
            step.set(StepLayout.WANTED, rows);
            step.set(StepLayout.TOP_COUNT, count);
            TaskGraph graph = new TaskGraph("graph")
                    .transferToDevice(EVERY_EXECUTION, step, inverses, tokens, values, logSumExp, totals, logits)
                    .task(
                            "kernel",
                            HeadKernels::topLogits,
                            new KernelContext(),
                            step,
                            inverses,
                            tokens,
                            values,
                            logSumExp,
                            totals,
                            logits,
                            stride,
                            vocabulary)
                    .transferToHost(EVERY_EXECUTION, tokens, values, logSumExp, totals);
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                plan.withGridScheduler(new GridScheduler("graph.kernel", HeadKernels.perRow(rows + 1)));
                plan.execute();
            }
            return this;
        }

        int[] tokens(int row) {
            int at = row * HeadKernels.MAX_TOP;
            return Arrays.copyOfRange(tokens.toHeapArray(), at, at + HeadKernels.MAX_TOP);
        }

        void assertSorted(int row) {
            int[] expected = IntStream.range(0, vocabulary)
                    .boxed()
                    .sorted(Comparator.comparingDouble((Integer token) -> key(row, token))
                            .thenComparing(token -> token))
                    .mapToInt(token -> token)
                    .limit(count)
                    .toArray();
            assertThat(Arrays.copyOf(tokens(row), expected.length))
                    .as("row %d", row)
                    .containsExactly(expected);
            for (int i = 0; i < expected.length; i++) {
                // As objects, so that NaN equals itself.
                Object logit = logits.get(row * stride + expected[i]);
                assertThat((Object) values.get(row * HeadKernels.MAX_TOP + i)).isEqualTo(logit);
            }
        }

        /** The sum of all weights, by the formula. */
        double total(int row) {
            double largest = IntStream.range(0, vocabulary)
                    .mapToDouble(token -> logits.get(row * stride + token))
                    .max()
                    .orElseThrow();
            return IntStream.range(0, vocabulary)
                    .mapToDouble(token -> Math.exp((logits.get(row * stride + token) - largest) * inverses.get(row)))
                    .sum();
        }

        private double key(int row, int token) {
            float logit = logits.get(row * stride + token);
            return Float.isNaN(logit) ? Float.MAX_VALUE : -Math.clamp(logit, -Float.MAX_VALUE, Float.MAX_VALUE);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, 1",
        "2, 4, 3",
        "3, 13, 13",
        "1, 127, 5",
        "1, 128, 64",
        "2, 129, 1",
        "2, 207, 64",
        "3, 1000, 20",
        "1, 33000, 64"
    })
    void findsTheLargestInOrder(int rows, int vocabulary, int count) throws TornadoExecutionPlanException {
        Rows top = new Rows(rows, vocabulary, count).run();
        for (int row = 0; row < rows; row++) {
            top.assertSorted(row);
            assertThat(Arrays.stream(top.tokens(row)).skip(count)).allMatch(token -> token == UNTOUCHED);
            int at = row * top.stride;
            double sum = IntStream.range(0, vocabulary)
                    .mapToDouble(token -> Math.exp(top.logits.get(at + token)))
                    .sum();
            assertThat((double) top.logSumExp.get(row)).isCloseTo(Math.log(sum), within(1e-5));
            double total = top.total(row);
            assertThat((double) top.totals.get(row))
                    .isCloseTo(total, within(total * HeadKernels.totalError(vocabulary)));
        }
        assertThat(top.tokens(rows)).containsOnly(UNTOUCHED);
        assertThat(top.totals.get(rows)).isEqualTo(UNTOUCHED);
        assertThat(top.logSumExp.get(rows)).isEqualTo(UNTOUCHED);
    }

    @Test
    void equalLogitsComeInTheOrderOfTheirTokens() throws TornadoExecutionPlanException {
        Rows top = new Rows(1, 700, 64);
        top.logits.init(-3);
        top.run();
        assertThat(top.tokens(0)).containsExactly(IntStream.range(0, 64).toArray());
        assertThat((double) top.logSumExp.get(0)).isCloseTo(Math.log(700) - 3, within(1e-5));
    }

    @Test
    void allOfTheLargestMayLieInOneList() throws TornadoExecutionPlanException {
        Rows top = new Rows(1, 128 * 70, 64);
        for (int i = 0; i < 70; i++) {
            top.logits.set(128 * i + 77, 20 + i);
        }
        top.run();
        top.assertSorted(0);
    }

    @Test
    void noneWantedStillGivesTheSum() throws TornadoExecutionPlanException {
        Rows top = new Rows(1, 207, 0);
        top.logits.set(100, 88);
        top.run();
        assertThat(top.tokens(0)).containsOnly(UNTOUCHED);
        assertThat(top.logSumExp.get(0)).isCloseTo(88, within(1e-5f));
    }

    @Test
    void aVocabularySmallerThanTheCountEndsWithNoToken() throws TornadoExecutionPlanException {
        Rows top = new Rows(2, 5, 9).run();
        for (int row = 0; row < 2; row++) {
            top.assertSorted(row);
            assertThat(Arrays.copyOfRange(top.tokens(row), 5, 9)).containsOnly(-1);
            assertThat(Arrays.copyOfRange(top.tokens(row), 9, 64)).containsOnly(UNTOUCHED);
        }
    }

    @Test
    void rowsWithoutNumbersEndAndAreKnownByTheirSum() throws TornadoExecutionPlanException {
        Rows top = new Rows(6, 300, 9);
        top.logits.set(17, Float.NaN);
        top.logits.set(top.stride + 18, Float.POSITIVE_INFINITY);
        for (int token = 0; token < 300; token++) {
            top.logits.set(2 * top.stride + token, Float.NaN);
            top.logits.set(3 * top.stride + token, Float.NEGATIVE_INFINITY);
        }
        top.logits.set(4 * top.stride + 19, Float.NEGATIVE_INFINITY);
        top.run();
        for (int row = 0; row < 6; row++) {
            top.assertSorted(row);
        }
        for (int row = 0; row < 5; row++) {
            assertThat(top.logSumExp.get(row))
                    .as("row %d", row)
                    .matches(sum -> Float.isNaN(sum) || Float.isInfinite(sum));
        }
        assertThat(top.logSumExp.get(5)).isFinite();
    }
}
