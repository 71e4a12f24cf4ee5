package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JobTest {

    @Test
    void promptsFollowTheFormula() {
        assertThat(Prompts.tokens(3, 4, 1, 32000)).containsExactly(1, 17300, 25219, 1397);
    }

    @Test
    void promptsAreDistinctButForASharedPrefix() {
        int[] first = Prompts.withPrefix(0, 40, 10, 1, 32000);
        int[] second = Prompts.withPrefix(1, 40, 10, 1, 32000);
        assertThat(second).startsWith(Arrays.copyOf(first, 10));
        for (int i = 10; i < 40; i++) {
            assertThat(second[i]).isNotEqualTo(first[i]);
        }
    }

    /** With a shared prefix every prompt but the first, which computes it, is taken in from where the prefix's whole blocks end. */
    @ParameterizedTest
    @CsvSource({"0, 120", "40, 56"})
    void runsEveryPromptToItsLastToken(int sharedPrefix, int promptTokensComputed) {
        try (Model model = SyntheticModel.of(SyntheticModel.tiny(1), TensorType.Q8_0, 3);
                CountingBackend backend = new CountingBackend(
                        Backends.find("cpu").open(model, new BackendOptions(64, 256, 4 << 20, 1)))) {
            Job job = Job.parse("3x40x5", sharedPrefix);
            assertThat(job.run(backend, model)).isPositive();
            assertThat(backend.tokens).isEqualTo(promptTokensComputed + 3 * 4);
            // The next run knows nothing of this one.
            job.drawn(0.8, 0.9).run(backend, model);
            assertThat(backend.tokens).isEqualTo(2 * (promptTokensComputed + 3 * 4));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"32x128", "32x128x0", "axbxc", "32X128X64", "-1x2x3"})
    void refusesOtherSizes(String size) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Job.parse(size, 0))
                .withMessage("--job must be PROMPTSxINxOUT, such as 32x128x64, not '" + size + "'");
    }

    @Test
    void refusesAPrefixLongerThanThePrompts() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Job.parse("2x8x1", 9))
                .withMessage("--shared-prefix must be in [0, 8], the prompts' length, not 9");
    }

    @Test
    void refusesDrawsThatCannotBe() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Job.parse("2x8x1", 0).drawn(0.8, 1.5))
                .withMessage("top_p must be in (0, 1], not 1.5");
    }

    @Test
    void tellsHowTokensAreDrawn() {
        Job job = Job.parse("4x6x2", 0).drawn(0.8, 0.95);
        assertThat(Job.Result.of(job, 1, List.of(1.0)).line())
                .startsWith("| 4 x (6 in + 2 out), temperature 0.8, top_p 0.95, threads 1 |");
    }

    @Test
    void tellsTokensPerSecond() {
        Job.Result result = Job.Result.of(Job.parse("4x6x2", 3), 0, List.of(2.0, 4.0, 1.0));
        assertThat(result.line())
                .isEqualTo("| 4 x (6 in + 2 out), first 3 shared | 4.0 (2.0 to 8.0) | 16.0 (8.0 to 32.0) |");
    }

    /** Counts the tokens that are computed. */
    private static final class CountingBackend implements Backend {
        private final Backend backend;
        private int tokens;

        CountingBackend(Backend backend) {
            this.backend = backend;
        }

        @Override
        public float[] forward(Batch batch) {
            tokens += batch.tokens().length;
            return backend.forward(batch);
        }

        @Override
        public String name() {
            return backend.name();
        }

        @Override
        public int vocabularySize() {
            return backend.vocabularySize();
        }

        @Override
        public int maxPositions() {
            return backend.maxPositions();
        }

        @Override
        public int blockSize() {
            return backend.blockSize();
        }

        @Override
        public int cacheBlocks() {
            return backend.cacheBlocks();
        }

        @Override
        public int maxBatchTokens() {
            return backend.maxBatchTokens();
        }

        @Override
        public int maxSequences() {
            return backend.maxSequences();
        }

        @Override
        public int hiddenSize() {
            return backend.hiddenSize();
        }

        @Override
        public float[] hidden() {
            return backend.hidden();
        }

        @Override
        public void close() {
            backend.close();
        }
    }
}
