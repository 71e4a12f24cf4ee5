package io.github.sparkmixtral.job.score;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import io.github.sparkmixtral.job.score.Score.Share;
import java.io.IOException;
import java.io.InputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Against scipy, statsmodels and SQuAD's definition: {@code src/test/golden/score.py}. */
class ScoreGoldenTest {
    private static JsonNode golden;

    @BeforeAll
    static void read() throws IOException {
        try (InputStream in = ScoreGoldenTest.class.getResourceAsStream("/golden/score.json")) {
            golden = new ObjectMapper().readTree(in);
        }
    }

    @Test
    void intervalsOfProportionsAreWilsons() {
        assertThat(golden.path("wilson")).hasSizeGreaterThan(20).allSatisfy(node -> {
            long successes = node.path("successes").asLong();
            long trials = node.path("trials").asLong();
            Share share = new Share(null, trials, successes, 0);
            assertInterval(share.interval(ExpectedMatch.EXACT).orElseThrow(), node);
        });
    }

    @Test
    void intervalsOfMeansAreNormal() {
        assertThat(golden.path("normal")).hasSize(3).allSatisfy(node -> {
            double sum = 0;
            for (JsonNode score : node.path("scores")) {
                sum += score.asDouble();
            }
            int n = node.path("scores").size();
            double squares = 0;
            for (JsonNode score : node.path("scores")) {
                squares += Math.pow(score.asDouble() - sum / n, 2);
            }
            Share share = new Share(null, n, sum, Math.sqrt(squares / (n - 1)));
            assertInterval(share.interval(ExpectedMatch.F1).orElseThrow(), node);
        });
    }

    private static void assertInterval(Interval interval, JsonNode node) {
        assertThat(interval.low()).as("%s", node).isCloseTo(node.path("low").asDouble(), within(1e-12));
        assertThat(interval.high()).as("%s", node).isCloseTo(node.path("high").asDouble(), within(1e-12));
    }

    @Test
    void unevenPairsAreJudgedAsMcNemarsExactTestDoes() {
        assertThat(golden.path("sign")).hasSize(10).allSatisfy(node -> {
            double p = node.path("p").asDouble();
            assertThat(SignTest.pValue(
                            node.path("better").asLong(), node.path("worse").asLong()))
                    .as("%s", node)
                    .isCloseTo(p, within(1e-9 * p));
        });
    }

    @Test
    void wordsInCommonAreCountedAsSquadDoes() {
        assertThat(golden.path("f1"))
                .hasSizeGreaterThan(500)
                .allSatisfy(node -> assertThat(Expected.of(
                                        ExpectedMatch.F1, node.path("expected").asText())
                                .applyAsDouble(node.path("answer").asText()))
                        .as("%s", node)
                        .isCloseTo(node.path("f1").asDouble(), within(1e-12)));
    }
}
