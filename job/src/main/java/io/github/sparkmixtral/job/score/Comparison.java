package io.github.sparkmixtral.job.score;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count_if;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.not;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.when;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.options.Evaluation;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * What has changed since an earlier run, row by row. Rows are the same if their ids are. An error is an answer that is none.
 *
 * @param baseline where the earlier answers are, for messages
 * @param rows that both have
 * @param added rows that only this run has
 * @param removed rows that only the earlier run has
 * @param changed of the rows that both have, those with another answer
 * @param difference empty if nothing is scored
 */
public record Comparison(
        String baseline, long rows, long added, long removed, long changed, Optional<Difference> difference) {
    /** Columns of {@link #changed(Dataset)}. */
    static final String ID = "custom_id";

    static final String BEFORE = "baseline_answer";
    static final String NOW = "answer";
    static final String EXPECTED = "expected";
    static final String SCORE_BEFORE = "baseline_score";
    static final String SCORE_NOW = "score";

    private static final String IN_BASELINE = "in_baseline";
    private static final String IN_ANSWERS = "in_answers";

    /**
     * Scores of the rows that both runs have, each by the expected answers of now.
     *
     * @param rows with a score
     * @param better rows with a higher score than before
     * @param before the mean then, in [0, 1]
     * @param now the mean of the same rows now
     */
    record Difference(ExpectedMatch match, long rows, long better, long worse, double before, double now) {

        /** How likely so uneven a change is, or a more uneven one, if both runs are equally good. */
        double pValue() {
            return SignTest.pValue(better, worse);
        }

        String test() {
            return match == ExpectedMatch.F1 ? "sign test" : "McNemar's exact test";
        }
    }

    /**
     * Puts the two runs' answers side by side.
     *
     * @param answers with the expected column, if the evaluation has one
     * @param baseline with the same names of id and text
     * @param id the column with the id
     * @param text the column with the answer; null where there is none
     */
    public static Dataset<Row> pairs(
            Dataset<Row> answers, Dataset<Row> baseline, String id, String text, Evaluation evaluation) {
        List<Column> kept = new ArrayList<>(
                List.of(col(id).as(ID), col(text).as(NOW), lit(true).as(IN_ANSWERS)));
        evaluation.expected().ifPresent(expected -> kept.add(named(expected).as(EXPECTED)));
        Dataset<Row> before =
                baseline.select(col(id).as(ID), col(text).as(BEFORE), lit(true).as(IN_BASELINE));
        Dataset<Row> joined = answers.select(kept.toArray(Column[]::new)).join(before, new String[] {ID}, "full_outer");
        if (evaluation.expected().isEmpty()) {
            return joined;
        }
        Column scoreBefore = grade(BEFORE, joined, evaluation.match());
        Column scoreNow = grade(NOW, joined, evaluation.match());
        // A row that only one side has, or that cannot be scored, has no score on either.
        Column scored =
                both().and(col(SCORE_BEFORE).isNotNull()).and(col(SCORE_NOW).isNotNull());
        return joined.withColumn(SCORE_BEFORE, scoreBefore)
                .withColumn(SCORE_NOW, scoreNow)
                .withColumn("scored", scored)
                .withColumn(SCORE_BEFORE, when(col("scored"), col(SCORE_BEFORE)))
                .withColumn(SCORE_NOW, when(col("scored"), col(SCORE_NOW)))
                .drop("scored");
    }

    private static Column grade(String text, Dataset<Row> joined, ExpectedMatch match) {
        return Grading.of(col(text), EXPECTED, joined.schema().apply(EXPECTED).dataType(), match)
                .getField(Grading.SCORE);
    }

    private static Column both() {
        return col(IN_BASELINE).isNotNull().and(col(IN_ANSWERS).isNotNull());
    }

    private static Column isChanged() {
        return both().and(not(col(BEFORE).eqNullSafe(col(NOW))));
    }

    /** Those of the {@link #pairs} with another answer than before, in the order of their ids. */
    public static Dataset<Row> changed(Dataset<Row> pairs) {
        return pairs.filter(isChanged()).drop(IN_BASELINE, IN_ANSWERS).orderBy(ID);
    }

    /** Counts {@link #pairs}. */
    public static Comparison of(Dataset<Row> pairs, String baseline, Evaluation evaluation) {
        boolean scores = evaluation.expected().isPresent();
        Column before = scores ? col(SCORE_BEFORE) : lit(null).cast("double");
        Column now = scores ? col(SCORE_NOW) : lit(null).cast("double");
        Row counts = pairs.agg(
                        count_if(both()),
                        count_if(col(IN_BASELINE).isNull()),
                        count_if(col(IN_ANSWERS).isNull()),
                        count_if(isChanged()),
                        count_if(now.isNotNull()),
                        count_if(now.gt(before)),
                        count_if(now.lt(before)),
                        coalesce(sum(before), lit(0.0)),
                        coalesce(sum(now), lit(0.0)))
                .head();
        long scored = counts.getLong(4);
        return new Comparison(
                baseline,
                counts.getLong(0),
                counts.getLong(1),
                counts.getLong(2),
                counts.getLong(3),
                scored == 0
                        ? Optional.empty()
                        : Optional.of(new Difference(
                                evaluation.match(),
                                scored,
                                counts.getLong(5),
                                counts.getLong(6),
                                counts.getDouble(7) / scored,
                                counts.getDouble(8) / scored)));
    }

    public void write(ObjectNode node) {
        node.put("uri", baseline)
                .put("rows", rows)
                .put("only_in_output", added)
                .put("only_in_baseline", removed)
                .put("changed", changed);
        difference.ifPresent(found -> node.putObject("score")
                .put("rows", found.rows())
                .put("baseline_mean", found.before())
                .put("mean", found.now())
                .put("better", found.better())
                .put("worse", found.worse())
                .put("test", found.test())
                .put("p_value", found.pValue()));
    }

    /** What there is to say, in lines. */
    public List<String> told() {
        List<String> lines = new ArrayList<>();
        lines.add(String.format(
                Locale.ROOT,
                "Compared with %s: %,d of %,d answers have changed; %,d rows are only in the output, %,d only in the baseline",
                baseline,
                changed,
                rows,
                added,
                removed));
        difference.ifPresent(found -> lines.add(String.format(
                Locale.ROOT,
                "Of %,d scored rows in both, %,d are better and %,d worse: the score is %.4f and was %.4f; %s: p = %.4g",
                found.rows(),
                found.better(),
                found.worse(),
                found.now(),
                found.before(),
                found.test(),
                found.pValue())));
        return lines;
    }
}
