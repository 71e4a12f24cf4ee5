package io.github.sparkmixtral.engine;

import static io.github.sparkmixtral.engine.Engines.essence;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.engine.BlockPool.PrefixReuse;
import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The engine over the real CPU backend: tokens and log-probabilities are the same, bit for bit, whatever runs beside them. */
class CpuEngineTest {
    /** Bytes of one block of {@link RandomModel#config}: keys and values of 2 layers, 2 heads of 10, 16 tokens, in floats. */
    private static final long BLOCK_BYTES = 2L * 2 * 2 * 10 * 16 * 4;

    private static final BackendOptions AMPLE = new BackendOptions(16, 512, 400 * BLOCK_BYTES, 2);

    private static Model model;
    private static List<Request> requests;
    private static Map<String, Completion> alone;

    @BeforeAll
    static void runEveryRequestAlone() {
        ModelConfig config = RandomModel.config(0, RopeLayout.HALVES);
        model = RandomModel.of(config, TensorType.F32, 7);
        Random random = new Random(1);
        int[] shared = random.ints(40, 3, config.vocabularySize()).toArray();
        requests = new ArrayList<>();
        for (int i = 0; i < 14; i++) {
            int[] own = random.ints(1 + random.nextInt(60), 3, config.vocabularySize())
                    .toArray();
            int[] prompt = i % 2 == 0
                    ? own
                    : IntStream.concat(Arrays.stream(shared), Arrays.stream(own))
                            .toArray();
            int kind = i;
            requests.add(Engines.request("r" + i, prompt, Parameters.of(p -> {
                p.maxTokens = 24;
                p.temperature = kind % 3 == 0 ? 0 : 0.9;
                p.topK = kind % 3 == 1 ? 4 * kind : 0;
                p.topP = kind % 2 == 0 ? 1 : 0.8;
                p.minP = kind == 7 ? 0.05 : 0;
                p.logprobs = 3;
                p.n = kind == 5 ? 3 : 1;
            })));
        }
        alone = new HashMap<>();
        for (Request request : requests) {
            alone.putAll(run(AMPLE, PrefixReuse.OFF, List.of(request)));
        }
    }

    @AfterAll
    static void closeModel() {
        model.close();
    }

    @Test
    void aloneEqualsInAFullBatch() {
        assertSameAsAlone(run(AMPLE, PrefixReuse.OFF, requests));
    }

    @Test
    void reusedPrefixEqualsComputed() {
        Map<String, Completion> completions = run(AMPLE, PrefixReuse.ON, requests);
        assertSameAsAlone(completions);
        assertThat(completions.get("r3").usage().cachedTokens()).isEqualTo(32);
    }

    @Test
    void chunkedEqualsWhole() {
        assertSameAsAlone(run(new BackendOptions(16, 11, 400 * BLOCK_BYTES, 2), PrefixReuse.ON, requests));
    }

    @Test
    void preemptedEqualsUninterrupted() {
        try (Backend backend = open(new BackendOptions(16, 64, 12 * BLOCK_BYTES, 2))) {
            assertThat(backend.cacheBlocks()).isLessThan(20);
            Engine engine = Engines.of(backend);
            assertSameAsAlone(Engines.run(engine, requests));
            assertThat(engine.scheduler().preemptions()).isPositive();
        }
    }

    @Test
    void bestLogitsGiveTheTokensThatAllGive() {
        List<Request> served = IntStream.range(0, requests.size())
                .filter(i -> i % 3 != 2)
                .mapToObj(requests::get)
                .toList();
        try (TopBackend backend = new TopBackend(open(AMPLE))) {
            Map<String, Completion> completions = Engines.run(Engines.of(backend), served);
            assertThat(backend.counts()).doesNotContain(0).contains(52);
            for (Request request : served) {
                assertClose(completions.get(request.id()), alone.get(request.id()));
            }
        }
    }

    private static void assertClose(Completion actual, Completion expected) {
        assertThat(actual.outputs()).hasSameSizeAs(expected.outputs());
        for (int i = 0; i < expected.outputs().size(); i++) {
            Output output = actual.outputs().get(i);
            Output other = expected.outputs().get(i);
            assertThat(output.tokenIds()).isEqualTo(other.tokenIds());
            assertThat(output.text()).isEqualTo(other.text());
            for (int token = 0; token < output.tokenIds().length; token++) {
                TokenLogprobs logprobs = output.logprobs().get(token);
                TokenLogprobs others = other.logprobs().get(token);
                assertThat(logprobs.logprob()).isCloseTo(others.logprob(), within(2e-6f));
                assertThat(logprobs.topTokenIds()).isEqualTo(others.topTokenIds());
                assertThat(logprobs.topLogprobs()).containsExactly(others.topLogprobs(), within(2e-6f));
            }
        }
    }

    private static Map<String, Completion> run(BackendOptions options, PrefixReuse reuse, List<Request> requests) {
        try (Backend backend = open(options)) {
            return Engines.run(Engines.of(backend, reuse), requests);
        }
    }

    private static Backend open(BackendOptions options) {
        return Backends.find("cpu").open(model, options);
    }

    private static void assertSameAsAlone(Map<String, Completion> completions) {
        assertThat(completions).hasSameSizeAs(requests);
        requests.forEach(request ->
                assertThat(essence(completions.get(request.id()))).isEqualTo(essence(alone.get(request.id()))));
    }
}
