package io.github.sparkmixtral.engine;

import static io.github.sparkmixtral.engine.Engines.essence;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.BlockPool.PrefixReuse;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * Random workloads on random, mostly too small engines: prompts that share prefixes, requests that come and go at any step.
 * Whatever happens, every request that is not cancelled is answered as if it were alone, and every block comes back.
 */
class EngineWorkloadTest {
    private static final int WORKLOADS = 400;

    @Test
    void everythingIsAnsweredAsIfItWereAlone() {
        long preemptions = 0;
        long cachedTokens = 0;
        for (long seed = 0; seed < WORKLOADS; seed++) {
            Workload workload = new Workload(new Random(seed));
            try {
                workload.run();
            } catch (AssertionError broken) {
                throw new AssertionError("workload of seed " + seed, broken);
            }
            preemptions += workload.engine.scheduler().preemptions();
            cachedTokens += workload.cachedTokens;
        }
        // The workloads are worth something only if they get into trouble.
        assertThat(preemptions).isGreaterThan(1000);
        assertThat(cachedTokens).isGreaterThan(10_000);
    }

    private static final class Workload {
        private final Random random;
        private final List<int[]> prefixes = new ArrayList<>();
        private final List<Request> requests = new ArrayList<>();
        private final Engine engine;
        private long cachedTokens;

        Workload(Random random) {
            this.random = random;
            Size size = new Size(1 + random.nextInt(12), 1 + random.nextInt(80), 8 + random.nextInt(25), 512);
            engine = Engines.of(new FakeBackend(size), random.nextInt(8) == 0 ? PrefixReuse.OFF : PrefixReuse.ON);
            for (int i = 0; i < 3; i++) {
                prefixes.add(randomTokens(random.nextInt(60)));
            }
            int count = 1 + random.nextInt(25);
            for (int i = 0; i < count; i++) {
                requests.add(Engines.request("r" + i, randomPrompt(), randomParameters()));
            }
        }

        private int[] randomPrompt() {
            int[] prefix = prefixes.get(random.nextInt(prefixes.size()));
            int[] own = randomTokens(1 + random.nextInt(40));
            return IntStream.concat(Arrays.stream(prefix), Arrays.stream(own)).toArray();
        }

        private int[] randomTokens(int count) {
            // Few different tokens, so that outputs and prompts run into each other's prefixes.
            return random.ints(count, 3, 5).toArray();
        }

        private SamplingParameters randomParameters() {
            return Parameters.of(p -> {
                p.maxTokens = 1 + random.nextInt(60);
                p.temperature = random.nextInt(2);
                p.seed = random.nextLong();
                p.n = random.nextInt(5) == 0 ? 1 + random.nextInt(4) : 1;
                p.ignoreEos = random.nextBoolean();
                p.topK = random.nextInt(3);
            });
        }

        void run() {
            Map<String, Completion> completions = new HashMap<>();
            Set<String> cancelled = new HashSet<>();
            int added = 0;
            int steps = 0;
            while (added < requests.size() || engine.hasWork()) {
                while (added < requests.size() && random.nextInt(3) > 0) {
                    engine.add(requests.get(added++));
                }
                if (added > 0 && random.nextInt(40) == 0) {
                    String id = "r" + random.nextInt(added);
                    engine.cancel(id);
                    cancelled.add(id);
                }
                engine.step()
                        .forEach(completion -> assertThat(completions.put(completion.id(), completion))
                                .isNull());
                Engines.checkInvariants(engine.scheduler());
                assertThat(++steps).as("steps").isLessThan(100_000);
            }
            BlockPool pool = engine.scheduler().pool();
            assertThat(pool.freeBlocks()).isEqualTo(pool.blocks());
            compare(completions, cancelled);
        }

        private void compare(Map<String, Completion> completions, Set<String> cancelled) {
            for (Request request : requests) {
                Completion actual = completions.get(request.id());
                if (actual == null) {
                    assertThat(cancelled).contains(request.id());
                    continue;
                }
                cachedTokens += actual.usage().cachedTokens();
                Completion alone = Engines.runAlone(List.of(request)).get(request.id());
                // The context ends where the small cache does.
                int room = engine.limits().maxModelLength() - request.promptTokens().length;
                if (request.parameters().maxTokens() <= room) {
                    assertThat(essence(actual)).isEqualTo(essence(alone));
                }
            }
        }
    }
}
