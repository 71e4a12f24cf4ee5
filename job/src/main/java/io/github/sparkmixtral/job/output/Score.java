package io.github.sparkmixtral.job.output;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.count_if;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.trim;

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
 * How many answers are exactly the expected ones, white space at both ends aside. A row that has an error instead of an answer is a
 * miss; a row without an expected answer is not scored.
 *
 * @param by the column whose values the groups are; empty where there are none
 * @param groups by value; of more than {@link #MOST_GROUPS} values those with the most rows
 */
public record Score(Optional<String> by, Share total, List<Share> groups) {
    static final int MOST_GROUPS = 1000;

    private static final String WHITE_SPACE = " \t\r\n";
    private static final String ROWS = "__mixtral_rows";

    /**
     * The scored rows of one group.
     *
     * @param value what the group's rows have in common; null for rows that have nothing there, and for the total
     */
    record Share(String value, long rows, long exact) {

        /** In [0, 1]; 0 where no row is scored. */
        double ratio() {
            return rows == 0 ? 0 : (double) exact / rows;
        }

        private Row shown(String name) {
            return RowFactory.create(name, rows, exact, String.format(Locale.ROOT, "%.1f %%", 100 * ratio()));
        }
    }

    public Score {
        groups = List.copyOf(groups);
    }

    /** Compares column {@code text} of the answers with column {@code expected}, for every value of column {@code by}. */
    static Score of(Dataset<Row> answers, String text, String expected, Optional<String> by) {
        Column wanted = trim(named(expected).cast("string"), WHITE_SPACE);
        Column given = trim(named(text), WHITE_SPACE);
        Dataset<Row> labelled = answers.filter(named(expected).isNotNull());
        Column rows = count(lit(1)).as(ROWS);
        Column exact = count_if(given.equalTo(wanted));
        Row all = labelled.agg(rows, exact).head();
        List<Share> groups = by.stream()
                .flatMap(column -> labelled
                        .groupBy(named(column).cast("string"))
                        .agg(rows, exact)
                        .orderBy(col(ROWS).desc())
                        .limit(MOST_GROUPS)
                        .collectAsList()
                        .stream())
                .map(row -> new Share(row.getString(0), row.getLong(1), row.getLong(2)))
                .sorted(Comparator.comparing(Share::value, Comparator.nullsLast(Comparator.naturalOrder())))
                .toList();
        return new Score(by, new Share(null, all.getLong(0), all.getLong(1)), groups);
    }

    /** Prints the groups, where there are any, and the total as a table. */
    public void show(SparkSession spark) {
        StructType columns = new StructType()
                .add(by.orElse("scored"), DataTypes.StringType)
                .add("rows", DataTypes.LongType)
                .add("exact", DataTypes.LongType)
                .add("ratio", DataTypes.StringType);
        List<Row> lines = new ArrayList<>();
        groups.forEach(group -> lines.add(group.shown(group.value())));
        lines.add(total.shown("all"));
        spark.createDataFrame(lines, columns).show(lines.size(), false);
    }
}
