package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import java.util.Map;

/**
 * What one row asks for: JSON values as they stand in the row, chosen but not yet checked. {@link RowContent} checks them.
 *
 * @param customId with the seed it decides every draw; null draws by the prompt's tokens, so that equal prompts are answered alike
 * @param task null for the job's
 * @param prompt text; null where no field can hold one. Not looked at where there are messages.
 * @param messages array of OpenAI's messages, or JSON text of one; null where no field can hold them
 * @param tools array of OpenAI's tools, or JSON text of one; null for none
 * @param completion text whose likelihood is asked for; null where no field can hold one. Looked at by the task score alone.
 * @param parameters the row's own sampling parameters by name (see {@link ParametersReader})
 */
public record RowRequest(
        String customId,
        Task task,
        Field prompt,
        Field messages,
        Field tools,
        Field completion,
        Map<String, JsonNode> parameters) {

    /** A row without a completion. */
    public RowRequest(
            String customId, Task task, Field prompt, Field messages, Field tools, Map<String, JsonNode> parameters) {
        this(customId, task, prompt, messages, tools, null, parameters);
    }

    /**
     * A field of the row.
     *
     * @param name as the user knows it, for messages
     * @param value null where the row does not have the field
     */
    public record Field(String name, JsonNode value) {
        public boolean given() {
            return value != null && !value.isNull();
        }
    }

    /** Whether the row brings tools, which its answer may call. */
    public boolean hasTools() {
        return tools != null && tools.given();
    }

    /** The same with another text to answer. */
    public RowRequest with(Field otherPrompt, Field otherMessages) {
        return new RowRequest(customId, task, otherPrompt, otherMessages, tools, completion, parameters);
    }

    /**
     * What is wrong with the row as far as can be seen without a model; null if nothing is.
     *
     * @param defaults under what the row asks for
     */
    public RequestError fault(RequestDefaults defaults) {
        try {
            RowContent.check(this, defaults);
            return null;
        } catch (InvalidRowException invalid) {
            return invalid.error();
        }
    }

    /** What a JSON value is, in words, for messages about rows. */
    public static String kind(JsonNode value) {
        return Json.kind(value);
    }
}
