package io.github.sparkmixtral.job.cli;

import org.apache.spark.sql.SparkSession;

/** A session of the job's own beside the one that there is, with its tables and views, so that the other one stays as it was. */
final class JobSession {
    /** Lines are numbered by block, and where a block begins must depend on the file alone, not on the cores of the moment. */
    private static final String BLOCK_BYTES = "16m";

    private JobSession() {}

    static SparkSession of(SparkSession spark) {
        SparkSession own = ((org.apache.spark.sql.classic.SparkSession) spark).cloneSession();
        // Two columns whose names differ in case are two columns.
        own.conf().set("spark.sql.caseSensitive", true);
        // Timestamps of nanoseconds, as pandas writes them, would be no type of Spark's: they are whole numbers.
        own.conf().set("spark.sql.legacy.parquet.nanosAsLong", true);
        own.conf().set("spark.sql.files.maxPartitionBytes", BLOCK_BYTES);
        own.conf().set("spark.sql.files.minPartitionNum", 1);
        return own;
    }
}
