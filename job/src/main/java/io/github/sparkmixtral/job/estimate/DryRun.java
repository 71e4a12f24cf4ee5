package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.job.inference.Generation;
import io.github.sparkmixtral.job.input.Input;
import java.util.List;
import java.util.Optional;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * What is known of a run without it.
 *
 * @param rows those that are to be answered
 * @param prediction empty where nothing was measured, or there is nothing to answer
 */
public record DryRun(CheckedRows rows, Cluster cluster, Optional<Prediction> prediction) {
    /** Rows of a sample for each task: what a small model answers in a minute, more or less. */
    private static final int ROWS_PER_TASK = 4096;

    private static final int MOST_SAMPLED = 16_384;

    /**
     * Checks the rows and measures the cluster.
     *
     * @param rows to answer, with the columns of the input's
     * @param chunks that they are in
     * @param readSeconds that it took to find and read the input
     * @param calibrationSeconds 0 for no measurement
     */
    public static DryRun of(
            Dataset<Row> rows,
            Input input,
            Generation generation,
            long chunks,
            double readSeconds,
            int calibrationSeconds) {
        SparkContext spark = rows.sparkSession().sparkContext();
        int sampled = Math.min(MOST_SAMPLED, ROWS_PER_TASK * Cluster.of(spark).tasks());
        CheckedRows checked = new RowCheck(generation, sampled).of(input, rows);
        // After the first stage, for executors may come late.
        Cluster cluster = Cluster.of(spark);
        if (calibrationSeconds == 0 || checked.askable() == 0) {
            return new DryRun(checked, cluster, Optional.empty());
        }
        List<Measured> measured = Calibration.of(checked, generation, calibrationSeconds, cluster, spark);
        Prediction prediction = Prediction.of(
                checked,
                measured,
                cluster,
                chunks,
                readSeconds,
                generation.options().defaults().task().generates());
        return new DryRun(checked, cluster, Optional.of(prediction));
    }
}
