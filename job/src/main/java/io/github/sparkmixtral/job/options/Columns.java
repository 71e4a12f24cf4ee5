package io.github.sparkmixtral.job.options;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which columns of a table are read and written.
 *
 * @param id null for {@code custom_id} or {@code id}, whichever the table has; {@link #NONE} to make ids of file and position
 * @param prompt null for {@code prompt}, or {@code text} if lines of text are read
 * @param messages a conversation; null for {@code messages}
 * @param template null if the prompt is a column
 * @param parameters which hold rows' own sampling parameters; null for those whose name and values say so
 * @param dropped of the input's, left out of the output
 * @param output other names for columns of the output
 */
public record Columns(
        String id,
        String prompt,
        String messages,
        PromptTemplate template,
        List<String> parameters,
        List<String> dropped,
        Map<String, String> output)
        implements Serializable {

    /** In the place of a column: none. */
    public static final String NONE = "none";

    /** Tools that a row offers, which are read like a parameter. */
    public static final String TOOLS = "tools";

    public Columns {
        parameters = parameters == null ? null : new ArrayList<>(parameters);
        dropped = new ArrayList<>(dropped);
        output = new HashMap<>(output);
    }

    /** Whether an option says what rows ask, so that no other column can. */
    public boolean namesPrompt() {
        return prompt != null || messages != null || template != null;
    }

    /** The name that an output column has. */
    public String output(String column) {
        return output.getOrDefault(column, column);
    }
}
