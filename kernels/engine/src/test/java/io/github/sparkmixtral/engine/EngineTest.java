package io.github.sparkmixtral.engine;

import static io.github.sparkmixtral.engine.Engines.essence;
import static io.github.sparkmixtral.engine.Engines.prompt;
import static io.github.sparkmixtral.engine.Engines.request;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.sparkmixtral.engine.BlockPool.PrefixReuse;
import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EngineTest {

    @Test
    void greedyIsTheLikeliestTokenOneAfterAnother() {
        int[] prompt = prompt(1, 37);
        Output output = runOne(new FakeBackend(Size.AMPLE), request("a", prompt, Parameters.greedy(40)));
        assertThat(output.tokenIds()).isEqualTo(greedily(prompt, 40));
        assertThat(output.text()).isEqualTo(TinyTokenizer.INSTANCE.decode(output.tokenIds()));
    }

    /** Written without anything of the engine. */
    private static int[] greedily(int[] prompt, int maxTokens) {
        int[] tokens = prompt.clone();
        float[] logits = new float[TinyTokenizer.SIZE];
        while (tokens.length < prompt.length + maxTokens) {
            FakeBackend.pseudoRandom(tokens, logits, 0);
            int best = 0;
            for (int id = 0; id < logits.length; id++) {
                best = logits[id] > logits[best] ? id : best;
            }
            tokens = Arrays.copyOf(tokens, tokens.length + 1);
            tokens[tokens.length - 1] = best;
            if (best == TinyTokenizer.EOS) {
                break;
            }
        }
        return Arrays.copyOfRange(tokens, prompt.length, tokens.length);
    }

    @Test
    void bestLogitsGiveWhatAllGive() {
        // Log-probabilities are close but not the same: the normalizer beside the best logits is a float.
        List<Request> requests = mixedRequests(60).stream()
                .filter(request -> request.parameters().logprobs() < 0)
                .toList();
        TopBackend backend = new TopBackend(new FakeBackend(Size.AMPLE.withMaxSequences(2)));
        assertSameAsAlone(Engines.run(Engines.of(backend), requests), requests);
        assertThat(backend.counts()).contains(0, 1, 20);
    }

    @ParameterizedTest
    @CsvSource({"0, 0, -1, 1", "0, 0, 20, 20", "1, 64, -1, 64", "1, 65, -1, 0", "1, 0, -1, 64"})
    void asksForAllLogitsOnlyWhereTheBestNeverServe(double temperature, int topK, int logprobs, int asked) {
        TopBackend backend = new TopBackend(new FakeBackend(Size.AMPLE));
        SamplingParameters parameters = Parameters.of(p -> {
            p.maxTokens = 3;
            p.ignoreEos = true;
            p.temperature = temperature;
            p.topK = topK;
            p.logprobs = logprobs;
        });
        Engines.run(Engines.of(backend), List.of(request("a", prompt(1, 9), parameters)));
        assertThat(backend.counts()).containsExactly(asked, asked, asked);
    }

    @Test
    void promptInFullBatchEqualsPromptAlone() {
        List<Request> requests = mixedRequests(60);
        FakeBackend backend = new FakeBackend(Size.AMPLE);
        assertSameAsAlone(Engines.run(Engines.of(backend), requests), requests);
        assertThat(backend.largestBatch()).isEqualTo(Size.AMPLE.maxSequences());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 16, 33})
    void promptInChunksEqualsPromptAsWhole(int tokensPerStep) {
        List<Request> requests = mixedRequests(12);
        FakeBackend backend = new FakeBackend(Size.AMPLE.withMaxBatchTokens(tokensPerStep));
        assertSameAsAlone(Engines.run(Engines.of(backend), requests), requests);
    }

    @ParameterizedTest
    @ValueSource(ints = {14, 17, 23})
    void preemptedEqualsUninterrupted(int cacheBlocks) {
        List<Request> requests = mixedRequests(30);
        Engine engine = Engines.of(new FakeBackend(Size.AMPLE.withCacheBlocks(cacheBlocks)));
        assertSameAsAlone(Engines.run(engine, requests), requests);
        assertThat(engine.scheduler().preemptions()).isPositive();
    }

    @Test
    void prefixReuseChangesNothingButTheWork() {
        List<Request> requests = new ArrayList<>();
        int[] shared = prompt(99, 70);
        for (int i = 0; i < 20; i++) {
            int[] own = prompt(i, 9 + i);
            int[] prompt = Arrays.copyOf(shared, shared.length + own.length);
            System.arraycopy(own, 0, prompt, shared.length, own.length);
            requests.add(request("r" + i, prompt, Parameters.greedy(12)));
        }
        FakeBackend with = new FakeBackend(Size.AMPLE);
        FakeBackend without = new FakeBackend(Size.AMPLE);
        Map<String, Completion> reused = Engines.run(Engines.of(with), requests);
        Map<String, Completion> computed = Engines.run(Engines.of(without, PrefixReuse.OFF), requests);
        for (Request request : requests) {
            assertThat(essence(reused.get(request.id()))).isEqualTo(essence(computed.get(request.id())));
            assertThat(computed.get(request.id()).usage().cachedTokens()).isZero();
            assertThat(reused.get(request.id()).usage().cachedTokens())
                    .isEqualTo(request.id().equals("r0") ? 0 : 64);
        }
        // The first computes the four full blocks they share; the others, which arrive in the same step, wait for it.
        assertThat(without.computedTokens() - with.computedTokens()).isEqualTo(19 * 64);
    }

    @Test
    void prefixIsFoundAgainAfterItsFirstRequestIsDone() {
        Engine engine = Engines.of(new FakeBackend(Size.AMPLE));
        int[] prompt = prompt(5, 64);
        Engines.run(engine, List.of(request("first", prompt, Parameters.greedy(4))));
        Completion second = Engines.run(engine, List.of(request("second", prompt, Parameters.greedy(1))))
                .get("second");
        // The block of the last token is computed again: its logits are wanted.
        assertThat(second.usage()).isEqualTo(new Completion.Usage(64, 1, 48));
    }

    @Test
    void generatedTokensArePartOfThePrefixOfTheNextTurn() {
        FakeBackend backend = new FakeBackend(Size.AMPLE);
        Engine engine = Engines.of(backend);
        int[] prompt = prompt(5, 20);
        SamplingParameters parameters = Parameters.of(p -> {
            p.maxTokens = 40;
            p.ignoreEos = true;
        });
        Output answer = Engines.run(engine, List.of(request("first", prompt, parameters)))
                .get("first")
                .outputs()
                .getFirst();
        int[] next = Arrays.copyOf(prompt, 60);
        System.arraycopy(answer.tokenIds(), 0, next, 20, 40);
        Completion second = Engines.run(engine, List.of(request("second", next, Parameters.greedy(1))))
                .get("second");
        assertThat(second.usage().cachedTokens()).isEqualTo(48);
    }

    @Test
    void samplesOfOnePromptShareItsFullBlocks() {
        FakeBackend backend = new FakeBackend(Size.AMPLE);
        SamplingParameters five = Parameters.of(p -> p.n = 5);
        Completion completion = Engines.run(Engines.of(backend), List.of(request("a", prompt(3, 100), five)))
                .get("a");
        assertThat(completion.outputs()).extracting(Output::index).containsExactly(0, 1, 2, 3, 4);
        assertThat(completion.outputs().stream().map(output -> Arrays.toString(output.tokenIds())))
                .doesNotHaveDuplicates();
        assertThat(completion.usage().promptTokens()).isEqualTo(100);
        assertThat(completion.usage().completionTokens())
                .isEqualTo(completion.outputs().stream()
                        .mapToInt(output -> output.tokenIds().length)
                        .sum());
        int decoded = completion.usage().completionTokens() - 5;
        assertThat(backend.computedTokens()).isEqualTo(100 + 4 * (100 - 96) + decoded);
    }

    @Test
    void firstOfManySamplesIsTheOnlyOneOfOne() {
        Request one = request("a", prompt(3, 30), Parameters.of(p -> {}));
        Request three = request("a", prompt(3, 30), Parameters.of(p -> p.n = 3));
        assertThat(runOne(new FakeBackend(Size.AMPLE), three).tokenIds())
                .isEqualTo(runOne(new FakeBackend(Size.AMPLE), one).tokenIds());
    }

    @Test
    void drawsDependOnSeedAndCustomIdOnly() {
        int[] prompt = prompt(8, 25);
        SamplingParameters seeded = Parameters.of(p -> p.seed = 7);
        int[] expected = runOne(new FakeBackend(Size.AMPLE), request("a", prompt, seeded))
                .tokenIds();
        Request sameRow = new Request(
                "other-id", "a", prompt, seeded, request("a", prompt, seeded).leadingSpace());
        Request otherRow = request("b", prompt, seeded);
        Request otherSeed = new Request("x", "a", prompt, Parameters.of(p -> p.seed = 8), sameRow.leadingSpace());
        Map<String, Completion> completions =
                Engines.run(Engines.of(new FakeBackend(Size.AMPLE)), List.of(otherRow, otherSeed, sameRow));
        assertThat(tokens(completions.get("other-id"))).isEqualTo(expected);
        assertThat(tokens(completions.get("b"))).isNotEqualTo(expected);
        assertThat(tokens(completions.get("x"))).isNotEqualTo(expected);
    }

    @Test
    void orderOfArrivalChangesNothing() {
        List<Request> requests = mixedRequests(25);
        List<Request> shuffled = new ArrayList<>(requests);
        Collections.shuffle(shuffled, new Random(4));
        Size size = Size.AMPLE.withMaxSequences(5).withCacheBlocks(40);
        assertSameAsAlone(Engines.run(Engines.of(new FakeBackend(size)), shuffled), requests);
    }

    @Test
    void cancelledRequestLeavesNothingAndTouchesNobody() {
        List<Request> requests = mixedRequests(20);
        Engine engine =
                Engines.of(new FakeBackend(Size.AMPLE.withMaxSequences(8).withCacheBlocks(40)));
        requests.forEach(engine::add);
        Map<String, Completion> completions = new HashMap<>();
        for (int step = 0; step < 3; step++) {
            engine.step().forEach(completion -> completions.put(completion.id(), completion));
        }
        List<String> cancelled = List.of("r2", "r3", "r5", "r19");
        cancelled.forEach(engine::cancel);
        engine.cancel("r2");
        engine.cancel("never there");
        Engines.checkInvariants(engine.scheduler());
        assertThat(completions).doesNotContainKeys(cancelled.toArray(String[]::new));
        while (engine.hasWork()) {
            engine.step().forEach(completion -> completions.put(completion.id(), completion));
        }
        List<Request> others =
                requests.stream().filter(r -> !cancelled.contains(r.id())).toList();
        assertSameAsAlone(completions, others);
        assertAllFree(engine);
    }

    @Test
    void siblingOfCancelledOwnerComputesThePrefixItself() {
        Engine engine = Engines.of(new FakeBackend(Size.AMPLE.withMaxBatchTokens(10)));
        int[] prompt = prompt(6, 60);
        engine.add(request("owner", prompt, Parameters.greedy(5)));
        Request waiting = request("waiting", prompt, Parameters.greedy(5));
        engine.add(waiting);
        engine.step();
        assertThat(engine.waiting()).isEqualTo(1);
        engine.cancel("owner");
        List<Completion> completions = new ArrayList<>();
        while (engine.hasWork()) {
            completions.addAll(engine.step());
        }
        assertThat(completions).hasSize(1);
        assertThat(essence(completions.getFirst()))
                .isEqualTo(essence(Engines.runAlone(List.of(waiting)).get("waiting")));
        assertAllFree(engine);
    }

    @Test
    void logitsThatAreNoNumbersFailTheirRequestOnly() {
        int[] bad = prompt(66, 20);
        FakeBackend.LanguageModel model = (history, logits, offset) -> {
            FakeBackend.pseudoRandom(history, logits, offset);
            if (history.length >= 22 && Arrays.equals(history, 0, 20, bad, 0, 20)) {
                logits[offset + 17] = Float.NaN;
            }
        };
        List<Request> requests = new ArrayList<>(mixedRequests(6));
        requests.add(3, request("bad", bad, Parameters.of(p -> {
            p.n = 3;
            p.minTokens = 5;
        })));
        Engine engine = Engines.of(new FakeBackend(Size.AMPLE, model));
        Map<String, Completion> completions = Engines.run(engine, requests);
        Completion failed = completions.remove("bad");
        assertThat(failed.outputs()).isEmpty();
        assertThat(failed.error().code()).isEqualTo("invalid_logits");
        assertThat(failed.error().message()).contains("not finite numbers");
        requests.remove(3);
        assertSameAsAlone(completions, requests);
        assertAllFree(engine);
    }

    @Test
    void stopsAtTheEndOfTheContext() {
        Engine engine = new Engine(new FakeBackend(Size.AMPLE), TinyTokenizer.INSTANCE, List.of(TinyTokenizer.EOS), 50);
        SamplingParameters many = Parameters.of(p -> {
            p.maxTokens = 1000;
            p.ignoreEos = true;
        });
        Output output = Engines.run(engine, List.of(request("a", prompt(1, 44), many)))
                .get("a")
                .outputs()
                .getFirst();
        assertThat(output.tokenIds()).hasSize(6);
        assertThat(output.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void contextIsWhatModelCacheAndCallerAllow() {
        assertThat(Engines.of(new FakeBackend(new Size(4, 64, 1000, 512)))
                        .limits()
                        .maxModelLength())
                .isEqualTo(512);
        assertThat(Engines.of(new FakeBackend(new Size(4, 64, 3, 512))).limits().maxModelLength())
                .isEqualTo(48);
    }

    @Test
    void sequenceThatFillsTheWholeCacheRuns() {
        Engine engine = Engines.of(new FakeBackend(new Size(4, 64, 3, 512)));
        SamplingParameters many = Parameters.of(p -> {
            p.maxTokens = 1000;
            p.ignoreEos = true;
        });
        List<Request> requests = List.of(request("a", prompt(1, 30), many), request("b", prompt(2, 47), many));
        Map<String, Completion> completions = Engines.run(engine, requests);
        assertThat(tokens(completions.get("a"))).hasSize(18);
        assertThat(tokens(completions.get("b"))).hasSize(1);
    }

    @Test
    void refusesWhatCanNeverRun() {
        Engine engine = Engines.of(new FakeBackend(new Size(4, 64, 3, 512)));
        SamplingParameters greedy = Parameters.greedy(4);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> engine.add(request("a", prompt(1, 48), greedy)))
                .withMessage("the prompt has 48 tokens, which leaves no room for an answer in a context of 48 tokens");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> engine.add(request("a", new int[0], greedy)))
                .withMessage("the prompt has no tokens");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> engine.add(request("a", new int[] {1, 320}, greedy)))
                .withMessage("prompt: token 320 is not in the model's vocabulary of 320 tokens");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        engine.add(request("a", new int[] {1}, Parameters.of(p -> p.logitBias = Map.of(4000, 1.0)))))
                .withMessage("logit_bias: token 4000 is not in the model's vocabulary of 320 tokens");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        engine.add(request("a", new int[] {1}, Parameters.of(p -> p.stopTokenIds = List.of(321)))))
                .withMessage("stop_token_ids: token 321 is not in the model's vocabulary of 320 tokens");
        assertThat(engine.hasWork()).isFalse();
        engine.add(request("a", prompt(1, 4), greedy));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> engine.add(request("a", prompt(2, 4), greedy)))
                .withMessage("a request with the id 'a' is already there");
    }

    @Test
    void stepWithoutWorkDoesNothing() {
        Engine engine = Engines.of(new FakeBackend(Size.AMPLE));
        assertThat(engine.hasWork()).isFalse();
        assertThat(engine.step()).isEmpty();
    }

    /** Prompts of many lengths with all kinds of parameters. */
    static List<Request> mixedRequests(int count) {
        List<Request> requests = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int kind = i;
            SamplingParameters parameters = Parameters.of(p -> {
                p.maxTokens = 1 + (kind * 7) % 60;
                p.temperature = kind % 3 == 0 ? 0 : 0.8;
                p.topP = kind % 4 == 0 ? 0.9 : 1;
                p.topK = kind % 5 == 0 ? 20 : 0;
                p.n = kind % 7 == 0 ? 3 : 1;
                p.logprobs = kind % 6 == 0 ? 2 : -1;
                p.repetitionPenalty = kind % 8 == 0 ? 1.2 : 1;
                p.ignoreEos = kind % 2 == 0;
                p.stop = kind % 9 == 0 ? List.of("a", " B") : List.of();
            });
            requests.add(request("r" + i, prompt(i % 11, 1 + (i * 13) % 90), parameters));
        }
        return requests;
    }

    private static void assertSameAsAlone(Map<String, Completion> actual, List<Request> requests) {
        Map<String, Completion> alone = Engines.runAlone(requests);
        assertThat(actual).hasSameSizeAs(requests);
        requests.forEach(
                request -> assertThat(essence(actual.get(request.id()))).isEqualTo(essence(alone.get(request.id()))));
    }

    @Test
    void countsWhatItComputesAndWhatItHolds() {
        Engine engine = Engines.of(new FakeBackend(Size.AMPLE.withCacheBlocks(100)));
        assertThat(engine.counters().blocks()).isEqualTo(100);
        assertThat(engine.counters().maxSequences()).isEqualTo(Size.AMPLE.maxSequences());
        int[] prompt = prompt(3, 40);
        engine.add(request("first", prompt, Parameters.greedy(4)));
        engine.step();
        EngineCounters running = engine.counters();
        assertThat(running.running()).isEqualTo(1);
        assertThat(running.usedBlocks()).isEqualTo(3);
        assertThat(running.promptTokens()).isEqualTo(40);
        assertThat(running.generatedTokens()).isEqualTo(1);
        while (engine.hasWork()) {
            engine.step();
        }
        int generated = (int) engine.counters().generatedTokens();
        // Two of its blocks are full, and found again.
        Engines.run(engine, List.of(request("second", prompt, Parameters.greedy(4))));
        EngineCounters counters = engine.counters();
        assertThat(counters.promptTokens()).isEqualTo(40 + 8);
        assertThat(counters.generatedTokens()).isEqualTo(2L * generated);
        assertThat(counters.usedBlocks()).isZero();
        assertThat(counters.times().promptTokens()).isEqualTo(48);
        assertThat(counters.times().generatedTokens()).isEqualTo(2L * generated);
        assertThat(counters.times().seconds()).isPositive();
        assertThat(counters.at()).isBetween(running.at(), System.nanoTime());
    }

    private static void assertAllFree(Engine engine) {
        BlockPool pool = engine.scheduler().pool();
        assertThat(pool.freeBlocks()).isEqualTo(pool.blocks());
        assertThat(engine.running()).isZero();
        assertThat(engine.waiting()).isZero();
    }

    private static Output runOne(Backend backend, Request request) {
        return Engines.run(Engines.of(backend), List.of(request))
                .get(request.id())
                .outputs()
                .getFirst();
    }

    private static int[] tokens(Completion completion) {
        return completion.outputs().getFirst().tokenIds();
    }
}
