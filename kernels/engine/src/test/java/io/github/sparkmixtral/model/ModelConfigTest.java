package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** Rules that {@link HuggingFaceConfigTest} cannot break one at a time. */
class ModelConfigTest {

    @Test
    void takesTheLargestMixtral() {
        ModelConfig config = new ModelConfig(
                6144, 16384, 56, 48, 8, 128, 8, 2, 32768, 65536, 1e6, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
        assertThat(config.heads()).isEqualTo(48);
    }

    @Test
    void copiesTheEndTokens() {
        List<Integer> eos = new ArrayList<>(List.of(2));
        ModelConfig config = new ModelConfig(8, 8, 1, 1, 1, 8, 1, 1, 8, 8, 1e4, 0, 0, RopeLayout.NEIGHBOURS, 1, eos);
        eos.add(3);
        assertThat(config.eosTokenIds()).containsExactly(2);
    }

    @Test
    void refusesSizesWhoseProductsOverflow() {
        int most = Integer.MAX_VALUE;
        assertRefused(
                () -> sized(8, most, 1, 8, 1, 8),
                "the gate and up rows of one expert would have more than 2147483647 elements, which is too large");
        assertRefused(() -> sized(8, 8, most, 2, 1, 8), "queries of one token would have more than 2147483647");
        assertRefused(() -> sized(most, 8, 1, 2, 1, most), "the embedding would have more than 2305843009213693951");
        assertRefused(() -> sized(most, 8, most, 1, 1, 8), "the head dimension is 1, but must be even");
        assertRefused(() -> sized(most, 8, most / 2, 2, 1, 8), "a query matrix would have more than");
        assertRefused(
                () -> sized(most, 1 << 20, 1, 2, most, 8), "the matrices of a layer's experts would have more than");
    }

    @Test
    void refusesNoEndTokenAndANegativeWindow() {
        assertRefused(
                () -> new ModelConfig(8, 8, 1, 1, 1, 8, 1, 1, 8, 8, 1e4, 0, 0, RopeLayout.HALVES, 1, List.of()),
                "the list of EOS tokens is [], but must be at least one token");
        assertRefused(
                () -> new ModelConfig(8, 8, 1, 1, 1, 8, 1, 1, 8, 8, 1e4, 0, -1, RopeLayout.HALVES, 1, List.of(2)),
                "the sliding window is -1, but must be a number of tokens from 0");
    }

    private static ModelConfig sized(
            int hidden, int intermediate, int heads, int headDimension, int experts, int vocabulary) {
        return new ModelConfig(
                hidden,
                intermediate,
                1,
                heads,
                1,
                headDimension,
                experts,
                1,
                vocabulary,
                8,
                1e4,
                1e-5,
                0,
                RopeLayout.HALVES,
                1,
                List.of(2));
    }

    private static void assertRefused(ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(ModelException.class).hasMessageStartingWith(message);
    }
}
