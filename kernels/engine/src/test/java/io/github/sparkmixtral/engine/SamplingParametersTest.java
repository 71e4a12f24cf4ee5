package io.github.sparkmixtral.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SamplingParametersTest {

    static Stream<Arguments> refused() {
        return Stream.of(
                refused(p -> p.maxTokens = 0, "max_tokens must be at least 1, not 0"),
                refused(p -> p.minTokens = -1, "min_tokens must be in [0, max_tokens = 16], not -1"),
                refused(p -> p.minTokens = 17, "min_tokens must be in [0, max_tokens = 16], not 17"),
                refused(p -> p.temperature = -0.1, "temperature must be at least 0 and finite, not -0.1"),
                refused(p -> p.temperature = Double.NaN, "temperature must be at least 0 and finite, not NaN"),
                refused(
                        p -> p.temperature = Double.POSITIVE_INFINITY,
                        "temperature must be at least 0 and finite, not Infinity"),
                refused(p -> p.topP = 3, "top_p must be in (0, 1], not 3.0"),
                refused(p -> p.topP = 0, "top_p must be in (0, 1], not 0.0"),
                refused(p -> p.topP = Double.NaN, "top_p must be in (0, 1], not NaN"),
                refused(p -> p.topK = -2, "top_k must be at least -1, not -2"),
                refused(p -> p.minP = 1.5, "min_p must be in [0, 1], not 1.5"),
                refused(p -> p.repetitionPenalty = 0, "repetition_penalty must be in (0, 2], not 0.0"),
                refused(p -> p.repetitionPenalty = 2.5, "repetition_penalty must be in (0, 2], not 2.5"),
                refused(p -> p.presencePenalty = 2.5, "presence_penalty must be in [-2, 2], not 2.5"),
                refused(p -> p.frequencyPenalty = -3, "frequency_penalty must be in [-2, 2], not -3.0"),
                refused(p -> p.n = 0, "n must be in [1, 128], not 0"),
                refused(p -> p.n = 129, "n must be in [1, 128], not 129"),
                refused(p -> p.logprobs = 21, "logprobs must be in [0, 20], or -1 for none, not 21"),
                refused(p -> p.stop = List.of("a", ""), "stop must not contain an empty string"),
                refused(p -> p.stopTokenIds = List.of(-1), "stop_token_ids must be at least 0, not -1"),
                refused(p -> p.logitBias = Map.of(-1, 0.0), "logit_bias token id must be at least 0, not -1"),
                refused(
                        p -> p.logitBias = Map.of(7, 101.0),
                        "logit_bias of token 7 must be in [-100, 100], not 101.0"));
    }

    private static Arguments refused(Consumer<Parameters> change, String message) {
        return Arguments.of(change, message);
    }

    @ParameterizedTest
    @MethodSource("refused")
    void namesFieldValueAndRange(Consumer<Parameters> change, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Parameters.of(change))
                .withMessage(message);
    }

    @Test
    void takesTheEndsOfTheRanges() {
        SamplingParameters parameters = Parameters.of(p -> {
            p.maxTokens = 1;
            p.minTokens = 1;
            p.temperature = 0;
            p.topP = Double.MIN_VALUE;
            p.topK = -1;
            p.minP = 1;
            p.repetitionPenalty = 2;
            p.presencePenalty = -2;
            p.frequencyPenalty = 2;
            p.n = 128;
            p.logprobs = 20;
            p.logitBias = Map.of(0, -100.0);
        });
        assertThat(parameters.greedy()).isTrue();
        assertThat(SamplingParameters.DEFAULT.greedy()).isFalse();
    }
}
