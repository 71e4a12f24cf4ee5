package io.github.sparkmixtral.job.cluster;

import io.github.sparkmixtral.Mixtral;
import java.io.IOException;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Embeds, scores and classifies one table in one application; its arguments are the model and a directory for the answers. */
public final class ReadingProgram {
    private ReadingProgram() {}

    public static void main(String[] arguments) throws IOException {
        try (SparkSession spark = SparkSession.builder().getOrCreate()) {
            answer(spark, arguments[0], arguments[1]);
        }
    }

    static void answer(SparkSession spark, String model, String directory) {
        Dataset<Row> table = spark.range(0, 40, 1, 4)
                .selectExpr(
                        "cast(id as string) custom_id",
                        "concat('Count the items of the list: ', repeat('red, ', cast(id % 9 as int)), 'blue') prompt",
                        "concat(' ', cast(id % 10 as string)) completion");
        Mixtral mixtral = Mixtral.load(spark, model);
        mixtral.with("task", "embed").generate(table).write().parquet(directory + "/embed");
        mixtral.with("task", "score").generate(table).write().parquet(directory + "/score");
        mixtral.with("task", "classify")
                .with("choices", List.of("1", "2", "3"))
                .generate(table)
                .write()
                .parquet(directory + "/classify");
    }
}
