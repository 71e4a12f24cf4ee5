package io.github.sparkmixtral.job.input;

import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.Task;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedMap;
import java.util.SequencedSet;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * The input as one table: its own columns, and some of ours that say what to ask and where the row stands.
 *
 * @param rows first {@code columns} of the input's own, all of which reach the output; then, as the format has them, {@link #LINE},
 *     {@link #FILE}, {@link #POSITION} and
 *     {@link #ORDINAL}
 * @param columns how many columns are the input's own
 * @param reader chooses what a row asks for
 * @param files in the order of their names; none for a table
 * @param survey what a first pass over the rows has found, or the columns let expect
 * @param meanings of columns that the rows have decided on: true for what their names say, false for data
 * @param notes what a user should know about the columns, a sentence each
 */
public record Input(
        Dataset<Row> rows,
        int columns,
        RequestReader reader,
        List<FileRows> files,
        Survey survey,
        SequencedMap<String, Boolean> meanings,
        List<String> notes) {

    /** What names of columns of ours begin with. */
    static final String INTERNAL = "__mixtral_";

    /** The line that a row was read from, UTF-8, binary: what is parsed for the request. */
    public static final String LINE = "__mixtral_line";
    /** URI of the row's file, or null for a table that is not one of files. */
    public static final String FILE = "__mixtral_file";
    /** Line or row in the file, from 1, or null where there is no file. */
    public static final String POSITION = "__mixtral_position";
    /** Row of the file, from 1, blank lines not counted; null where there is no file. It depends on the file alone. */
    public static final String ORDINAL = "__mixtral_ordinal";
    /** Where the row's block begins in its file; only until rows are numbered. */
    static final String BLOCK = "__mixtral_block";

    /** Of rows that have the columns of {@link #rows}, what tells their requests, their ids and their places. */
    public Dataset<Row> asked(Dataset<Row> from) {
        return asked(from, reader);
    }

    static Dataset<Row> asked(Dataset<Row> from, RequestReader reader) {
        SequencedSet<String> wanted = new LinkedHashSet<>();
        if (Arrays.asList(from.columns()).contains(LINE)) {
            wanted.add(LINE);
        } else {
            wanted.addAll(Arrays.asList(reader.needed()));
        }
        wanted.addAll(List.of(FILE, POSITION));
        return from.select(wanted.stream().map(OutputColumns::named).toArray(Column[]::new));
    }

    public Input {
        files = List.copyOf(files);
        meanings = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(meanings));
        notes = List.copyOf(notes);
    }

    /**
     * What a first pass over the rows has found.
     *
     * @param rows how many there are, blank lines not counted; -1 where nobody has counted
     * @param severalOutputs whether a row asks for more than one answer
     * @param logprobs whether a row asks for log-probabilities
     * @param choices whether a row's answer has to be one of several strings
     * @param promptLogprobs whether a row asks for log-probabilities of its prompt
     * @param tools whether a row brings tools, which its answer may call
     */
    public record Survey(
            long rows,
            boolean severalOutputs,
            boolean logprobs,
            boolean choices,
            boolean promptLogprobs,
            boolean tools) {

        /** The columns that this, and what every row asks for, needs. */
        public OutputColumns.Asked columns(RequestDefaults defaults) {
            SamplingParameters parameters = defaults.parameters();
            Task task = defaults.task();
            StructuredOutput output = parameters.structuredOutput();
            boolean allLogprobs = logprobs || parameters.logprobs() >= 0;
            boolean chosen = choices || output != null && output.kind() == StructuredOutput.Kind.CHOICE;
            if (task == Task.AGENT) {
                return new OutputColumns.Asked(List.of(OutputColumns.TURNS));
            }
            List<String> columns = new ArrayList<>();
            if (task.generates() && (severalOutputs || parameters.n() > 1)) {
                columns.add(OutputColumns.OUTPUTS);
            }
            if (allLogprobs && (task.generates() || task == Task.SCORE)) {
                columns.add(OutputColumns.LOGPROBS);
            }
            if (task == Task.CLASSIFY || task.generates() && allLogprobs && chosen) {
                columns.add(OutputColumns.CHOICE_PROBABILITIES);
            }
            if (task.generates() && (promptLogprobs || parameters.promptLogprobs() >= 0)) {
                columns.add(OutputColumns.PROMPT_LOGPROBS);
            }
            if (task.generates() && tools) {
                columns.add(OutputColumns.TOOL_CALLS);
            }
            if (task == Task.SCORE) {
                columns.add(OutputColumns.SCORE);
            }
            if (task == Task.EMBED) {
                columns.add(OutputColumns.EMBEDDING);
            }
            return new OutputColumns.Asked(columns);
        }
    }
}
