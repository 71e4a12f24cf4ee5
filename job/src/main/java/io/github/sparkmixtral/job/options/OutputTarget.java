package io.github.sparkmixtral.job.options;

import java.util.List;
import java.util.Optional;

/**
 * Where answers go.
 *
 * @param directory of files and manifest; empty where only a table is written
 * @param table name in the session's catalog; empty for files
 * @param tableFormat data source of a new table, such as delta; empty for the session's default
 * @param partitionBy columns whose values become directories, or partitions of the table
 * @param chunkRows rows of a file; 0 chooses by the input
 */
public record OutputTarget(
        Optional<String> directory,
        OutputFormat format,
        OutputMode mode,
        Optional<String> table,
        Optional<String> tableFormat,
        List<String> partitionBy,
        RetryFailed retryFailed,
        int chunkRows) {

    public OutputTarget {
        partitionBy = List.copyOf(partitionBy);
    }
}
