package io.github.sparkmixtral.job.longcontext;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Whether a model finds a number that is hidden in a long text, by the text's length and the number's place.
 *
 * @param lengths of the prompts' texts, in tokens
 * @param depths where the number stands, in percent of the text
 * @param each prompts for each length and depth
 */
public record PasskeyFigure(List<Integer> lengths, List<Integer> depths, int each) {
    private static final String PROMPTS = "prompts.jsonl";
    private static final String LENGTH = "length";
    private static final String DEPTH = "depth";
    private static final String EXPECTED = "expected";

    public PasskeyFigure {
        lengths = List.copyOf(lengths);
        depths = List.copyOf(depths);
    }

    /** The file of the prompts. */
    public static String prompts(ContextFiles files) {
        return files.path(PROMPTS);
    }

    /**
     * Writes the prompts, which are the same for the same lengths, depths and tokenizer.
     *
     * @throws IllegalArgumentException for a length that has no room for the question
     */
    public void writePrompts(Tokenizer tokenizer, ContextFiles files) throws IOException {
        PasskeyPrompts prompts = new PasskeyPrompts(tokenizer);
        JsonMapper json = new JsonMapper();
        List<String> lines = new ArrayList<>();
        for (int length : lengths) {
            for (int depth : depths) {
                for (int sample = 0; sample < each; sample++) {
                    PasskeyPrompts.Passkey passkey = prompts.prompt(length, depth, sample);
                    lines.add(json.createObjectNode()
                            .put("custom_id", length + "-" + depth + "-" + sample)
                            .put(LENGTH, length)
                            .put(DEPTH, depth)
                            .put(EXPECTED, passkey.key())
                            .put("prompt", passkey.prompt())
                            .toString());
                }
            }
        }
        files.writeLines(PROMPTS, lines);
    }

    /**
     * Reads the answers, and writes table and picture.
     *
     * @return the table in Markdown
     */
    public String write(SparkSession spark, ContextFiles files) throws IOException {
        double[][] found = new double[lengths.size()][depths.size()];
        List<Row> rows = spark.read()
                .parquet(files.answers())
                .withColumn("found", coalesce(col(OutputColumns.TEXT).contains(col(EXPECTED)), lit(false)))
                .groupBy(LENGTH, DEPTH)
                .agg(avg(col("found").cast("double")))
                .collectAsList();
        for (Row row : rows) {
            int length = lengths.indexOf(((Number) row.get(0)).intValue());
            int depth = depths.indexOf(((Number) row.get(1)).intValue());
            found[length][depth] = row.getDouble(2);
        }
        StringBuilder csv = new StringBuilder("length,depth,found\n");
        StringBuilder table = new StringBuilder("| depth, % | "
                + lengths.stream().map(length -> length + " tokens").collect(Collectors.joining(" | ")) + " |\n|---"
                + "|---:".repeat(lengths.size()) + "|\n");
        for (int depth = 0; depth < depths.size(); depth++) {
            table.append("| ").append(depths.get(depth)).append(" |");
            for (int length = 0; length < lengths.size(); length++) {
                csv.append(String.format(
                        Locale.ROOT, "%d,%d,%s\n", lengths.get(length), depths.get(depth), found[length][depth]));
                table.append(String.format(Locale.ROOT, " %.0f %% |", 100 * found[length][depth]));
            }
            table.append('\n');
        }
        files.write("passkey.csv", csv.toString().getBytes(StandardCharsets.UTF_8));
        files.write("passkey.png", ContextChart.found(lengths, depths, found));
        return table.toString();
    }
}
