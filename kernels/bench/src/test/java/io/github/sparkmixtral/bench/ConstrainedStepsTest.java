package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import io.github.sparkmixtral.bench.ConstrainedSteps.Held;
import io.github.sparkmixtral.bench.ConstrainedSteps.Round;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ConstrainedStepsTest {
    private static final int ROWS = 6;

    @ParameterizedTest
    @EnumSource(Held.class)
    void everyStepThatCountsHasAllRows(Held held) {
        ConstrainedSteps steps =
                new ConstrainedSteps(new FakeBackend(FakeBackend.Size.AMPLE), TinyTokenizer.INSTANCE, ROWS, 16);
        for (double temperature : new double[] {0, 1}) {
            Round round = steps.run(held, temperature);
            if (held == Held.NOTHING) {
                assertThat(round.tokens()).isEqualTo(ROWS);
            } else {
                assertThat(round.tokens()).isGreaterThanOrEqualTo(ROWS);
            }
            assertThat(round.host()).isPositive();
            assertThat(round.step()).isPositive();
        }
    }

    @Test
    void theSchemaHasAsManyPropertiesAsAreAskedFor() {
        assertThat(ConstraintExample.wide(50).text()).contains("\"field_49\"").doesNotContain("field_50");
        assertThatCode(() -> ConstraintExample.wide(50).check()).doesNotThrowAnyException();
    }
}
