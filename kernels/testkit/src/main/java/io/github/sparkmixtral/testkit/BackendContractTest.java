package io.github.sparkmixtral.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.engine.AllLogits;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.Logits;
import io.github.sparkmixtral.engine.TopLogits;
import io.github.sparkmixtral.engine.WantedLogits;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every {@link Backend} promises: how sequences are cut into steps, put together in batches and laid into the cache makes
 * no difference to their logits. A backend's own test extends this and says how to open it and how exact it is.
 */
public abstract class BackendContractTest {

    private static final int WINDOW = 21;
    private static final BackendOptions OPTIONS = new BackendOptions(8, 700, 4 << 20, 2);

    private Model model;
    private Backend backend;

    protected abstract Backend open(Model model, BackendOptions options);

    /** Largest difference between two computations of the same logit; 0 where they must have the same bits. */
    protected abstract float tolerance();

    @BeforeEach
    void openBackend() {
        model = RandomModel.of(RandomModel.config(WINDOW, RopeLayout.HALVES), TensorType.F32, 7);
        backend = open(model, OPTIONS);
    }

    @AfterEach
    void closeBackend() {
        backend.close();
        model.close();
    }

    @Test
    void tellsItsLimits() {
        ModelConfig config = model.config();
        assertThat(backend.name()).isNotBlank();
        assertThat(backend.vocabularySize()).isEqualTo(config.vocabularySize());
        assertThat(backend.maxPositions()).isEqualTo(config.maxPositions());
        assertThat(backend.blockSize()).isEqualTo(BackendOptions.BLOCK_SIZE);
        assertThat(backend.maxBatchTokens()).isEqualTo(OPTIONS.maxBatchTokens());
        assertThat(backend.maxSequences()).isEqualTo(OPTIONS.maxSequences());
        assertThat(backend.cacheBlocks()).isGreaterThan(50);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 16, 29})
    void promptInChunksEqualsPromptAsWhole(int chunk) {
        int[] prompt = tokens(67, 1);
        float[] whole = whole(prompt, blocks(0, 5));
        float[] chunked = new float[0];
        for (int from = 0; from < prompt.length; from += chunk) {
            int to = Math.min(from + chunk, prompt.length);
            float[] part = run(new Batches().add(prompt, from, to, blocks(10, 5), to - from));
            chunked = concatenate(chunked, part);
        }
        assertSame(chunked, whole);
    }

    @Test
    void sequenceInFullBatchEqualsSequenceAlone() {
        int[][] prompts = {tokens(33, 2), tokens(1, 3), tokens(16, 4), tokens(90, 5), tokens(4, 6), tokens(31, 7)};
        Batches together = new Batches();
        float[] alone = new float[0];
        for (int i = 0; i < prompts.length; i++) {
            alone = concatenate(alone, whole(prompts[i], blocks(0, 6)));
            together.add(prompts[i], 0, prompts[i].length, blocks(6 + 6 * i, 6), prompts[i].length);
        }
        assertSame(run(together), alone);
    }

    @Test
    void mixedPrefillAndDecodeEqualsEachAlone() {
        int[] first = tokens(40, 8);
        int[] second = tokens(25, 9);
        float[] expectedFirst = last(whole(first, blocks(0, 3)));
        float[] expectedSecond = last(whole(second, blocks(0, 3)));
        run(new Batches().add(first, 0, 39, blocks(3, 3), 0));
        float[] mixed = run(new Batches().add(second, 0, 25, blocks(6, 2), 1).add(first, 39, 40, blocks(3, 3), 1));
        assertSame(mixed, concatenate(expectedSecond, expectedFirst));
    }

    @Test
    void numberOfThreadsMakesNoDifference() {
        int[] prompt = tokens(75, 25);
        float[] expected = whole(prompt, blocks(0, 5));
        for (int threads : new int[] {1, 5}) {
            try (Backend other = open(model, new BackendOptions(1, 75, 1 << 20, threads))) {
                float[] actual = other.forward(
                        new Batches().add(prompt, 0, 75, blocks(0, 5), 75).build());
                assertSame(Arrays.copyOf(actual, expected.length), expected);
            }
        }
    }

    @Test
    void anyOrderOfBlocksServes() {
        int[] prompt = tokens(80, 10);
        assertSame(whole(prompt, new int[] {41, 3, 17, 0, 29}), whole(prompt, blocks(50, 5)));
    }

    @Test
    void usedBlocksLeaveNoTrace() {
        int[] prompt = tokens(35, 11);
        float[] fresh = whole(prompt, blocks(20, 3));
        whole(tokens(80, 12), blocks(0, 5));
        assertSame(whole(prompt, blocks(1, 3)), fresh);
    }

    @Test
    void sequencesShareTheBlocksOfTheirPrefix() {
        int[] first = tokens(45, 13);
        int[] second = tokens(50, 14);
        System.arraycopy(first, 0, second, 0, 32);
        float[] expected = Arrays.copyOfRange(whole(second, blocks(20, 4)), 32 * width(), 50 * width());
        whole(first, blocks(0, 3));
        assertSame(run(new Batches().add(second, 32, 50, new int[] {0, 1, 8, 9}, 18)), expected);
    }

    @Test
    void onlyWantedRowsComeBack() {
        int[] prompt = tokens(30, 15);
        float[] all = whole(prompt, blocks(0, 2));
        Batch batch = new Batches().add(prompt, 0, 30, blocks(2, 2), 30).build();
        int[] wanted = {0, 13, 14, 29};
        float[] some = backend.forward(new Batch(
                batch.tokens(),
                batch.positions(),
                batch.kvSlots(),
                batch.sequenceStarts(),
                batch.blockTables(),
                batch.blockTableStarts(),
                wanted));
        for (int i = 0; i < wanted.length; i++) {
            assertSame(row(some, i), row(all, wanted[i]));
        }
    }

    @Test
    void hiddenStatesAreWhatTheHeadSees() {
        int[] first = tokens(30, 31);
        int[] second = tokens(41, 32);
        Batch batch = new Batches()
                .add(first, 0, 30, blocks(0, 2), 3)
                .add(second, 0, 41, blocks(2, 3), 1)
                .hidden(0, 13, 28, 29, 70)
                .build();
        float[] logits = Arrays.copyOf(backend.forward(batch), 4 * width());
        assertThat(backend.hiddenSize()).isEqualTo(model.config().hiddenSize());
        float[] hidden = Arrays.copyOf(backend.hidden(), 5 * backend.hiddenSize());
        // Rows 28, 29 and 70 have their logits wanted, too: 27, 28, 29 and 70 are those of the batch.
        assertHead(row(logits, 1), hidden, 2);
        assertHead(row(logits, 2), hidden, 3);
        assertHead(row(logits, 3), hidden, 4);
        assertSame(
                logits,
                Arrays.copyOf(
                        backend.forward(new Batches()
                                .add(first, 0, 30, blocks(0, 2), 3)
                                .add(second, 0, 41, blocks(2, 3), 1)
                                .build()),
                        4 * width()));
    }

    private void assertHead(float[] logits, float[] hidden, int row) {
        Tensor head = model.weights().head();
        float[] weights = new float[head.columns()];
        for (int token = 0; token < width(); token++) {
            head.type().decode(head.data(), token * head.rowBytes(), weights, 0, head.columns());
            double sum = 0;
            for (int column = 0; column < head.columns(); column++) {
                sum += (double) weights[column] * hidden[row * head.columns() + column];
            }
            // Logits have a deviation of about 1.5; some backends round what they multiply to 8 bits of fraction.
            assertThat((double) logits[token]).isCloseTo(sum, within(0.1));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 29})
    void hiddenStatesDoNotDependOnSteps(int chunk) {
        int[] prompt = tokens(67, 33);
        backend.forward(new Batches()
                .add(prompt, 0, 67, blocks(0, 5), 0)
                .hidden(IntStream.range(0, 67).toArray())
                .build());
        float[] whole = Arrays.copyOf(backend.hidden(), 67 * backend.hiddenSize());
        float[] chunked = new float[0];
        for (int from = 0; from < prompt.length; from += chunk) {
            int to = Math.min(from + chunk, prompt.length);
            backend.forward(new Batches()
                    .add(prompt, from, to, blocks(10, 5), 1)
                    .hidden(IntStream.range(0, to - from).toArray())
                    .build());
            chunked = concatenate(chunked, Arrays.copyOf(backend.hidden(), (to - from) * backend.hiddenSize()));
        }
        assertSame(chunked, whole);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, TopLogits.MAX})
    void bestLogitsAreThoseOfAll(int count) {
        int[] first = tokens(30, 26);
        int[] second = tokens(41, 27);
        Batch batch = new Batches()
                .add(first, 0, 30, blocks(0, 2), 30)
                .add(second, 0, 41, blocks(2, 3), 1)
                .build();
        int rows = batch.logitRows().length;
        // The same step twice has the same bits on any backend: it writes into the cache what lies there already.
        AllLogits all = new AllLogits(width(), Arrays.copyOf(backend.forward(batch), rows * width()));
        double[] temperatures = IntStream.range(0, rows)
                .mapToDouble(row -> new double[] {0, 0.3, 1, 1.7}[row % 4])
                .toArray();
        Logits best = backend.top(batch, new WantedLogits(count, temperatures, (_, _) -> false));
        for (int row = 0; row < rows; row++) {
            int[] expected = best(all, row, count);
            TopLogits top = best.best();
            if (top != null) {
                assertThat(top.count()).isEqualTo(count);
                assertThat(Arrays.copyOfRange(top.tokens(), row * count, (row + 1) * count))
                        .isEqualTo(expected);
                assertThat(top.totalError()).isBetween(1e-6, 1e-4);
                if (temperatures[row] > 0) {
                    double total = total(all, row, all.logit(row, expected[0]), temperatures[row]);
                    assertThat((double) top.totals()[row]).isCloseTo(total, within(total * top.totalError()));
                }
            }
            for (int token : expected) {
                assertThat(best.logit(row, token)).isEqualTo(all.logit(row, token));
            }
            assertThat(best.finite(row)).isTrue();
            assertThat(best.logSumExp(row)).isCloseTo(all.logSumExp(row), within(1e-5));
        }
    }

    private static double total(AllLogits logits, int row, double highest, double temperature) {
        return IntStream.range(0, logits.vocabulary())
                .mapToDouble(token -> Math.exp((logits.logit(row, token) - highest) / temperature))
                .sum();
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "31", "0,30,31", "3,4,17,28,29", "30", "all"})
    void someRowsComeWholeBesideTheBestOfOthers(String wanted) {
        Batch batch = new Batches()
                .add(tokens(30, 26), 0, 30, blocks(0, 2), 30)
                .add(tokens(41, 27), 0, 41, blocks(2, 3), 1)
                .add(tokens(11, 28), 0, 11, blocks(5, 1), 1)
                .build();
        int rows = batch.logitRows().length;
        int[] whole = wanted.equals("all")
                ? IntStream.range(0, rows).toArray()
                : Stream.of(wanted.split(",")).mapToInt(Integer::parseInt).toArray();
        AllLogits all = new AllLogits(width(), Arrays.copyOf(backend.forward(batch), rows * width()));
        List<Integer> asked = new ArrayList<>();
        Logits mixed = backend.top(batch, new WantedLogits(5, new double[rows], (best, row) -> {
            assertThat(best.tokens()[5 * row]).isEqualTo(best(all, row, 1)[0]);
            asked.add(row);
            return Arrays.binarySearch(whole, row) >= 0;
        }));
        // A backend to which all logits are there need not ask.
        if (!asked.isEmpty()) {
            assertThat(asked).isEqualTo(IntStream.range(0, rows).boxed().toList());
        }
        for (int row = 0; row < rows; row++) {
            boolean isWhole = Arrays.binarySearch(whole, row) >= 0;
            int[] there = isWhole ? IntStream.range(0, width()).toArray() : best(all, row, 5);
            for (int token : there) {
                assertThat(mixed.logit(row, token)).isEqualTo(all.logit(row, token));
            }
            if (isWhole) {
                assertThat(mixed.of(row)).isInstanceOf(AllLogits.class);
            }
            assertThat(mixed.finite(row)).isTrue();
            assertThat(mixed.logSumExp(row)).isCloseTo(all.logSumExp(row), within(1e-5));
        }
    }

    /** Ids of the highest logits, among equals the lowest id first. */
    private static int[] best(AllLogits logits, int row, int count) {
        return IntStream.range(0, logits.vocabulary())
                .boxed()
                .sorted(Comparator.comparing((Integer token) -> -logits.logit(row, token)))
                .limit(count)
                .mapToInt(Integer::intValue)
                .toArray();
    }

    @Test
    void bestLogitsMayBeWantedOfNoRow() {
        int[] prompt = tokens(20, 16);
        float[] expected = last(whole(prompt, blocks(0, 2)));
        backend.top(new Batches().add(prompt, 0, 19, blocks(2, 2), 0).build(), WantedLogits.best(1, 0));
        assertSame(run(new Batches().add(prompt, 19, 20, blocks(2, 2), 1)), expected);
    }

    @Test
    void aStepMayWantNoLogits() {
        int[] prompt = tokens(20, 16);
        float[] expected = last(whole(prompt, blocks(0, 2)));
        run(new Batches().add(prompt, 0, 19, blocks(2, 2), 0));
        assertSame(run(new Batches().add(prompt, 19, 20, blocks(2, 2), 1)), expected);
    }

    @Test
    void largestBatchEqualsItsSequencesAlone() {
        int[] longPrompt = tokens(650, 17);
        int[] shortPrompt = tokens(50, 18);
        float[] expectedLong = last(whole(longPrompt, blocks(0, 41)));
        float[] expectedShort = last(whole(shortPrompt, blocks(0, 4)));
        float[] both =
                run(new Batches().add(longPrompt, 0, 650, blocks(5, 41), 1).add(shortPrompt, 0, 50, blocks(50, 4), 1));
        assertSame(both, concatenate(expectedLong, expectedShort));
    }

    @Test
    void slidingWindowEndsWhereItShould() {
        int[] prompt = tokens(60, 19);
        int[] other = prompt.clone();
        other[0] = (prompt[0] + 1) % width();
        float[] one = whole(prompt, blocks(0, 4));
        float[] two = whole(other, blocks(0, 4));
        // Each of the two layers sees WINDOW - 1 tokens back, so token 0 reaches position 2 * (WINDOW - 1) and no
        // further.
        int reach = 2 * (WINDOW - 1);
        assertThat(row(one, reach)).isNotEqualTo(row(two, reach));
        assertSame(row(one, reach + 1), row(two, reach + 1));
    }

    @Test
    void ropeLayoutsAgreeOnPermutedWeights() {
        ModelConfig halves = RandomModel.config(0, RopeLayout.HALVES);
        ModelConfig neighbours = RandomModel.config(0, RopeLayout.NEIGHBOURS);
        int[] prompt = tokens(25, 20);
        try (Model one = RandomModel.of(halves, TensorType.F32, 3);
                Model two = RandomModel.permuted(neighbours, TensorType.F32, 3);
                Backend first = open(one, OPTIONS);
                Backend second = open(two, OPTIONS)) {
            Batch batch = new Batches().add(prompt, 0, 25, blocks(0, 2), 25).build();
            float[] expected = first.forward(batch);
            float[] actual = second.forward(batch);
            // The order of the sum in query . key differs.
            for (int i = 0; i < 25 * width(); i++) {
                assertThat(actual[i]).isCloseTo(expected[i], within(1e-3f));
            }
        }
    }

    static Stream<Arguments> brokenBatches() {
        return Stream.of(
                broken("tokens[3] is 131", b -> b.tokens()[3] = 131),
                broken("tokens[0] is -1", b -> b.tokens()[0] = -1),
                broken("positions[0] is -1", b -> b.positions()[0] = -1),
                broken("positions[19] is 2048", b -> b.positions()[19] = 2048),
                broken("positions of sequence 0 must be consecutive at index 2", b -> b.positions()[2] = 3),
                broken("kvSlots[5] is 4", b -> b.kvSlots()[5] = 4),
                broken("blockTables[1] is 1000000", b -> b.blockTables()[1] = 1_000_000),
                broken("blockTables[0] is -7", b -> b.blockTables()[0] = -7),
                broken("sequenceStarts must", b -> b.sequenceStarts()[1] = 19),
                broken("blockTableStarts must", b -> b.blockTableStarts()[1] = 3),
                broken("logitRows[0] is 20", b -> b.logitRows()[0] = 20),
                broken("logitRows must ascend at index 1", b -> b.logitRows()[0] = 19),
                broken("hiddenRows[1] is -1", b -> b.hiddenRows()[1] = -1),
                broken("hiddenRows must ascend at index 1", b -> b.hiddenRows()[0] = 7));
    }

    private static Arguments broken(String message, Consumer<Batch> damage) {
        return Arguments.of(message, damage);
    }

    @ParameterizedTest
    @MethodSource("brokenBatches")
    void refusesIndicesOutOfRange(String message, Consumer<Batch> damage) {
        Batch batch = new Batches()
                .add(tokens(20, 21), 0, 20, blocks(0, 2), 2)
                .hidden(3, 7)
                .build();
        damage.accept(batch);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> backend.forward(batch))
                .withMessageContaining(message);
    }

    @Test
    void refusesPositionOutsideOfItsBlocks() {
        Batch batch = new Batches().add(tokens(20, 22), 0, 16, blocks(0, 1), 1).build();
        batch.positions()[0] = 16;
        for (int i = 0; i < 16; i++) {
            batch.positions()[i] = 16 + i;
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> backend.forward(batch))
                .withMessageContaining("position 16 lies outside the 1 blocks of sequence 0");
    }

    @Test
    void refusesMoreThanItsLimits() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> run(new Batches().add(tokens(701, 23), 0, 701, blocks(0, 44), 1)))
                .withMessageContaining("701 tokens, more than maxBatchTokens 700");
        Batches nine = new Batches();
        for (int i = 0; i < 9; i++) {
            nine.add(tokens(1, 24), 0, 1, blocks(i, 1), 1);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> run(nine))
                .withMessageContaining("9 sequences, more than maxSequences 8");
    }

    @Test
    void closingTwiceIsHarmless() {
        backend.close();
        backend.close();
    }

    private int width() {
        return model.config().vocabularySize();
    }

    /** Logits of all positions of a prompt that is computed in one step. */
    private float[] whole(int[] prompt, int[] blocks) {
        return run(new Batches().add(prompt, 0, prompt.length, blocks, prompt.length));
    }

    private float[] run(Batches batches) {
        Batch batch = batches.build();
        return Arrays.copyOf(backend.forward(batch), batch.logitRows().length * width());
    }

    private float[] row(float[] logits, int row) {
        return Arrays.copyOfRange(logits, row * width(), (row + 1) * width());
    }

    private float[] last(float[] logits) {
        return row(logits, logits.length / width() - 1);
    }

    private int[] tokens(int count, int seed) {
        return new Random(seed).ints(count, 0, width()).toArray();
    }

    private static int[] blocks(int first, int count) {
        return IntStream.range(first, first + count).toArray();
    }

    private static float[] concatenate(float[] head, float[] tail) {
        float[] joined = Arrays.copyOf(head, head.length + tail.length);
        System.arraycopy(tail, 0, joined, head.length, tail.length);
        return joined;
    }

    private void assertSame(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (float logit : expected) {
            assertThat(logit).isFinite();
        }
        if (tolerance() == 0) {
            assertThat(actual).isEqualTo(expected);
        } else {
            assertThat(actual).containsExactly(expected, within(tolerance()));
        }
    }
}
