package io.github.sparkmixtral.job.output;

import static io.github.sparkmixtral.job.SparkFixture.spark;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.output.Score.Share;
import java.util.List;
import java.util.Optional;
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
        return Score.of(answers(rows), "generated_text", "the `label`", Optional.of("kind"));
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

        assertThat(score.total()).isEqualTo(new Share(null, 6, 3));
        assertThat(score.groups()).containsExactly(new Share("a", 2, 1), new Share("b", 3, 1), new Share(null, 1, 1));
        assertThat(score.groups().getFirst().ratio()).isEqualTo(0.5);
    }

    @Test
    void whiteSpaceAtTheEndsDoesNotCount() {
        Score score = score(row("yes\r\n", " yes", "a"), row("\tno", "no\n", "a"), row(" ", "", "a"));

        assertThat(score.total()).isEqualTo(new Share(null, 3, 3));
    }

    @Test
    void rowsWithoutAnAnswerMissAndRowsWithoutALabelDoNotCount() {
        Score score = score(row("yes", null, "a"), row(null, "yes", "a"), row(null, null, "b"));

        assertThat(score.total()).isEqualTo(new Share(null, 1, 0));
        assertThat(score.groups()).containsExactly(new Share("a", 1, 0));
    }

    @Test
    void nothingLabelledScoresNothing() {
        Score score = score(row(null, "yes", "a"));

        assertThat(score.total()).isEqualTo(new Share(null, 0, 0));
        assertThat(score.total().ratio()).isZero();
        assertThat(score.groups()).isEmpty();
    }

    @Test
    void numbersAreComparedAndGroupedAsText() {
        Dataset<Row> answers = answers(row("x", "7", "a"), row("x", "7.0", "a"));

        Score score = Score.of(answers, "generated_text", "number", Optional.of("number"));

        assertThat(score.groups()).containsExactly(new Share("7", 2, 1));
    }

    @Test
    void withoutAColumnToGroupByThereIsTheTotalOnly() {
        Score score = Score.of(answers(row("x", "x", "a")), "generated_text", "the `label`", Optional.empty());

        assertThat(score).isEqualTo(new Score(Optional.empty(), new Share(null, 1, 1), List.of()));
    }

    @Test
    void ofManyGroupsTheLargestAreKeptAndAllAreInTheTotal() {
        int many = Score.MOST_GROUPS + 5;
        Row[] rows = IntStream.range(0, 2 * many)
                .mapToObj(i -> row("x", "x", i < many ? "z" : "%05d".formatted(i)))
                .toArray(Row[]::new);

        Score score = score(rows);

        assertThat(score.total()).isEqualTo(new Share(null, 2 * many, 2 * many));
        assertThat(score.groups()).hasSize(Score.MOST_GROUPS).contains(new Share("z", many, many));
    }
}
