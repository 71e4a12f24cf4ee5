package io.github.sparkmixtral.job.options;

import io.github.sparkmixtral.service.ParametersReader;
import io.github.sparkmixtral.service.Task;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.types.DataType;

/**
 * Which columns of a table are read and written.
 *
 * @param id null for {@code custom_id} or {@code id}, whichever the table has; {@link #NONE} to make ids of file and position
 * @param prompt null for {@code prompt}, else {@code inputs}, or {@code text} if lines of text are read
 * @param messages a conversation; null for {@code messages}
 * @param template null if the prompt is a column
 * @param parameters which hold rows' own sampling parameters; null for those whose name and values say so
 * @param dropped of the input's, left out of the output
 * @param output other names for columns of the output
 * @param task what becomes of rows, unless they say so themselves; null for documents
 * @param completion text that is scored; null if none is
 * @param parsed type of the column with the answer's values; null if there is none
 * @param context passages that go into prompts and into a column; null for none
 */
public record Columns(
        String id,
        String prompt,
        String messages,
        PromptTemplate template,
        List<String> parameters,
        List<String> dropped,
        Map<String, String> output,
        Task task,
        String completion,
        DataType parsed,
        ContextRetrieval context)
        implements Serializable {

    /** In the place of a column: none. */
    public static final String NONE = "none";

    /** Tools that a row offers, which are read like a parameter. */
    public static final String TOOLS = "tools";

    /** Ray's object of parameters beside a prompt. */
    public static final String SAMPLING_PARAMS = "sampling_params";

    /** TGI's object of parameters, beside a prompt that is called {@code inputs}. */
    public static final String PARAMETERS = "parameters";

    /** The columns that may hold a row's parameters. */
    public static final Set<String> OF_PARAMETERS = ofParameters();

    private static Set<String> ofParameters() {
        Set<String> names = new HashSet<>(ParametersReader.NAMES);
        names.addAll(List.of(TOOLS, SAMPLING_PARAMS, PARAMETERS));
        return Set.copyOf(names);
    }

    /** Whether a column of that name holds several parameters in an object. */
    public static boolean isObject(String name) {
        return name.equals(SAMPLING_PARAMS) || name.equals(PARAMETERS);
    }

    public Columns {
        parameters = parameters == null ? null : new ArrayList<>(parameters);
        dropped = new ArrayList<>(dropped);
        output = new HashMap<>(output);
    }

    /** Whether an option says what rows ask, so that no other column can. */
    public boolean namesPrompt() {
        return prompt != null || messages != null || template != null;
    }

    /** The columns that a template needs: passages are none. */
    public List<String> needed(PromptTemplate filled) {
        return filled.columns().stream()
                .filter(name -> context == null || !name.equals(PromptTemplate.CONTEXT))
                .toList();
    }

    /** Whether passages stand in prompts, and in a column. */
    public boolean hasContexts() {
        return context != null && !context.asTool();
    }

    /** The name that an output column has. */
    public String output(String column) {
        return output.getOrDefault(column, column);
    }
}
