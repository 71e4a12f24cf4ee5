package io.github.sparkmixtral.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.engine.StepTimes.Cost;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StepTimesTest {
    /** Steps that cost 1 ms for each prompt token and 20 ms for each generated one. */
    private static StepTimes steps(long seed, int count) {
        Random random = new Random(seed);
        StepTimes times = StepTimes.NONE;
        for (int i = 0; i < count; i++) {
            int prompt = i % 3 == 0 ? random.nextInt(500) : 0;
            int generated = random.nextInt(64);
            times = times.plus(prompt, generated, 0.001 * prompt + 0.02 * generated);
        }
        return times;
    }

    @Test
    void costsAreFitted() {
        Cost cost = steps(1, 200).cost();
        assertThat(cost.promptToken()).isCloseTo(0.001, within(1e-9));
        assertThat(cost.generatedToken()).isCloseTo(0.02, within(1e-9));
    }

    @Test
    void sumsAreTakenApartAndPutTogether() {
        StepTimes first = steps(1, 50);
        StepTimes both = first.plus(steps(2, 70));
        assertThat(both.minus(first).seconds()).isCloseTo(steps(2, 70).seconds(), within(1e-9));
        assertThat(both.minus(first).cost().generatedToken()).isCloseTo(0.02, within(1e-9));
    }

    @Test
    void stepsThatAreAllAlikeDoNotTellTokensApart() {
        StepTimes alike = StepTimes.NONE.plus(30, 10, 2).plus(30, 10, 2);
        assertThat(alike.cost()).isEqualTo(new Cost(0.05, 0.05));
        StepTimes reading = StepTimes.NONE.plus(100, 0, 1).plus(300, 0, 3);
        assertThat(reading.cost().promptToken()).isCloseTo(0.01, within(1e-9));
        assertThat(StepTimes.NONE.cost()).isEqualTo(new Cost(0, 0));
    }

    /** A first step that takes long for other reasons must not make the other kind of token cost less than nothing. */
    @Test
    void noTokenCostsLessThanNothing() {
        StepTimes slowStart = StepTimes.NONE.plus(1000, 10, 0.1).plus(0, 60, 6).plus(500, 60, 1);
        assertThat(slowStart.cost().promptToken()).isPositive();
        assertThat(slowStart.cost().generatedToken()).isPositive();
    }
}
