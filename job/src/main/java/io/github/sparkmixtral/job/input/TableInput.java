package io.github.sparkmixtral.job.input;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.GenerationOptions;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.service.ParametersReader;
import io.github.sparkmixtral.service.StructuredOutputReader;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
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
        requireDistinct(schema, table.sparkSession());
        Asked asked = asked(schema, options);
        RequestReader reader = asked.choice()
                .reader(schema, InputFormat.TABLE, false, options.defaults().task(), "", table.sparkSession())
                .withParameters(asked.taken());
        List<String> notes = new ArrayList<>(asked.choice().notes(asked.taken()));
        notes.addAll(ColumnChoice.renamed(asked.kept()));
        return new Input(
                InputReader.withColumns(table, asked.kept(), reader.needed()),
                asked.kept().size(),
                reader,
                List.of(),
                asked.survey(schema),
                asked.choice().meanings(reader),
                notes);
    }

    /**
     * The columns that the answers to a table have.
     *
     * @param schema of the table
     * @throws JobException with exit code 3 where the columns are no table of prompts
     */
    public static StructType schema(StructType schema, GenerationOptions options) {
        Asked asked = asked(schema, options);
        StructType kept = new StructType();
        for (Map.Entry<String, String> column : asked.kept().entrySet()) {
            StructField field = schema.apply(column.getKey());
            kept = kept.add(new StructField(
                    column.getValue(), InputReader.writable(field.dataType()), field.nullable(), field.metadata()));
        }
        OutputColumns.Asked columns = asked.survey(schema).columns(options.defaults());
        return OutputColumns.schema(kept, columns, options.columns());
    }

    /** @param taken columns that hold rows' own sampling parameters */
    private record Asked(ColumnChoice choice, List<String> taken, SequencedMap<String, String> kept) {

        /** Without a look at the rows, a column that may ask for something counts as one that does. */
        Input.Survey survey(StructType schema) {
            boolean any = choice.holdsRequests(schema) || taken.stream().anyMatch(Columns::isObject);
            boolean several =
                    taken.stream().anyMatch(name -> ParametersReader.meant(name).equals("n"));
            return new Input.Survey(
                    -1,
                    any || several,
                    any || taken.contains("logprobs"),
                    any || StructuredOutputReader.mayAskForChoice(taken),
                    any || taken.contains("prompt_logprobs"),
                    any || taken.contains(Columns.TOOLS));
        }
    }

    private static Asked asked(StructType schema, GenerationOptions options) {
        ColumnChoice choice = ColumnChoice.of(schema, InputFormat.TABLE, options.columns(), "--prompt-column");
        List<String> taken = choice.parameters().taken(schema);
        return new Asked(choice, taken, choice.kept(schema, taken));
    }

    /** Spark itself cannot tell such columns apart. */
    private static void requireDistinct(StructType schema, SparkSession spark) {
        boolean caseSensitive = spark.sessionState().conf().caseSensitiveAnalysis();
        Set<String> names = caseSensitive ? new HashSet<>() : new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
        for (String name : schema.fieldNames()) {
            if (!names.add(name)) {
                throw JobException.input(
                        "the table has two columns " + name + ", which Spark cannot tell apart: rename one");
            }
        }
    }
}
