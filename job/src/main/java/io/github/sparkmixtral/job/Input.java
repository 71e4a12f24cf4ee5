package io.github.sparkmixtral.job;

import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * The input as one table: its own columns, and three of ours that say what to ask and where the row stands.
 *
 * @param rows {@code columns}, then {@link #REQUEST}, {@link #FILE} and {@link #POSITION}
 * @param columns the input's own columns, all of which reach the output
 * @param reader makes a prompt of {@link #REQUEST}
 * @param survey what a first pass over the rows has found
 */
record Input(Dataset<Row> rows, List<String> columns, RequestReader reader, Survey survey) {

    /** UTF-8 JSON object with the fields that make the request, binary. */
    static final String REQUEST = "__mixtral_request";
    /** URI of the row's file, or null for a table that is not one of files. */
    static final String FILE = "__mixtral_file";
    /** Line or row in the file, from 1, or null where there is no file. */
    static final String POSITION = "__mixtral_position";
    /** Where the row's block begins in its file; only until rows are numbered. */
    static final String BLOCK = "__mixtral_block";

    Input {
        columns = List.copyOf(columns);
    }

    /**
     * What a first pass over the rows has found.
     *
     * @param rows how many there are, blank lines not counted
     * @param severalOutputs whether a row asks for more than one answer
     * @param logprobs whether a row asks for log-probabilities
     */
    record Survey(long rows, boolean severalOutputs, boolean logprobs) {}
}
