package io.github.sparkmixtral.job.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class SecondsHistogramTest {
    @Test
    void quantilesAreRightToFivePercent() {
        SecondsHistogram one = new SecondsHistogram();
        SecondsHistogram two = new SecondsHistogram();
        assertThat(one.isZero()).isTrue();
        assertThat(one.quantile(0.5)).isZero();
        for (int i = 1; i <= 1000; i++) {
            (i % 2 == 0 ? one : two).add(i / 100.0);
        }
        one.merge(two);
        assertThat(one.quantile(0.5)).isCloseTo(5, within(0.25));
        assertThat(one.quantile(0.95)).isCloseTo(9.5, within(0.5));
        assertThat(one.copy().value()).isEqualTo(one.value());
        one.reset();
        assertThat(one.isZero()).isTrue();
    }

    @Test
    void extremeTimesHaveAClass() {
        SecondsHistogram histogram = new SecondsHistogram();
        histogram.add(0.0);
        histogram.add(1e9);
        assertThat(histogram.quantile(0.5)).isLessThan(0.0011);
        assertThat(histogram.quantile(1)).isGreaterThan(86_400);
    }
}
