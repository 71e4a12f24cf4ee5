package io.github.sparkmixtral.job.score;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.stddev_samp;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.when;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.options.Evaluation;
import io.github.sparkmixtral.job.options.ExpectedMatch;
import io.github.sparkmixtral.job.options.OptionValues;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * How many answers are the expected ones, or how near they come. A row that has an error instead of an answer is wrong; a row without
 * an expected answer is not scored, and neither is one whose expected answer cannot be compared.
 *
 * @param groups by value; of more than {@link #MOST_GROUPS} values those with the most rows
 * @param unlabelled rows without an expected answer
 * @param faulty rows whose expected answer cannot be compared
 * @param fault the first of them, by id, and what is wrong
 */
public record Score(
        Evaluation evaluation, Share total, List<Share> groups, long unlabelled, long faulty, Optional<String> fault) {
    static final int MOST_GROUPS = 1000;

    /** Sums of scores may differ by the order of their rows. */
    private static final double ROUNDING = 1e-9;

    private static final String ROWS = "rows";
    private static final String GROUP = "group";
    private static final Column SCORE = col(Grading.SCORE);
    private static final Column FAULT = col(Grading.FAULT);

    /**
     * The scored rows of one group.
     *
     * @param value what the group's rows have in common; null for rows that have nothing there, and for the total
     * @param sum of the rows' scores, each in [0, 1]
     * @param deviation of the rows' scores (n - 1); 0 for a single row
     */
    record Share(String value, long rows, double sum, double deviation) {

        private static Share of(Row row) {
            return new Share(row.getString(0), row.getLong(1), row.getDouble(2), row.getDouble(3));
        }

        /** In [0, 1]; 0 if no row is scored. */
        double mean() {
            return rows == 0 ? 0 : sum / rows;
        }

        /** Only if each score is 0 or 1. */
        long correct() {
            return Math.round(sum);
        }

        /** Where the mean lies with 95 % confidence; empty if the rows are too few to say. */
        Optional<Interval> interval(ExpectedMatch match) {
            if (rows < (match == ExpectedMatch.F1 ? 2 : 1)) {
                return Optional.empty();
            }
            return Optional.of(
                    match == ExpectedMatch.F1
                            ? Interval.normal(mean(), deviation, rows)
                            : Interval.wilson(correct(), rows));
        }
    }

    public Score {
        groups = List.copyOf(groups);
    }

    /**
     * Scores answers.
     *
     * @param id names a row
     * @param text the answer; null where there is none
     * @param evaluation with an expected column, which the answers have
     */
    public static Score of(Dataset<Row> answers, Column id, Column text, Evaluation evaluation) {
        String expected = evaluation.expected().orElseThrow();
        Column group = evaluation
                .by()
                .map(column -> named(column).cast(DataTypes.StringType))
                .orElse(lit(null).cast(DataTypes.StringType));
        Column grade =
                Grading.of(text, expected, answers.schema().apply(expected).dataType(), evaluation.match());
        Dataset<Row> graded = answers.select(id.as("id"), group.as(GROUP), grade.as("grade"))
                .select(col("id"), col(GROUP), col("grade.*"));
        Column rows = count(SCORE).as(ROWS);
        Column points = coalesce(sum(SCORE), lit(0.0));
        Column deviation = coalesce(stddev_samp(SCORE), lit(0.0));
        Row all = graded.agg(
                        lit(null).cast(DataTypes.StringType),
                        rows,
                        points,
                        deviation,
                        count(lit(1)),
                        count(FAULT),
                        min(when(FAULT.isNotNull(), struct(col("id"), FAULT))))
                .head();
        List<Share> groups = evaluation.by().isEmpty()
                ? List.of()
                : graded
                        .filter(SCORE.isNotNull())
                        .groupBy(GROUP)
                        .agg(rows, points, deviation)
                        .orderBy(col(ROWS).desc())
                        .limit(MOST_GROUPS)
                        .collectAsList()
                        .stream()
                        .map(Share::of)
                        .sorted(Comparator.comparing(Share::value, Comparator.nullsLast(Comparator.naturalOrder())))
                        .toList();
        Optional<String> fault = Optional.ofNullable(all.getStruct(6)).map(row -> row.getString(0) + ": " + row.get(1));
        return new Score(
                evaluation,
                Share.of(all),
                groups,
                all.getLong(4) - all.getLong(5) - all.getLong(1),
                all.getLong(5),
                fault);
    }

    /** Writes the groups and the total. */
    public void write(ObjectNode node) {
        evaluation.expected().ifPresent(column -> node.put("expected_column", column));
        node.put("match", evaluation.match().text());
        write(total, node);
        evaluation.minScore().ifPresent(score -> node.put("min_score", score));
        node.put("unlabelled_rows", unlabelled);
        node.put("faulty_rows", faulty);
        fault.ifPresent(first -> node.put("first_fault", first));
        evaluation.by().ifPresent(column -> {
            node.put("by", column);
            ArrayNode list = node.putArray("groups");
            groups.forEach(group -> write(group, list.addObject().put("value", group.value())));
        });
    }

    private void write(Share share, ObjectNode node) {
        node.put("rows", share.rows());
        if (evaluation.match() != ExpectedMatch.F1) {
            node.put("correct", share.correct());
        }
        node.put("mean", share.mean());
        share.interval(evaluation.match())
                .ifPresent(interval ->
                        node.putArray("interval_95").add(interval.low()).add(interval.high()));
    }

    /** Prints the groups, if there are any, and the total as a table. */
    public void show(SparkSession spark) {
        boolean counted = evaluation.match() != ExpectedMatch.F1;
        StructType columns = new StructType()
                .add(evaluation.by().orElse("scored"), DataTypes.StringType)
                .add(ROWS, DataTypes.LongType)
                .add("correct", DataTypes.LongType)
                .add(Grading.SCORE, DataTypes.StringType)
                .add("95 % interval", DataTypes.StringType);
        List<Row> lines = new ArrayList<>();
        groups.forEach(group -> lines.add(shown(group.value(), group)));
        lines.add(shown("all", total));
        Dataset<Row> table = spark.createDataFrame(lines, columns);
        (counted ? table : table.drop("correct")).show(lines.size(), false);
    }

    private Row shown(String name, Share share) {
        return RowFactory.create(name, share.rows(), share.correct(), percent(share.mean()), shownInterval(share));
    }

    private String shownInterval(Share share) {
        return share.interval(evaluation.match())
                .map(interval -> percent(interval.low()) + " to " + percent(interval.high()))
                .orElse("");
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.1f %%", 100 * share);
    }

    /** What has to be said about rows that have no score because of their expected answer; empty for nothing. */
    public Optional<String> note() {
        return fault.map(first -> String.format(
                Locale.ROOT,
                "%,d rows have no score, for their expected answer cannot be compared; %s",
                faulty,
                first));
    }

    /** Why the total is too low; empty if it is not. No scored row is too few. */
    public Optional<String> shortfall() {
        if (evaluation.minScore().isEmpty()
                || total.rows() > 0 && total.mean() >= evaluation.minScore().getAsDouble() - ROUNDING) {
            return Optional.empty();
        }
        String wanted = "--min-score " + OptionValues.text(evaluation.minScore().getAsDouble());
        return Optional.of(
                total.rows() == 0
                        ? "no row could be scored, and " + wanted + " is asked for"
                        : String.format(
                                Locale.ROOT,
                                "the score %.4f of %,d rows (95 %% interval %s) is below %s",
                                total.mean(),
                                total.rows(),
                                shownInterval(total),
                                wanted));
    }
}
