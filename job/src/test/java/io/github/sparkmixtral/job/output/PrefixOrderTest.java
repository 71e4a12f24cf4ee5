package io.github.sparkmixtral.job.output;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PrefixOrderTest {
    @Test
    void eachHandGoesOnWhereItIs() {
        assertThat(PrefixOrder.order(6, 2)).containsExactly(0, 3, 1, 4, 2, 5);
        assertThat(PrefixOrder.order(5, 2)).containsExactly(0, 3, 1, 4, 2);
        assertThat(PrefixOrder.order(3, 8)).containsExactly(0, 1, 2);
        assertThat(PrefixOrder.order(0, 2)).isEmpty();
    }

    @Test
    void everyPartitionIsDealtOnce() {
        for (int count = 1; count < 40; count++) {
            for (int hands = 1; hands < 12; hands++) {
                assertThat(PrefixOrder.order(count, hands))
                        .containsExactlyInAnyOrder(IntStream.range(0, count).toArray());
            }
        }
    }
}
