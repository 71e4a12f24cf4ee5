package io.github.sparkmixtral.sql;

import io.github.sparkmixtral.job.SparkFixture;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;

/**
 * Rows a second of {@code ai_query} beside those of the command line: the same prompts on {@code local[2]}, after one round to warm
 * up, in turns. A program, not a test: {@code main} takes the number of rounds.
 */
final class AiQueryRate {
    private static final int COPIES = 10;

    private AiQueryRate() {}

    public static void main(String[] arguments) throws Exception {
        int rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 3;
        Path directory = Files.createTempDirectory("ai-query-rate");
        SparkSession spark = SparkFixture.spark().newSession();
        spark.conf().set("spark.mixtral.models.demo", SparkFixture.MODEL.toString());
        Dataset<Row> demo = spark.read()
                .json(SparkFixture.MODEL.resolveSibling("prompts.jsonl").toString())
                .filter("prompt is not null")
                .select("custom_id", "prompt");
        Path input = directory.resolve("prompts");
        demo.crossJoin(spark.range(COPIES).toDF("copy"))
                .select(
                        functions
                                .concat_ws("-", functions.col("custom_id"), functions.col("copy"))
                                .as("custom_id"),
                        functions.col("prompt"))
                .repartition(4)
                .write()
                .parquet(input.toString());
        spark.read().parquet(input.toString()).createOrReplaceTempView("prompts");
        long rows = spark.table("prompts").count();
        List<Double> sql = new ArrayList<>();
        List<Double> job = new ArrayList<>();
        for (int round = 0; round <= rounds; round++) {
            double answered = rows
                    / seconds(() -> spark.sql("select custom_id, ai_query('demo', prompt, modelParameters =>"
                                    + " named_struct('max_tokens', 24, 'temperature', 0.0)) as answer from prompts")
                            .write()
                            .mode("overwrite")
                            .parquet(directory.resolve("sql").toString()));
            double written = rows
                    / seconds(() -> {
                        SparkFixture.Outcome outcome = SparkFixture.run(
                                "--model",
                                SparkFixture.MODEL,
                                "--input",
                                input,
                                "--output",
                                directory.resolve("job"),
                                "--output-mode",
                                "overwrite",
                                "--max-tokens",
                                24,
                                "--temperature",
                                0);
                        if (outcome.exitCode().value() != 0) {
                            throw new IllegalStateException(outcome.lastLine());
                        }
                    });
            if (round > 0) {
                sql.add(answered);
                job.add(written);
            }
        }
        long different = spark.read()
                .parquet(directory.resolve("sql").toString())
                .join(spark.read().parquet(directory.resolve("job").toString()), "custom_id")
                .filter("not (answer <=> generated_text)")
                .count();
        System.out.printf(
                Locale.ROOT,
                "%d rows: ai_query %.1f rows/s, command line %.1f rows/s, ratio %.2f; %d texts differ%n",
                rows,
                median(sql),
                median(job),
                median(sql) / median(job),
                different);
    }

    private static double seconds(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return (System.nanoTime() - start) / 1e9;
    }

    private static double median(List<Double> values) {
        double[] sorted =
                values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        System.err.println(Arrays.toString(sorted));
        return sorted[sorted.length / 2];
    }
}
