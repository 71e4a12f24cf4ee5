package io.github.sparkmixtral.engine;

import static io.github.sparkmixtral.engine.Engines.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.engine.Completion.PromptValues;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PromptReadingTest {

    private static Request reading(String id, int[] prompt, PromptReading reading) {
        return Request.reading(id, id, prompt, Parameters.greedy(1), reading);
    }

    /** Log-probabilities of a prompt's tokens from {@code from} on, written without anything of the engine. */
    private static List<TokenLogprobs> scores(int[] prompt, int from, int alternatives) {
        List<TokenLogprobs> scores = new ArrayList<>();
        for (int position = from; position < prompt.length; position++) {
            float[] logits = new float[TinyTokenizer.SIZE];
            FakeBackend.pseudoRandom(Arrays.copyOf(prompt, position), logits, 0);
            double sum = 0;
            for (float logit : logits) {
                sum += Math.exp(logit);
            }
            double normalizer = Math.log(sum);
            int[] best = IntStream.range(0, logits.length)
                    .boxed()
                    .sorted((a, b) -> Float.compare(logits[b], logits[a]))
                    .limit(alternatives)
                    .mapToInt(Integer::intValue)
                    .toArray();
            float[] values = new float[alternatives];
            for (int i = 0; i < alternatives; i++) {
                values[i] = (float) (logits[best[i]] - normalizer);
            }
            scores.add(
                    new TokenLogprobs(prompt[position], (float) (logits[prompt[position]] - normalizer), best, values));
        }
        return scores;
    }

    private static void assertScores(PromptValues values, List<TokenLogprobs> expected) {
        assertThat(values.embedding()).isNull();
        assertThat(values.logprobs()).hasSameSizeAs(expected);
        for (int i = 0; i < expected.size(); i++) {
            TokenLogprobs actual = values.logprobs().get(i);
            assertThat(actual.tokenId()).isEqualTo(expected.get(i).tokenId());
            assertThat(actual.logprob()).isCloseTo(expected.get(i).logprob(), within(1e-5f));
            assertThat(actual.topTokenIds()).isEqualTo(expected.get(i).topTokenIds());
            assertThat(actual.topLogprobs()).containsExactly(expected.get(i).topLogprobs(), within(1e-5f));
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 0", "1, 5", "20, 2", "36, 1", "37, 0"})
    void scoresTokensOfAPrompt(int from, int alternatives) {
        int[] prompt = prompt(1, 37);
        FakeBackend backend = new FakeBackend(Size.AMPLE);
        Completion completion = Engines.run(
                        Engines.of(backend), List.of(reading("a", prompt, PromptReading.scores(from, alternatives))))
                .get("a");
        assertThat(completion.error()).isNull();
        assertThat(completion.outputs()).isEmpty();
        assertThat(completion.usage().promptTokens()).isEqualTo(37);
        assertThat(completion.usage().completionTokens()).isZero();
        assertScores(completion.prompt(), scores(prompt, from, alternatives));
        assertThat(backend.computedTokens())
                .as("the last token is not computed")
                .isEqualTo(36);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 16, 33})
    void scoresDoNotDependOnChunks(int tokensPerStep) {
        List<Request> requests = mixed(20);
        FakeBackend backend = new FakeBackend(Size.AMPLE.withMaxBatchTokens(tokensPerStep));
        assertMixed(requests, Engines.run(Engines.of(backend), requests));
    }

    @ParameterizedTest
    @ValueSource(ints = {14, 17, 23})
    void nothingIsReadTwiceOrLostByPreemption(int cacheBlocks) {
        List<Request> requests = mixed(30);
        Engine engine = Engines.of(new FakeBackend(Size.AMPLE.withCacheBlocks(cacheBlocks)));
        assertMixed(requests, Engines.run(engine, requests));
        assertThat(engine.scheduler().preemptions()).isPositive();
    }

    @Test
    void readsBesideAnswers() {
        List<Request> requests = mixed(60);
        assertMixed(requests, Engines.run(Engines.of(new TopBackend(new FakeBackend(Size.AMPLE))), requests));
    }

    @Test
    void scoresMoreTokensThanAStepHasRowsFor() {
        int[] first = prompt(5, 400);
        int[] second = prompt(6, 400);
        Map<String, Completion> completions = Engines.run(
                Engines.of(new FakeBackend(Size.AMPLE)),
                List.of(
                        reading("a", first, PromptReading.scores(1, 0)),
                        reading("b", second, PromptReading.scores(1, 0)),
                        Engines.request("c", prompt(7, 20), Parameters.greedy(3))));
        assertScores(completions.get("a").prompt(), scores(first, 1, 0));
        assertScores(completions.get("b").prompt(), scores(second, 1, 0));
    }

    @Test
    void continuationsOfOnePromptComputeItOnce() {
        int[] shared = prompt(99, 160);
        List<Request> requests = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            int[] prompt = Arrays.copyOf(shared, 163);
            System.arraycopy(prompt(i, 4), 1, prompt, 160, 3);
            requests.add(reading("r" + i, prompt, PromptReading.scores(160, 0)));
        }
        FakeBackend backend = new FakeBackend(Size.AMPLE);
        Map<String, Completion> completions = Engines.run(Engines.of(backend), requests);
        for (Request request : requests) {
            assertScores(completions.get(request.id()).prompt(), scores(request.promptTokens(), 160, 0));
        }
        // 159 is the last position of the prompt, whose logits are wanted: nine blocks of 16 are found.
        assertThat(backend.computedTokens()).isEqualTo(162 + 3 * (162 - 144));
    }

    @ParameterizedTest
    @EnumSource
    void embedsAPrompt(Pooling pooling) {
        int[] prompt = prompt(3, 50);
        Completion completion = Engines.run(
                        Engines.of(new FakeBackend(Size.AMPLE.withMaxBatchTokens(9))),
                        List.of(reading("a", prompt, PromptReading.embedding(pooling))))
                .get("a");
        assertThat(completion.outputs()).isEmpty();
        assertThat(completion.prompt().logprobs()).isEmpty();
        assertThat(completion.prompt().embedding()).isEqualTo(embedding(prompt, pooling));
    }

    /** By what a hidden state of the fake backend is. */
    private static float[] embedding(int[] prompt, Pooling pooling) {
        double tokens = 0;
        double sums = 0;
        double positions = 0;
        int first = pooling == Pooling.LAST ? prompt.length - 1 : 0;
        for (int position = first; position < prompt.length; position++) {
            tokens += prompt[position];
            sums += Arrays.stream(prompt, 0, position + 1).sum();
            positions += position;
        }
        int count = prompt.length - first;
        return new float[] {(float) (tokens / count), (float) (sums / count), (float) (positions / count)};
    }

    @Test
    void aPromptWithoutAnswerMayFillTheContext() {
        int[] longest = prompt(4, Size.AMPLE.maxPositions());
        Engine engine = Engines.of(new FakeBackend(Size.AMPLE));
        assertThat(Engines.run(engine, List.of(reading("a", longest, PromptReading.embedding(Pooling.MEAN))))
                        .get("a")
                        .error())
                .isNull();
        int[] longer = prompt(4, Size.AMPLE.maxPositions() + 1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> engine.add(reading("b", longer, PromptReading.embedding(Pooling.MEAN))))
                .withMessageContaining("513 tokens, which does not fit in a context of 512 tokens");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void logitsThatAreNoDistributionFailTheRequestAlone(boolean generates) {
        FakeBackend backend = new FakeBackend(Size.AMPLE, (history, logits, offset) -> {
            FakeBackend.pseudoRandom(history, logits, offset);
            if (history.length == 20) {
                logits[offset] = Float.NaN;
            }
        });
        PromptReading reading = generates ? PromptReading.beforeAnswer(0) : PromptReading.scores(1, 0);
        Map<String, Completion> completions = Engines.run(
                Engines.of(backend),
                List.of(
                        reading("long", prompt(1, 30), reading),
                        reading("short", prompt(2, 15), PromptReading.scores(1, 0))));
        assertThat(completions.get("long").error().code()).isEqualTo("invalid_logits");
        assertThat(completions.get("short").error()).isNull();
    }

    @Test
    void refusesWhatNothingPredicts() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PromptReading.scores(0, 0))
                .withMessageContaining("at least 1, not 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> reading("a", prompt(1, 5), PromptReading.scores(6, 0)))
                .withMessageContaining("scoredFrom is 6, but the prompt has 5 tokens");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> reading("a", prompt(1, 1), PromptReading.scores(1, 0)))
                .withMessageContaining("one token");
    }

    /** Requests of all kinds, some with prompts that begin alike. */
    private static List<Request> mixed(int count) {
        List<Request> requests = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String id = "r" + i;
            int[] prompt = prompt(i % 4 == 3 ? i - 1 : i, 5 + 7 * i % 90);
            requests.add(
                    switch (i % 5) {
                        case 0 -> reading(id, prompt, PromptReading.scores(1 + i % 4, i % 3));
                        case 1 -> reading(id, prompt, PromptReading.embedding(Pooling.MEAN));
                        case 2 -> reading(id, prompt, PromptReading.embedding(Pooling.LAST));
                        case 3 -> answered(id, prompt, PromptReading.beforeAnswer(2));
                        default -> answered(id, prompt, null);
                    });
        }
        return requests;
    }

    private static Request answered(String id, int[] prompt, PromptReading reading) {
        return new Request(
                id,
                id,
                prompt,
                Parameters.of(p -> {
                    p.maxTokens = 9;
                    p.n = 2;
                    p.temperature = 0.8;
                }),
                LeadingSpace.STRIP,
                null,
                "",
                Request.Ending.IMPLIED,
                reading);
    }

    private static void assertMixed(List<Request> requests, Map<String, Completion> completions) {
        Map<String, Completion> alone = Engines.runAlone(requests);
        for (Request request : requests) {
            Completion completion = completions.get(request.id());
            assertThat(Engines.essence(completion)).isEqualTo(Engines.essence(alone.get(request.id())));
            PromptReading reading = request.reading();
            int[] prompt = request.promptTokens();
            if (reading == null) {
                assertThat(completion.prompt()).isNull();
            } else if (reading.pooling() == null) {
                assertScores(completion.prompt(), scores(prompt, reading.scoredFrom(), reading.alternatives()));
            } else {
                assertThat(completion.prompt().embedding()).isEqualTo(embedding(prompt, reading.pooling()));
            }
        }
    }
}
