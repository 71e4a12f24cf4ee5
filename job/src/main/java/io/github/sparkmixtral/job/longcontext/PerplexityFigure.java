package io.github.sparkmixtral.job.longcontext;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.floor;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.posexplode;

import io.github.sparkmixtral.job.options.OutputColumns;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * How well a model predicts a text's tokens, by how many tokens stand before them.
 *
 * @param window tokens whose places count as one
 */
public record PerplexityFigure(int window) {

    /**
     * Reads the scores of texts, and writes table and picture.
     *
     * @return the table in Markdown; empty if no text was scored
     */
    public String write(SparkSession spark, ContextFiles files) throws IOException {
        List<Row> rows = spark.read()
                .parquet(files.answers())
                .select(posexplode(col(OutputColumns.LOGPROBS)))
                .groupBy(floor(col("pos").divide(window)).multiply(window).as("before"))
                .agg(count(lit(1)), avg(col("col.logprob").cast("double")))
                .orderBy("before")
                .collectAsList();
        if (rows.isEmpty()) {
            return "";
        }
        List<Integer> positions = new ArrayList<>();
        List<Double> perplexities = new ArrayList<>();
        StringBuilder csv = new StringBuilder("tokens_before,tokens,perplexity\n");
        StringBuilder table = new StringBuilder("| tokens before | tokens | perplexity |\n|---|---:|---:|\n");
        for (Row row : rows) {
            int before = ((Number) row.get(0)).intValue();
            double perplexity = Math.exp(-row.getDouble(2));
            positions.add(before);
            perplexities.add(perplexity);
            csv.append(before)
                    .append(',')
                    .append(row.getLong(1))
                    .append(',')
                    .append(perplexity)
                    .append('\n');
            table.append(String.format(
                    Locale.ROOT,
                    "| %d to %d | %d | %.2f |\n",
                    before,
                    before + window - 1,
                    row.getLong(1),
                    perplexity));
        }
        files.write("perplexity.csv", csv.toString().getBytes(StandardCharsets.UTF_8));
        files.write("perplexity.png", ContextChart.perplexity(positions, perplexities));
        return table.toString();
    }
}
