package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.service.RowRequest.Field;

/**
 * What a row says, checked as far as can be without a model. Error codes: {@code invalid_prompt}, {@code invalid_messages}, {@code
 * invalid_tools}, {@code invalid_completion}, {@code invalid_parameters}, {@code unsupported_url}.
 *
 * @param prompt null if there are messages
 * @param messages array; null if there is a prompt
 * @param tools array; null for none
 * @param completion null unless the task is to score one
 * @param safePrompt whether the safe prompt comes first
 */
record RowContent(
        Task task,
        String prompt,
        JsonNode messages,
        JsonNode tools,
        String completion,
        ToolChoice toolChoice,
        boolean safePrompt) {

    static RowContent of(RowRequest row, RequestDefaults defaults) throws InvalidRowException {
        Task task = task(row, defaults);
        JsonNode messages = array("messages", row.messages());
        String prompt = messages == null ? prompt(row, task) : null;
        JsonNode tools = array("tools", row.tools());
        if (!task.takesMessages()) {
            requireText(task, messages, tools);
        }
        ToolChoice choice = toolChoice(row, task);
        String completion = task == Task.SCORE ? completion(row) : null;
        return new RowContent(task, prompt, messages, tools, completion, choice, safePrompt(row, task, defaults));
    }

    /** Checks the row, its parameters included. */
    static void check(RowRequest row, RequestDefaults defaults) throws InvalidRowException {
        RowContent content = of(row, defaults);
        try {
            SamplingParameters parameters = ParametersReader.read(row.parameters(), defaults.parameters());
            if (content.task == Task.AGENT) {
                RequestBuilder.checkAgent(parameters);
            }
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_parameters", invalid.getMessage());
        }
    }

    private static Task task(RowRequest row, RequestDefaults defaults) throws InvalidRowException {
        Task task = row.task() == null ? defaults.task() : row.task();
        boolean together = task.generates() && defaults.task().generates() && defaults.task() != Task.AGENT;
        if (task != defaults.task() && !together) {
            throw new InvalidRowException(
                    "unsupported_url",
                    "the row asks for the task " + task.text() + ", but the job's is "
                            + defaults.task().text() + ": give such rows a job of their own");
        }
        return task;
    }

    private static ToolChoice toolChoice(RowRequest row, Task task) throws InvalidRowException {
        ToolChoice choice = ToolChoice.of(row.parameters());
        if (choice.isRequired() && task != Task.CHAT) {
            throw ToolChoice.invalid("can only be auto or none with the task " + task.text() + ": use the task chat");
        }
        return choice;
    }

    /** A row that wants the safe prompt and has no place for it must not go without. */
    private static boolean safePrompt(RowRequest row, Task task, RequestDefaults defaults) throws InvalidRowException {
        boolean safePrompt = ParametersReader.safePrompt(row.parameters(), defaults.safePrompt());
        if (safePrompt && !task.takesMessages()) {
            throw new InvalidRowException(
                    "invalid_parameters",
                    ParametersReader.SAFE_PROMPT
                            + " needs a chat: a text that is taken as it is has no system message; give" + " the row "
                            + ParametersReader.SAFE_PROMPT + ": false to go without");
        }
        return safePrompt;
    }

    /** An array, or JSON text of one; null where there is none. */
    private static JsonNode array(String kind, Field field) throws InvalidRowException {
        if (field == null || !field.given()) {
            return null;
        }
        JsonNode value = field.value();
        if (value.isTextual()) {
            try {
                value = Json.parse(field.name(), value.textValue());
            } catch (IllegalArgumentException invalid) {
                throw new InvalidRowException("invalid_" + kind, invalid.getMessage());
            }
        }
        if (!value.isArray()) {
            throw new InvalidRowException(
                    "invalid_" + kind, field.name() + " must be an array or JSON text of one, not " + Json.kind(value));
        }
        requireText("invalid_" + kind, field.name(), value);
        return value;
    }

    private static String prompt(RowRequest row, Task task) throws InvalidRowException {
        Field prompt = row.prompt();
        Field messages = row.messages();
        if (prompt == null && task == Task.SCORE) {
            return "";
        }
        if (prompt == null) {
            throw messages == null
                    ? new InvalidRowException("invalid_prompt", "the row has neither a prompt nor messages")
                    : new InvalidRowException("invalid_messages", messages.name() + " is " + absence(messages));
        }
        if (!prompt.given()) {
            String also = messages == null ? "" : ", and so is " + messages.name();
            throw new InvalidRowException("invalid_prompt", prompt.name() + " is " + absence(prompt) + also);
        }
        if (!prompt.value().isTextual()) {
            throw new InvalidRowException(
                    "invalid_prompt", prompt.name() + " must be a string, not " + Json.kind(prompt.value()));
        }
        String text = prompt.value().textValue();
        if (text.isEmpty() && task != Task.SCORE) {
            throw new InvalidRowException("invalid_prompt", prompt.name() + " is empty");
        }
        requireText("invalid_prompt", prompt.name(), prompt.value());
        return text;
    }

    /** A completion may be all there is: then it follows BOS. */
    private static String completion(RowRequest row) throws InvalidRowException {
        Field completion = row.completion();
        if (completion == null || !completion.given()) {
            throw new InvalidRowException(
                    "invalid_completion",
                    completion == null
                            ? "the row has no completion, which the task score needs"
                            : completion.name() + " is " + absence(completion));
        }
        if (!completion.value().isTextual()) {
            throw new InvalidRowException(
                    "invalid_completion",
                    completion.name() + " must be a string, not " + Json.kind(completion.value()));
        }
        if (completion.value().textValue().isEmpty()) {
            throw new InvalidRowException("invalid_completion", completion.name() + " is empty");
        }
        requireText("invalid_completion", completion.name(), completion.value());
        return completion.value().textValue();
    }

    private static void requireText(String code, String name, JsonNode value) throws InvalidRowException {
        if (!Json.isText(value)) {
            throw new InvalidRowException(
                    code,
                    name
                            + " holds half of a surrogate pair, which is no character: the text was cut or decoded wrongly");
        }
    }

    private static String absence(Field field) {
        return field.value() == null ? "missing" : "null";
    }

    private static void requireText(Task task, JsonNode messages, JsonNode tools) throws InvalidRowException {
        if (messages != null) {
            throw new InvalidRowException(
                    "invalid_messages",
                    "the task " + task.text() + " takes a prompt, not messages: use the task chat for them");
        }
        if (tools != null) {
            throw new InvalidRowException(
                    "invalid_tools",
                    task == Task.AGENT
                            ? "the task agent calls the job's tools, not a row's: leave them out, or use the task chat for"
                                    + " them"
                            : "the task " + task.text() + " takes no tools: use the task chat for them");
        }
    }
}
