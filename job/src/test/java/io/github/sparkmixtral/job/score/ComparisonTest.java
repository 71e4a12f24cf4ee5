package io.github.sparkmixtral.job.score;

import static io.github.sparkmixtral.job.SparkFixture.spark;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.job.options.Evaluation;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import io.github.sparkmixtral.job.score.Comparison.Difference;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;

class ComparisonTest {

    private static Dataset<Row> rows(String columns, String... values) {
        return spark().sql("select * from values " + String.join(", ", values) + " as t(" + columns + ")");
    }

    private static Evaluation evaluation(String expected, ExpectedMatch match) {
        return new Evaluation(
                Optional.ofNullable(expected), match, Optional.empty(), OptionalDouble.empty(), Optional.empty());
    }

    private static final Dataset<Row> BASELINE =
            rows("id, text", "('a', '1')", "('b', '2')", "('c', null)", "('d', '4')", "('e', '5')", "('old', '6')");

    private static final Dataset<Row> ANSWERS = rows(
            "id, text, label",
            "('a', '1', '1')",
            "('b', '3', '3')",
            "('c', '3', '4')",
            "('d', null, '4')",
            "('e', '5.0', null)",
            "('new', '9', '9')",
            "('newer', '9', '9')");

    @Test
    void rowsArePairedByTheirIds() {
        Evaluation evaluation = evaluation("label", ExpectedMatch.EXACT);
        Dataset<Row> pairs = Comparison.pairs(ANSWERS, BASELINE, "id", "text", evaluation);

        Comparison comparison = Comparison.of(pairs, "before", evaluation);

        assertThat(comparison)
                .isEqualTo(new Comparison(
                        "before", 5, 2, 1, 4, Optional.of(new Difference(ExpectedMatch.EXACT, 4, 1, 1, 0.5, 0.5))));
        assertThat(comparison.told())
                .containsExactly(
                        "Compared with before: 4 of 5 answers have changed; 2 rows are only in the output, 1 only in the"
                                + " baseline",
                        "Of 4 scored rows in both, 1 are better and 1 worse: the score is 0.5000 and was 0.5000; McNemar's"
                                + " exact test: p = 1.000");
        Dataset<Row> changed = Comparison.changed(pairs);
        assertThat(changed.columns())
                .containsExactly("custom_id", "answer", "expected", "baseline_answer", "baseline_score", "score");
        assertThat(changed.collectAsList().stream().map(Row::toString))
                .containsExactly(
                        "[b,3,3,2,0.0,1.0]",
                        "[c,3,4,null,0.0,0.0]",
                        "[d,null,4,4,1.0,0.0]",
                        "[e,5.0,null,5,null,null]");
    }

    @Test
    void withoutExpectedAnswersOnlyChangesAreCounted() {
        Evaluation evaluation = evaluation(null, ExpectedMatch.EXACT);
        Dataset<Row> pairs = Comparison.pairs(ANSWERS, BASELINE, "id", "text", evaluation);

        assertThat(Comparison.of(pairs, "before", evaluation))
                .isEqualTo(new Comparison("before", 5, 2, 1, 4, Optional.empty()));
        assertThat(Comparison.changed(pairs).columns()).containsExactly("custom_id", "answer", "baseline_answer");
    }

    @Test
    void scoresBetweenRightAndWrongAreJudgedByTheirSigns() {
        Dataset<Row> before = rows("id, text", "('a', 'x')", "('b', 'p q r')", "('c', 'z')");
        Dataset<Row> now = rows("id, text, label", "('a', 'x y', 'x y')", "('b', 'p q', 'p q')", "('c', 'z', 'z')");
        Evaluation evaluation = evaluation("label", ExpectedMatch.F1);

        Difference difference = Comparison.of(
                        Comparison.pairs(now, before, "id", "text", evaluation), "before", evaluation)
                .difference()
                .orElseThrow();

        assertThat(List.of(difference.rows(), difference.better(), difference.worse()))
                .containsExactly(3L, 2L, 0L);
        assertThat(difference.now()).isEqualTo(1);
        assertThat(difference.pValue()).isCloseTo(0.5, within(1e-12));
        assertThat(difference.test()).isEqualTo("sign test");
    }

    @Test
    void runsWithoutCommonRowsHaveNothingToCompare() {
        Evaluation evaluation = evaluation("label", ExpectedMatch.EXACT);
        Dataset<Row> other = rows("id, text", "('z', '1')");

        assertThat(Comparison.of(Comparison.pairs(ANSWERS, other, "id", "text", evaluation), "before", evaluation))
                .isEqualTo(new Comparison("before", 0, 7, 1, 0, Optional.empty()));
    }
}
