package io.github.sparkmixtral.job.options;

import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;

/**
 * Which columns of a table are read and written.
 *
 * @param id null for {@code custom_id} or {@code id}, whichever the table has
 * @param prompt null for {@code prompt}, or {@code text} if lines of text are read
 * @param messages a conversation
 * @param template null if the prompt is a column
 * @param output other names for columns of the output
 */
public record Columns(String id, String prompt, String messages, PromptTemplate template, Map<String, String> output)
        implements Serializable {

    public Columns {
        output = new HashMap<>(output);
    }

    /** The name that an output column has. */
    public String output(String column) {
        return output.getOrDefault(column, column);
    }
}
