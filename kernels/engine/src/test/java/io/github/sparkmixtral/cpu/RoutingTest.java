package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class RoutingTest {

    @Test
    void takesTheLargestAndTheLowerOfEqualExperts() {
        Routing routing =
                route(2, new float[] {1, 3, 3, 2, 3}, new float[] {0, 0, 0, 0, 0}, new float[] {5, -1, 0, 9, 2});
        assertThat(expertsOf(routing, 0)).containsExactly(1, 2);
        assertThat(expertsOf(routing, 1)).containsExactly(0, 1);
        assertThat(expertsOf(routing, 2)).containsExactly(3, 0);
        assertThat(routing.weight(0, 0)).isEqualTo(0.5f);
        assertThat(routing.weight(2, 0)).isCloseTo((float) (1 / (1 + Math.exp(-4))), within(1e-7f));
        assertThat(routing.weight(2, 1)).isCloseTo((float) (1 / (1 + Math.exp(4))), within(1e-7f));
    }

    @Test
    void groupsTokensByExpertInTheirOrder() {
        Routing routing = route(1, new float[] {0, 1, 0}, new float[] {1, 0, 0}, new float[] {0, 2, 0});
        assertThat(new int[] {routing.start(0), routing.end(0), routing.end(1), routing.end(2)})
                .containsExactly(0, 1, 3, 3);
        assertThat(Arrays.copyOf(routing.tokens(), 3)).containsExactly(1, 0, 2);
        assertThat(new int[] {routing.entry(0, 0), routing.entry(1, 0), routing.entry(2, 0)})
                .containsExactly(1, 0, 2);
        assertThat(routing.weight(0, 0)).isEqualTo(1);
    }

    @Test
    void everyExpertCanBeTakenAndLargeLogitsDoNotOverflow() {
        Routing routing = route(3, new float[] {500, 1000, -1000});
        assertThat(expertsOf(routing, 0)).containsExactly(1, 0, 2);
        assertThat(new float[] {routing.weight(0, 0), routing.weight(0, 1), routing.weight(0, 2)})
                .containsExactly(1, 0, 0);
    }

    private static Routing route(int expertsPerToken, float[]... logits) {
        int experts = logits[0].length;
        Matrix matrix = Matrix.zeros(logits.length, experts);
        for (int row = 0; row < logits.length; row++) {
            System.arraycopy(logits[row], 0, matrix.data(), matrix.offset(row), experts);
        }
        Routing routing = new Routing(logits.length, experts, expertsPerToken);
        routing.route(matrix, logits.length);
        return routing;
    }

    /** Found again through the compressed rows. */
    private static int[] expertsOf(Routing routing, int token) {
        int[] experts = new int[token == -1 ? 0 : count(routing, token)];
        for (int choice = 0; choice < experts.length; choice++) {
            int entry = routing.entry(token, choice);
            assertThat(routing.tokens()[entry]).isEqualTo(token);
            int expert = 0;
            while (entry >= routing.end(expert)) {
                expert++;
            }
            experts[choice] = expert;
        }
        return experts;
    }

    private static int count(Routing routing, int token) {
        return (int) Arrays.stream(routing.tokens()).filter(t -> t == token).count();
    }
}
