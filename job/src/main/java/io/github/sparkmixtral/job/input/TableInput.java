package io.github.sparkmixtral.job.input;

import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.service.ParametersReader;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** A table that somebody has in hand as an input: nothing of it is read before its answers are. */
public final class TableInput {

    private TableInput() {}

    /**
     * Chooses and checks the columns. A row needs no id here: without one it draws by its prompt.
     *
     * @throws JobException with exit code 3 where the columns are no table of prompts
     */
    public static Input of(Dataset<Row> table, GenerationOptions options) {
        StructType schema = table.schema();
        ColumnChoice choice = ColumnChoice.of(schema, InputFormat.TABLE, options.columns());
        RequestReader reader = choice.reader(
                schema, InputFormat.TABLE, false, options.defaults().task(), "", table.sparkSession());
        List<String> kept = choice.kept(schema);
        Dataset<Row> rows = InputReader.withColumns(table, kept, reader.needed());
        return new Input(rows, kept.size(), reader, List.of(), survey(reader.needed()));
    }

    /**
     * The columns that the answers to a table have.
     *
     * @param schema of the table
     * @throws JobException with exit code 3 where the columns are no table of prompts
     */
    public static StructType schema(StructType schema, GenerationOptions options) {
        ColumnChoice choice = ColumnChoice.of(schema, InputFormat.TABLE, options.columns());
        StructField[] kept = choice.kept(schema).stream().map(schema::apply).toArray(StructField[]::new);
        Input.Survey asked =
                survey(choice.needed(schema)).and(options.defaults().parameters());
        return OutputColumns.schema(new StructType(kept), asked.severalOutputs(), asked.logprobs(), options.columns());
    }

    /** Without a look at the rows, a column that may ask for several answers counts as one that does. */
    private static Input.Survey survey(String[] needed) {
        List<String> columns = Arrays.asList(needed);
        boolean batch = RequestReader.holdsParameters(columns);
        boolean several = columns.stream()
                .anyMatch(column -> ParametersReader.meant(column).equals("n"));
        return new Input.Survey(-1, batch || several, batch || columns.contains("logprobs"));
    }
}
