package io.github.sparkmixtral.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SamplerTest {
    /** More than there are. */
    private static final int ALL = Candidates.ALL;

    private static final int VOCABULARY = 32;

    private final Sampler sampler = new Sampler(VOCABULARY);

    /** Cases of {@code golden/sampling.py}. */
    static Stream<JsonNode> golden() {
        try (InputStream file = SamplerTest.class.getResourceAsStream("/golden/sampling.json.gz")) {
            JsonNode cases = new ObjectMapper().readTree(new GZIPInputStream(file));
            return StreamSupport.stream(cases.spliterator(), false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @MethodSource("golden")
    void drawsFromTheDistributionThatTransformersLeaves(JsonNode golden) {
        Sequence sequence = sequence("a", ints(golden.get("prompt")), parameters(golden.get("parameters")));
        IntStream.of(ints(golden.get("output"))).forEach(token -> sequence.accept(token, null));
        Candidates candidates = new RowSampler(VOCABULARY).candidates(sequence, all(floats(golden.get("logits"))), 0);
        // A sweep over the unit interval measures the share of each token.
        int sweep = 100_000;
        int[] counts = new int[VOCABULARY];
        for (int i = 0; i < sweep; i++) {
            counts[candidates.draw((i + 0.5) / sweep)]++;
        }
        for (int id = 0; id < VOCABULARY; id++) {
            double expected = golden.get("probabilities").get(id).doubleValue();
            assertThat((double) counts[id] / sweep).as("token %d", id).isCloseTo(expected, within(2.0 / sweep));
            if (expected == 0) {
                assertThat(counts[id]).as("token %d", id).isZero();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("golden")
    void logprobsAreThoseOfTheRawLogits(JsonNode golden) {
        float[] logits = floats(golden.get("logits"));
        SamplingParameters base = parameters(golden.get("parameters"));
        Sequence sequence = sequence("a", ints(golden.get("prompt")), withLogprobs(base, 5));
        TokenLogprobs logprobs = sample(logits, sequence).logprobs()[0];
        double[] expected = IntStream.range(0, VOCABULARY)
                .mapToDouble(id -> golden.get("logprobs").get(id).doubleValue())
                .toArray();
        int[] likeliest = IntStream.range(0, VOCABULARY)
                .boxed()
                .sorted((a, b) -> Double.compare(expected[b], expected[a]))
                .limit(5)
                .mapToInt(Integer::intValue)
                .toArray();
        assertThat(logprobs.topTokenIds()).isEqualTo(likeliest);
        for (int i = 0; i < 5; i++) {
            assertThat((double) logprobs.topLogprobs()[i]).isCloseTo(expected[likeliest[i]], within(2e-6));
        }
        assertThat((double) logprobs.logprob()).isCloseTo(expected[logprobs.tokenId()], within(2e-6));
    }

    @Test
    void noAlternativesWhereNoneAreAskedFor() {
        float[] logits = logits(1);
        assertThat(sample(logits, sequence("a", p -> p.logprobs = -1)).logprobs())
                .containsExactly((TokenLogprobs) null);
        TokenLogprobs chosen =
                sample(logits, sequence("a", p -> p.logprobs = 0)).logprobs()[0];
        assertThat(chosen.topTokenIds()).isEmpty();
        assertThat(chosen.logprob()).isNegative();
    }

    @Test
    void frequenciesOfDrawsAreTheProbabilities() {
        float[] logits = logits(7);
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit);
        }
        int draws = 50_000;
        int[] counts = new int[VOCABULARY];
        for (int i = 0; i < draws; i++) {
            counts[sample(logits, sequence("row-" + i, p -> {})).tokens()[0]]++;
        }
        double chiSquare = 0;
        for (int id = 0; id < VOCABULARY; id++) {
            double expected = draws * Math.exp(logits[id]) / sum;
            chiSquare += (counts[id] - expected) * (counts[id] - expected) / expected;
        }
        // 99.9% of samples from the true distribution are below 61.1 with 31 degrees of freedom.
        assertThat(chiSquare).isLessThan(61.1);
    }

    @Test
    void samplesAndPositionsDrawIndependently() {
        // Neighbouring ids, seeds, samples and positions: their draws must not hang together.
        int[][] counts = new int[10][10];
        double sum = 0;
        int draws = 0;
        for (int row = 0; row < 100; row++) {
            long key = Draws.key(row % 10, "row-" + row / 10);
            for (int sample = 0; sample < 10; sample++) {
                for (int position = 0; position < 100; position += 2) {
                    double first = Draws.uniform(key, sample, position);
                    double second = Draws.uniform(key, sample, position + 1);
                    assertThat(first).isBetween(0.0, Math.nextDown(1.0));
                    counts[(int) (first * 10)][(int) (second * 10)]++;
                    sum += first + second;
                    draws += 2;
                }
            }
        }
        assertThat(sum / draws).isCloseTo(0.5, within(0.004));
        double expected = draws / 2.0 / 100;
        double chiSquare = 0;
        for (int[] row : counts) {
            for (int count : row) {
                chiSquare += (count - expected) * (count - expected) / expected;
            }
        }
        // 99.9% are below 148.2 with 99 degrees of freedom.
        assertThat(chiSquare).isLessThan(148.2);
    }

    @Test
    void drawsAreTheSameForEver() {
        // Part of the contract: a job that is run again gives the same rows. Numbers of golden/draws.py.
        assertThat(Draws.uniform(Draws.key(0, "row-1"), 0, 0)).isEqualTo(0.8060257659006966);
        assertThat(Draws.uniform(Draws.key(-5, "Zeile-\u00e4"), 3, 1000)).isEqualTo(0.8786660959131208);
    }

    @Test
    void greedyTakesTheLowestOfEquals() {
        float[] logits = new float[VOCABULARY];
        logits[9] = logits[4] = logits[20] = 3;
        assertThat(sample(logits, sequence("a", p -> p.temperature = 0)).tokens())
                .containsExactly(4);
        assertThat(sample(logits, sequence("a", p -> p.topK = 1)).tokens()).containsExactly(4);
    }

    @Test
    void greedyHeedsBiasAndPenalties() {
        float[] logits = logits(3);
        int best = sample(logits, sequence("a", p -> p.temperature = 0)).tokens()[0];
        Sequence biased = sequence("a", p -> {
            p.temperature = 0;
            p.logitBias = Map.of(best, -100.0);
        });
        assertThat(sample(logits, biased).tokens()[0]).isNotEqualTo(best);
        Sequence penalized = sequence("a", p -> {
            p.temperature = 0;
            p.presencePenalty = 2;
            p.frequencyPenalty = 2;
        });
        for (int i = 0; i < 8; i++) {
            penalized.accept(best, null);
        }
        int other = sample(logits, penalized).tokens()[0];
        assertThat(other).isNotEqualTo(best);
        assertThat(sample(logits, penalized).tokens()[0])
                .as("penalized anew in every step")
                .isEqualTo(other);
        assertThat(sample(logits, sequence("b", p -> p.temperature = 0)).tokens()[0])
                .as("nothing of it is left behind")
                .isEqualTo(best);
    }

    @Test
    void presenceAndFrequencyCountOnlyTheOutput() {
        float[] logits = new float[VOCABULARY];
        logits[5] = 1;
        Sequence sequence = sequence("a", new int[] {5, 5, 5}, Parameters.of(p -> {
            p.temperature = 0;
            p.presencePenalty = 2;
            p.frequencyPenalty = 2;
        }));
        assertThat(sample(logits, sequence).tokens()).containsExactly(5);
    }

    @Test
    void tinyTemperatureIsGreedyWithoutOverflow() {
        float[] logits = logits(5);
        int best = sample(logits, sequence("a", p -> p.temperature = 0)).tokens()[0];
        assertThat(sample(logits, sequence("a", p -> p.temperature = 1e-300)).tokens())
                .containsExactly(best);
    }

    @Test
    void hugeTemperatureIsUniform() {
        Candidates candidates =
                new RowSampler(VOCABULARY).candidates(sequence("a", p -> p.temperature = 1e300), all(logits(5)), 0);
        Set<Integer> drawn = new HashSet<>();
        for (int i = 0; i < VOCABULARY; i++) {
            drawn.add(candidates.draw((i + 0.5) / VOCABULARY));
        }
        assertThat(drawn).hasSize(VOCABULARY);
    }

    @ParameterizedTest
    @MethodSource("notFinite")
    void logitsThatAreNotFiniteGiveNoToken(float wrong) {
        for (double temperature : new double[] {0, 1}) {
            float[] logits = logits(2);
            logits[31] = wrong;
            Sequence sequence = sequence("a", p -> {
                p.temperature = temperature;
                p.topK = 3;
                p.logprobs = 3;
            });
            TopLogits selected = TopLogits.of(1, 3, 0);
            selected.select(all(logits), 0);
            TopLogits best = TopBackend.top(logits, 1, VOCABULARY, 3, temperature);
            for (Logits given :
                    List.of(all(logits), best, selected, new MixedLogits(selected, new int[] {0}, all(logits)))) {
                Samples samples = sampler.sample(plan(List.of(sequence)), given);
                assertThat(samples.tokens()).containsExactly(Samples.NO_TOKEN);
                assertThat(samples.logprobs()).containsExactly((TokenLogprobs) null);
            }
        }
    }

    static Stream<Float> notFinite() {
        return Stream.of(Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY);
    }

    @Test
    void rowsOfOneStepAreSampledEachByItsOwnParameters() {
        float[] first = logits(1);
        float[] second = logits(2);
        float[] both = Arrays.copyOf(first, 2 * VOCABULARY);
        System.arraycopy(second, 0, both, VOCABULARY, VOCABULARY);
        Sequence greedy = sequence("a", p -> p.temperature = 0);
        Sequence drawn = sequence("b", p -> {
            p.topK = 7;
            p.topP = 0.9;
            p.repetitionPenalty = 1.3;
            p.logprobs = 2;
        });
        Samples together = sampler.sample(plan(List.of(greedy, drawn)), all(both));
        assertThat(together.tokens()[0]).isEqualTo(sample(first, greedy).tokens()[0]);
        assertThat(together.tokens()[1]).isEqualTo(sample(second, drawn).tokens()[0]);
        assertThat(together.logprobs()[1].topTokenIds())
                .isEqualTo(sample(second, drawn).logprobs()[0].topTokenIds());
    }

    @Test
    void asksForNoMoreLogitsThanItNeeds() {
        Consumer<Parameters> greedy = p -> p.temperature = 0;
        assertThat(needed(greedy)).isEqualTo(1);
        assertThat(needed(greedy.andThen(p -> p.topK = 9))).isEqualTo(1);
        assertThat(needed(greedy.andThen(p -> p.logprobs = 0))).isEqualTo(1);
        assertThat(needed(greedy.andThen(p -> p.logprobs = 20))).isEqualTo(20);
        assertThat(needed(p -> p.topK = 9)).isEqualTo(9);
        assertThat(needed(p -> {
                    p.topK = 9;
                    p.topP = 0.5;
                    p.minP = 0.1;
                    p.logprobs = 4;
                }))
                .isEqualTo(9);
        for (Consumer<Parameters> most : List.<Consumer<Parameters>>of(
                p -> p.topK = 0, p -> p.topK = 1000, p -> p.topP = 0.1, p -> p.minP = 0.9)) {
            assertThat(new RowSampler(1000).needed(sequence("a", most))).isEqualTo(TopLogits.MAX);
            assertThat(needed(most)).isEqualTo(VOCABULARY);
        }
        assertThat(new RowSampler(1000).needed(sequence("a", p -> p.topK = 65))).isEqualTo(ALL);
        assertThat(sampler.needed(plan(List.of())).best()).isEqualTo(1);
        List<Sequence> mixed = List.of(
                sequence("a", p -> p.repetitionPenalty = 0.9),
                sequence("b", p -> p.topK = 7),
                sequence("c", greedy),
                sequence("d", p -> p.minTokens = 1));
        Sampler.Needed needed = sampler.needed(plan(mixed));
        assertThat(needed.best()).isEqualTo(7);
        assertThat(needed.whole().stream()).containsExactly(0, 3);
        for (Consumer<Parameters> all : everyTokenCounts()) {
            assertThat(needed(all)).isEqualTo(ALL);
        }
    }

    private static List<Consumer<Parameters>> everyTokenCounts() {
        Consumer<Parameters> greedy = p -> p.temperature = 0;
        return List.of(
                greedy.andThen(p -> p.logitBias = Map.of(3, 1.0)),
                greedy.andThen(p -> p.repetitionPenalty = 1.1),
                greedy.andThen(p -> p.presencePenalty = 0.1),
                greedy.andThen(p -> p.frequencyPenalty = 0.1),
                greedy.andThen(p -> p.minTokens = 1));
    }

    @Test
    void needsAllLogitsNoLongerThanMinTokens() {
        Sequence sequence = sequence("a", p -> {
            p.temperature = 0;
            p.minTokens = 2;
        });
        List<Integer> needed = new ArrayList<>();
        for (int token = 3; token < 7; token++) {
            needed.add(needed(sequence));
            sequence.accept(token, null);
        }
        assertThat(needed).containsExactly(ALL, ALL, 1, 1);
    }

    private int needed(Consumer<Parameters> change) {
        return needed(sequence("a", change));
    }

    /** Of one row. */
    private int needed(Sequence sequence) {
        Sampler.Needed needed = sampler.needed(plan(List.of(sequence)));
        return needed.whole().get(0) ? ALL : needed.best();
    }

    @Test
    void totalsAreOfTheTemperaturesOfRowsThatNeedThem() {
        List<Sequence> rows = List.of(
                sequence("a", p -> p.temperature = 0),
                sequence("b", p -> p.temperature = 0.7),
                sequence("c", p -> p.topK = 3),
                sequence("d", p -> p.topP = 0.5),
                sequence("e", p -> p.logitBias = Map.of(1, 1.0)));
        assertThat(sampler.needed(plan(rows)).temperatures()).startsWith(0, 0.7, 0, 1, 0);
    }

    @Test
    void bestLogitsGiveTheTokensThatAllGive() {
        int vocabulary = 500;
        Sampler many = new Sampler(vocabulary);
        Random random = new Random(23);
        int decided = 0;
        for (int round = 0; round < 3000; round++) {
            float[] logits = logits(round, vocabulary, 0.5 + random.nextDouble() * 5);
            if (round % 3 == 0) {
                for (int id = 0; id < vocabulary; id++) {
                    logits[id] = Math.round(logits[id]) * (random.nextBoolean() ? 1 : -0.0f); // many ties
                }
            }
            Sequence sequence = sequence("row-" + round, p -> {
                p.temperature = new double[] {0, 1e-42, 0.05, 0.7, 1, 3}[random.nextInt(6)];
                p.topK = random.nextBoolean() ? 0 : 1 + random.nextInt(90);
                p.topP = random.nextBoolean() ? 1 : 1 - random.nextDouble();
                p.minP = random.nextBoolean() ? 0 : random.nextDouble() / 10;
                p.logprobs = random.nextInt(22) - 1;
            });
            Plan plan = plan(List.of(sequence));
            Samples all = many.sample(plan, new AllLogits(vocabulary, logits));
            Sampler.Needed needed = many.needed(plan);
            TopLogits best = TopBackend.top(
                    logits, 1, vocabulary, needed.best(), sequence.parameters().temperature());
            if (random.nextBoolean()) {
                best.totals()[0] *= (float) (1 + 1.9 * best.totalError()); // too large instead of too small
            }
            boolean whole = many.wanted(plan, needed).whole().needed(best, 0);
            decided += whole ? 0 : 1;
            Samples some = many.sample(
                    plan, new MixedLogits(best, whole ? new int[] {0} : new int[0], new AllLogits(vocabulary, logits)));
            assertThat(some.tokens()).as("round %d", round).isEqualTo(all.tokens());
            if (sequence.parameters().logprobs() < 0) {
                assertThat(some.logprobs()).containsExactly((TokenLogprobs) null);
            } else {
                assertClose(some.logprobs()[0], all.logprobs()[0]);
            }
        }
        // Half of the rounds have a top_k, most of which are enough; of the others, the flat ones end outside of the
        // best.
        assertThat(decided).isBetween(2000, 2800);
    }

    /** What a draw is, written without weights that are integers, without bounds and without selecting. */
    @Test
    void aDrawIsWhereTheSumOfDescendingProbabilitiesExceedsTheNumber() {
        int vocabulary = 700;
        RowSampler many = new RowSampler(vocabulary);
        Random random = new Random(5);
        for (int round = 0; round < 300; round++) {
            float[] logits = logits(round, vocabulary, 1 + random.nextDouble() * 4);
            SamplingParameters parameters = Parameters.of(p -> {
                p.temperature = 0.3 + random.nextDouble();
                p.topK = random.nextInt(3) > 0 ? 0 : 1 + random.nextInt(vocabulary);
                p.topP = random.nextInt(3) > 0 ? 1 : 1 - random.nextDouble();
                p.minP = random.nextInt(3) > 0 ? 0 : random.nextDouble() / 100;
            });
            Sequence sequence = sequence("a", new int[] {1}, parameters);
            Candidates candidates = many.candidates(sequence, new AllLogits(vocabulary, logits), 0);
            int[] order = IntStream.range(0, vocabulary)
                    .boxed()
                    .sorted((a, b) -> Float.compare(logits[b], logits[a]))
                    .mapToInt(Integer::intValue)
                    .toArray();
            double[] sums = sums(logits, order, parameters);
            for (int draw = 0; draw < 20; draw++) {
                double uniform = random.nextDouble();
                int index = 0;
                while (sums[index] <= uniform * sums[sums.length - 1]) {
                    index++;
                }
                assertThat(candidates.draw(uniform)).isEqualTo(order[index]);
            }
        }
    }

    /** Of the tokens that the parameters leave, their probabilities added up. */
    private static double[] sums(float[] logits, int[] order, SamplingParameters parameters) {
        double[] sums = new double[order.length];
        double sum = 0;
        for (int i = 0; i < order.length; i++) {
            sum += Math.exp((logits[order[i]] - logits[order[0]]) / parameters.temperature());
            sums[i] = sum;
        }
        int kept = parameters.topK() > 0 ? parameters.topK() : order.length;
        double mass = parameters.topP() * sums[kept - 1];
        int nucleus = 1;
        while (nucleus < kept && sums[nucleus - 1] < mass) {
            nucleus++;
        }
        int likely = 1;
        while (likely < nucleus
                && Math.exp((logits[order[likely]] - logits[order[0]]) / parameters.temperature())
                        >= parameters.minP()) {
            likely++;
        }
        return Arrays.copyOf(sums, likely);
    }

    @Test
    void aTotalThatIsNoNumberDecidesNothing() {
        for (float total : new float[] {Float.NaN, Float.POSITIVE_INFINITY, 0}) {
            float[] logits = logits(4, 500, 9);
            Sequence sequence = sequence("a", p -> p.topP = 0.9);
            TopLogits best = TopBackend.top(logits, 1, 500, 64, 1);
            assertThat(new RowSampler(500).draw(sequence, best, 0)).isNotNegative();
            best.totals()[0] = total;
            assertThat(new RowSampler(500).draw(sequence, best, 0)).isEqualTo(Candidates.UNDECIDED);
        }
    }

    @Test
    void rowsThatNeedAllLogitsAreSampledTogetherAsAlone() {
        int rows = 80;
        float[] logits = logits(8, rows * VOCABULARY, 2);
        List<Sequence> sequences = IntStream.range(0, rows)
                .mapToObj(row -> sequence("row " + row, new int[] {row % 7, 3}, Parameters.of(p -> {
                    p.repetitionPenalty = row % 3 == 0 ? 1.3 : 1;
                    p.logitBias = row % 5 == 0 ? Map.of(row % VOCABULARY, 3.0) : Map.of();
                    p.minTokens = row % 4;
                    p.logprobs = row % 2 == 0 ? 3 : -1;
                })))
                .toList();
        Samples together = sampler.sample(plan(sequences), all(logits));
        for (int row = 0; row < rows; row++) {
            float[] one = Arrays.copyOfRange(logits, row * VOCABULARY, (row + 1) * VOCABULARY);
            Samples alone = new Sampler(VOCABULARY).sample(plan(List.of(sequences.get(row))), all(one));
            assertThat(together.tokens()[row]).isEqualTo(alone.tokens()[0]);
            if (row % 2 == 0) {
                assertThat(together.logprobs()[row].topTokenIds()).isEqualTo(alone.logprobs()[0].topTokenIds());
            } else {
                assertThat(together.logprobs()[row]).isNull();
            }
        }
    }

    /** The normalizer is a float beside the best logits, a double beside all of them. */
    private static void assertClose(TokenLogprobs actual, TokenLogprobs expected) {
        assertThat(actual.tokenId()).isEqualTo(expected.tokenId());
        assertThat(actual.logprob()).isCloseTo(expected.logprob(), within(1e-6f));
        assertThat(actual.topTokenIds()).isEqualTo(expected.topTokenIds());
        assertThat(actual.topLogprobs()).containsExactly(expected.topLogprobs(), within(1e-6f));
    }

    @Test
    void bestLogitsAreNotMoreThanThereAre() {
        Sequence sequence = sequence("a", p -> p.topK = 5);
        TopLogits four = TopBackend.top(logits(1), 1, VOCABULARY, 4, 1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> sampler.sample(plan(List.of(sequence)), four))
                .withMessage("the best 5 of a row are wanted, but there are only 4 of its logits");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> four.logit(0, VOCABULARY))
                .withMessage("token 32 is not among the best 4 of row 0");
    }

    @Test
    void selectsWhatSortingWouldSelect() {
        Random random = new Random(11);
        for (int round = 0; round < 200; round++) {
            int size = 1 + random.nextInt(300);
            float[] values = new float[2 * size];
            for (int i = 0; i < values.length; i++) {
                // Few different values, so that there are many ties; negative zero among them.
                values[i] = (random.nextInt(9) - 4) * (random.nextBoolean() ? 0.5f : -1e-30f);
            }
            int count = 1 + random.nextInt(size);
            long[] selected = new long[count];
            TopTokens.select(new AllLogits(size, values), 1, count, selected);
            int[] expected = IntStream.range(0, size)
                    .boxed()
                    .sorted((a, b) -> values[a + size] == values[b + size]
                            ? Integer.compare(a, b)
                            : Float.compare(values[b + size], values[a + size]))
                    .limit(count)
                    .mapToInt(Integer::intValue)
                    .toArray();
            assertThat(Arrays.stream(selected).mapToInt(TopTokens::id).toArray())
                    .isEqualTo(expected);
            for (int i = 0; i < count; i++) {
                assertThat(TopTokens.value(selected[i])).isEqualTo(values[expected[i] + size] + 0.0f);
            }
        }
    }

    @Test
    void theBestOfARowAreThoseThatSortingSelects() {
        float[] logits = logits(9, 3 * VOCABULARY, 2);
        TopLogits selected = TopLogits.of(3, 7, 0);
        selected.select(all(logits), 2);
        TopLogits expected = TopBackend.top(logits, 3, VOCABULARY, 7, 1, 1, 1);
        assertThat(Arrays.copyOfRange(selected.tokens(), 14, 21))
                .isEqualTo(Arrays.copyOfRange(expected.tokens(), 14, 21));
        assertThat(Arrays.copyOfRange(selected.values(), 14, 21))
                .isEqualTo(Arrays.copyOfRange(expected.values(), 14, 21));
        assertThat(selected.finite(2)).isTrue();
    }

    @Test
    void nucleusOfALargeVocabularyIsThatOfAFullSort() {
        int vocabulary = 5000;
        RowSampler large = new RowSampler(vocabulary);
        Random random = new Random(3);
        for (double topP : new double[] {0.001, 0.3, 0.9, 0.99999}) {
            float[] logits = new float[vocabulary];
            for (int id = 0; id < vocabulary; id++) {
                logits[id] = (float) (random.nextGaussian() * 2);
            }
            int[] order = IntStream.range(0, vocabulary)
                    .boxed()
                    .sorted((a, b) -> Float.compare(logits[b], logits[a]))
                    .mapToInt(Integer::intValue)
                    .toArray();
            double total = 0;
            for (float logit : logits) {
                total += Math.exp(logit);
            }
            double mass = 0;
            int size = 0;
            while (mass < topP * total) {
                mass += Math.exp(logits[order[size++]]);
            }
            Candidates candidates =
                    large.candidates(sequence("a", p -> p.topP = topP), new AllLogits(vocabulary, logits), 0);
            assertThat(candidates.draw(0)).isEqualTo(order[0]);
            assertThat(candidates.draw(Math.nextDown(1.0))).isEqualTo(order[size - 1]);
        }
    }

    private Samples sample(float[] logits, Sequence sequence) {
        return sampler.sample(plan(List.of(sequence)), all(logits));
    }

    private static AllLogits all(float[] logits) {
        return new AllLogits(VOCABULARY, logits);
    }

    private static float[] logits(long seed) {
        return logits(seed, VOCABULARY, 1.5);
    }

    private static float[] logits(long seed, int count, double deviation) {
        Random random = new Random(seed);
        float[] logits = new float[count];
        for (int id = 0; id < count; id++) {
            logits[id] = (float) (random.nextGaussian() * deviation);
        }
        return logits;
    }

    private static Sequence sequence(String id, Consumer<Parameters> change) {
        return sequence(id, new int[] {1}, Parameters.of(change));
    }

    private static Sequence sequence(String id, int[] prompt, SamplingParameters parameters) {
        Request request = new Request(id, prompt, parameters, LeadingSpace.STRIP);
        return new SequenceGroup(request, TinyTokenizer.INSTANCE, List.of(2), 10_000, 0)
                .sequences()
                .getFirst();
    }

    private static SamplingParameters parameters(JsonNode json) {
        Map<Integer, Double> bias = new HashMap<>();
        json.get("logit_bias")
                .properties()
                .forEach(field -> bias.put(
                        Integer.valueOf(field.getKey()), field.getValue().doubleValue()));
        return Parameters.of(p -> {
            p.logitBias = bias;
            p.repetitionPenalty = json.get("repetition_penalty").doubleValue();
            p.presencePenalty = json.get("presence_penalty").doubleValue();
            p.frequencyPenalty = json.get("frequency_penalty").doubleValue();
            p.temperature = json.get("temperature").doubleValue();
            p.topK = json.get("top_k").intValue();
            p.topP = json.get("top_p").doubleValue();
            p.minP = json.get("min_p").doubleValue();
        });
    }

    private static SamplingParameters withLogprobs(SamplingParameters base, int logprobs) {
        return Parameters.of(p -> {
            p.logitBias = base.logitBias();
            p.repetitionPenalty = base.repetitionPenalty();
            p.temperature = base.temperature();
            p.topK = base.topK();
            p.topP = base.topP();
            p.logprobs = logprobs;
        });
    }

    private static int[] ints(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToInt(JsonNode::intValue)
                .toArray();
    }

    private static float[] floats(JsonNode array) {
        float[] values = new float[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).floatValue();
        }
        return values;
    }

    /** A step in which these sequences get their next tokens, and of which nothing else is looked at. */
    private static Plan plan(List<Sequence> sampled) {
        return new Plan(
                null, sampled, sampled, IntStream.range(0, sampled.size()).toArray(), List.of(), List.of());
    }
}
