package io.github.sparkmixtral.job.output;

import static io.github.sparkmixtral.job.options.OutputColumns.named;
import static org.apache.spark.sql.functions.udf;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.OutputColumns;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StringType;

/** Values that become names of directories, looked at before the first row is answered. */
final class PartitionValues {
    /** Bytes that a file's name may have on Linux. */
    private static final int MOST_BYTES = 255;

    private PartitionValues() {}

    /**
     * Refuses columns and values that cannot be directories.
     *
     * @throws JobException with exit code 2 for a column that the output has not, 3 for a value
     */
    static void requireUsable(List<String> partitionBy, Input input, Columns names) {
        List<String> own = Arrays.asList(input.rows().columns()).subList(0, input.columns());
        List<String> answer = OutputColumns.named(names);
        for (String column : partitionBy) {
            if (!own.contains(column) && !answer.contains(column)) {
                throw JobException.usage("--partition-by names " + column
                        + ", which is no column of the output; of the input it has " + String.join(", ", own));
            }
            if (own.contains(column) && input.rows().schema().apply(column).dataType() instanceof StringType) {
                requireNames(column, input);
            }
        }
    }

    private static void requireNames(String column, Input input) {
        UDF1<String, Boolean> unusable = value -> !isName(column, value);
        List<Row> found = input.rows()
                .select(named(column))
                .filter(udf(unusable, DataTypes.BooleanType).apply(named(column)))
                .limit(1)
                .collectAsList();
        if (!found.isEmpty()) {
            String value = found.getFirst().getString(0);
            throw JobException.input("--partition-by " + column + " has a value that no directory can be called by, "
                    + (value.indexOf(0) >= 0 ? "because it holds a NUL" : "because it is too long") + ": "
                    + value.substring(0, Math.min(60, value.length())).replace('\0', ' '));
        }
    }

    private static boolean isName(String column, String value) {
        if (value == null) {
            return true;
        }
        String directory =
                ExternalCatalogUtils.escapePathName(column) + "=" + ExternalCatalogUtils.escapePathName(value);
        return value.indexOf(0) < 0 && directory.getBytes(StandardCharsets.UTF_8).length <= MOST_BYTES;
    }
}
