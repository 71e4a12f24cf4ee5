package io.github.sparkmixtral.job.score;

import static io.github.sparkmixtral.job.SparkFixture.spark;
import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.options.Evaluation;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import io.github.sparkmixtral.job.score.Score.Share;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

class ScoreTest {
    private static final StructType COLUMNS = new StructType()
            .add("the `label`", DataTypes.StringType)
            .add("generated_text", DataTypes.StringType)
            .add("kind", DataTypes.StringType)
            .add("number", DataTypes.IntegerType);

    private static Dataset<Row> answers(Row... rows) {
        return spark().createDataFrame(List.of(rows), COLUMNS);
    }

    private static Row row(String expected, String answer, String kind) {
        return RowFactory.create(expected, answer, kind, 7);
    }

    private static Score score(Row... rows) {
        return score(answers(rows), "the `label`", ExpectedMatch.EXACT, "kind");
    }

    private static Score score(Dataset<Row> answers, String expected, ExpectedMatch match, String by) {
        Evaluation evaluation = new Evaluation(
                Optional.of(expected), match, Optional.ofNullable(by), OptionalDouble.empty(), Optional.empty());
        return Score.of(answers, col("generated_text").as("id"), col("generated_text"), evaluation);
    }

    /** Of a column that SQL makes, and answers beside it. */
    private static Score scoreOfSql(ExpectedMatch match, String... expectedAndAnswer) {
        String values = String.join(", ", expectedAndAnswer);
        return score(
                spark().sql("select * from values " + values + " as t(expected, generated_text)"),
                "expected",
                match,
                null);
    }

    private static void assertShare(Share share, String value, long rows, double sum) {
        assertThat(share.value()).isEqualTo(value);
        assertThat(share.rows()).isEqualTo(rows);
        assertThat(share.sum()).isCloseTo(sum, within(1e-12));
    }

    @Test
    void countsTheAnswersThatAreTheExpectedOnesByGroupAndInAll() {
        Score score = score(
                row("yes", "yes", "b"),
                row("yes", "Yes", "b"),
                row("no", "yes", "b"),
                row("12", "12", "a"),
                row("a b", "a  b", "a"),
                row("x", "x", null));

        assertShare(score.total(), null, 6, 3);
        assertThat(score.groups()).hasSize(3);
        assertShare(score.groups().get(0), "a", 2, 1);
        assertShare(score.groups().get(1), "b", 3, 1);
        assertShare(score.groups().get(2), null, 1, 1);
        assertThat(score.groups().getFirst().mean()).isEqualTo(0.5);
    }

    @Test
    void rowsWithoutAnAnswerMissAndRowsWithoutALabelDoNotCount() {
        Score score = score(row("yes", null, "a"), row(null, "yes", "a"), row(null, null, "b"));

        assertShare(score.total(), null, 1, 0);
        assertThat(score.groups()).hasSize(1);
        assertThat(score.unlabelled()).isEqualTo(2);
        assertThat(score.faulty()).isZero();
    }

    @Test
    void nothingLabelledScoresNothing() {
        Score score = score(row(null, "yes", "a"));

        assertShare(score.total(), null, 0, 0);
        assertThat(score.total().mean()).isZero();
        assertThat(score.total().interval(ExpectedMatch.EXACT)).isEmpty();
        assertThat(score.groups()).isEmpty();
    }

    @Test
    void labelThatCannotBeComparedIsNamedAndNotScored() {
        Dataset<Row> answers = answers(
                row("(b", "x2", "a"),
                row("(a", "x1", "a"),
                row("x", "x3", "a"),
                row("(a", null, "a"),
                row("y", "x4", "b"));

        Score score = score(answers, "the `label`", ExpectedMatch.REGEX, "kind");

        assertShare(score.total(), null, 2, 1);
        assertThat(score.faulty()).isEqualTo(3);
        assertThat(score.unlabelled()).isZero();
        assertThat(score.note().orElseThrow())
                .startsWith("3 rows have no score, for their expected answer cannot be compared; ")
                .endsWith(": the expected answer '(a' is no regular expression: Unclosed group near index 2");
    }

    @Test
    void numbersAreComparedAndGroupedAsText() {
        Dataset<Row> answers = answers(row("x", "7", "a"), row("x", "7.0", "a"));

        assertShare(
                score(answers, "number", ExpectedMatch.EXACT, "number").groups().getFirst(), "7", 2, 1);
        assertShare(score(answers, "number", ExpectedMatch.NUMBER, null).total(), null, 2, 2);
    }

    @Test
    void bestOfTheAcceptedAnswersCounts() {
        Score arrays = scoreOfSql(
                ExpectedMatch.EXACT,
                "(array('yes', 'y', null), 'y')",
                "(array('yes'), 'no')",
                "(array(), 'x')",
                "(null, 'x')");
        Score squad = scoreOfSql(
                ExpectedMatch.F1,
                "(named_struct('text', array('the river Rhine', 'Elbe'), 'answer_start', array(3, 9)), 'Rhine!')",
                "(named_struct('text', array('Po'), 'answer_start', array(1)), 'Rhone')");
        Score structs = scoreOfSql(
                ExpectedMatch.CONTAINS, "(array(named_struct('text', 'Rhine'), named_struct('text', 'Po')), 'the Po')");

        assertShare(arrays.total(), null, 2, 1);
        assertThat(arrays.unlabelled()).isEqualTo(2);
        assertShare(squad.total(), null, 2, 2.0 / 3);
        assertShare(structs.total(), null, 1, 1);
    }

    @Test
    void jsonIsComparedWithColumnsOfEachType() {
        assertShare(
                scoreOfSql(ExpectedMatch.JSON, "(named_struct('a', 1, 'b', null), '{\"b\": null, \"a\": 1.0}')")
                        .total(),
                null,
                1,
                1);
        assertShare(
                scoreOfSql(ExpectedMatch.JSON, "(array('x', 'y'), '[\"x\", \"y\"]')", "(array('x', 'y'), '\"x\"')")
                        .total(),
                null,
                2,
                1);
        assertShare(
                scoreOfSql(ExpectedMatch.JSON, "(map('k', true), 'so {\"k\": true}')")
                        .total(),
                null,
                1,
                1);
        assertShare(scoreOfSql(ExpectedMatch.JSON, "(2.5D, '2.50')").total(), null, 1, 1);
        Score texts = scoreOfSql(ExpectedMatch.JSON, "('{\"a\": 1}', '{\"a\":1}')", "('plain', 'plain')");
        assertShare(texts.total(), null, 1, 1);
        assertThat(texts.fault()).contains("plain: the expected answer 'plain' is no JSON value");
    }

    @Test
    void ofManyGroupsTheLargestAreKeptAndAllAreInTheTotal() {
        int many = Score.MOST_GROUPS + 5;
        Row[] rows = IntStream.range(0, 2 * many)
                .mapToObj(i -> row("x", "x", i < many ? "z" : "%05d".formatted(i)))
                .toArray(Row[]::new);

        Score score = score(rows);

        assertShare(score.total(), null, 2L * many, 2 * many);
        assertThat(score.groups()).hasSize(Score.MOST_GROUPS);
        assertShare(score.groups().getLast(), "z", many, many);
    }

    @Test
    void manifestHasTheIntervalsAndOfF1NoCount() {
        ObjectNode node = JsonNodeFactory.instance.objectNode();

        scoreOfSql(ExpectedMatch.F1, "('a b', 'b')", "('c', 'd')").write(node);

        assertThat(node.path("interval_95").path(0).asDouble()).isZero();
        assertThat(node.remove("interval_95").path(1).asDouble()).isEqualTo(1);
        assertThat(node)
                .hasToString(
                        "{\"expected_column\":\"expected\",\"match\":\"f1\",\"rows\":2,\"mean\":0.5,\"unlabelled_rows\":0,"
                                + "\"faulty_rows\":0}");
    }

    @Test
    void scoreFallsShortOnlyBelowTheLeast() {
        assertThat(shortfall(0.75, 1, 1, 1, 0)).isEmpty();
        assertThat(shortfall(0.76, 1, 1, 1, 0))
                .contains("the score 0.7500 of 4 rows (95 % interval 30.1 % to 95.4 %) is below --min-score 0.76");
        assertThat(shortfall(0)).contains("no row could be scored, and --min-score 0 is asked for");
    }

    private static Optional<String> shortfall(double least, int... right) {
        double sum = Arrays.stream(right).sum();
        Evaluation evaluation = new Evaluation(
                Optional.of("e"), ExpectedMatch.EXACT, Optional.empty(), OptionalDouble.of(least), Optional.empty());
        return new Score(evaluation, new Share(null, right.length, sum, 0), List.of(), 0, 0, Optional.empty())
                .shortfall();
    }
}
