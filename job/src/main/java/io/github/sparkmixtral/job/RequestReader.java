package io.github.sparkmixtral.job;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.service.ParametersReader;
import io.github.sparkmixtral.service.Task;
import java.io.IOException;
import java.io.Serializable;
import java.util.Map;
import java.util.Set;

/**
 * Makes requests of rows. A row is a JSON object, whatever format the input has: its own columns, or a request of an OpenAI
 * batch file, whose fields are those of its {@code body}. What is wrong with a row becomes its error, never an exception.
 *
 * @param format of the input; the cells of {@link InputFormat#CSV} are text, so sampling parameters are parsed there
 * @param idColumn null where ids are made of file and position
 * @param promptColumn null where no row has one
 * @param messagesColumn null where no row has one
 * @param template null where the prompt is a column
 * @param root directory that file names are told from, with a slash at its end
 */
record RequestReader(
        InputFormat format,
        String idColumn,
        String promptColumn,
        String messagesColumn,
        PromptTemplate template,
        Task task,
        String root)
        implements Serializable {

    /** What of a batch request's body is not a parameter; the choice of a tool is the model's own, as {@code auto} says. */
    private static final Set<String> PROMPT_FIELDS = Set.of("messages", "prompt", "tools", "tool_choice");

    static final String TOOLS = "tools";
    static final String BODY = "body";
    static final String URL = "url";

    /** Where Spark puts the text of a line or record that does not parse. */
    static final String CORRUPT = "_corrupt_record";

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /** A row is wrong; the message begins with the field. */
    private static final class RowException extends Exception {
        private static final long serialVersionUID = 1L;
        private final String code;

        RowException(String code, String message) {
            super(message, null, false, false);
            this.code = code;
        }
    }

    /** Whether a column of that name is part of a request, whatever the options say. */
    static boolean isField(String name) {
        return ParametersReader.NAMES.contains(name) || name.equals(TOOLS) || name.equals(BODY) || name.equals(URL);
    }

    /**
     * Reads a row.
     *
     * @param json UTF-8
     * @param file URI, or null
     * @param position line or row from 1, or null
     */
    PromptRow read(byte[] json, String file, Long position) {
        String location = location(file, position);
        String madeId = file == null ? null : name(file) + "#" + position;
        JsonNode row;
        try {
            row = parse(json);
        } catch (RowException e) {
            return broken(madeId, false, location, e);
        }
        String id = madeId;
        boolean idGiven = false;
        try {
            String given = id(row);
            if (given != null) {
                id = given;
                idGiven = true;
            } else if (madeId == null) {
                throw new RowException("invalid_id", idColumn + " is null: every row of a table needs an id");
            }
            if (format == InputFormat.CSV && row.hasNonNull(CORRUPT)) {
                throw new RowException("invalid_csv", "the row has more or fewer cells than the header");
            }
            return request(row, id, idGiven, location);
        } catch (RowException e) {
            return broken(id, idGiven, location, e);
        }
    }

    private PromptRow request(JsonNode row, String id, boolean idGiven, String location) throws RowException {
        boolean batch = row.path(BODY).isObject() && row.path(URL).isTextual();
        JsonNode fields = batch ? row.get(BODY) : row;
        Task rowTask = batch ? taskOf(row.get(URL).asText()) : task;
        JsonNode messages = null;
        String prompt = null;
        if (template != null) {
            prompt = filled(row);
        } else {
            String messagesField = batch ? "messages" : messagesColumn;
            messages = messagesField == null ? null : array(fields, messagesField);
            if (messages == null) {
                prompt = prompt(fields, batch ? rowTask == Task.CHAT ? null : "prompt" : promptColumn, messagesField);
            }
        }
        JsonNode tools = tools(fields, batch);
        return new PromptRow(
                id,
                idGiven,
                location,
                rowTask,
                prompt,
                messages == null ? null : messages.toString(),
                tools == null ? null : tools.toString(),
                parameters(fields, batch).toString(),
                null);
    }

    private JsonNode parse(byte[] json) throws RowException {
        JsonNode row;
        try {
            row = JSON.readTree(json);
        } catch (JacksonException e) {
            String place = e.getLocation() == null
                    ? ""
                    : " at column " + e.getLocation().getColumnNr();
            throw new RowException(
                    "invalid_json",
                    "is not valid JSON" + place + ": "
                            + e.getOriginalMessage().lines().findFirst().orElse(""));
        } catch (IOException e) {
            throw new RowException("invalid_json", "is not valid JSON: " + e.getMessage());
        }
        if (!row.isObject()) {
            throw new RowException("invalid_json", "must be a JSON object, not " + kind(row));
        }
        return row;
    }

    private String id(JsonNode row) throws RowException {
        JsonNode id = idColumn == null ? null : row.get(idColumn);
        if (id == null || id.isNull() || id.isTextual() && id.asText().isEmpty()) {
            return null;
        }
        if (!id.isTextual() && !id.isIntegralNumber()) {
            throw new RowException("invalid_id", idColumn + " must be a string or a whole number, not " + kind(id));
        }
        return id.asText();
    }

    private String prompt(JsonNode fields, String field, String messagesField) throws RowException {
        if (field == null) {
            throw new RowException("invalid_messages", messagesField + " is " + absence(fields.get(messagesField)));
        }
        JsonNode prompt = fields.get(field);
        if (prompt == null || prompt.isNull()) {
            String also = messagesField == null ? "" : ", and so is " + messagesField;
            throw new RowException("invalid_prompt", field + " is " + absence(prompt) + also);
        }
        if (!prompt.isTextual()) {
            throw new RowException("invalid_prompt", field + " must be a string, not " + kind(prompt));
        }
        if (prompt.asText().isEmpty()) {
            throw new RowException("invalid_prompt", field + " is empty");
        }
        return prompt.asText();
    }

    private String filled(JsonNode row) throws RowException {
        for (String column : template.columns()) {
            JsonNode value = row.get(column);
            if (value == null || value.isNull()) {
                throw new RowException(
                        "invalid_prompt", column + " is " + absence(value) + ", which --prompt-template needs");
            }
        }
        return template.fill(column -> {
            JsonNode value = row.get(column);
            return value.isValueNode() ? value.asText() : value.toString();
        });
    }

    private static JsonNode tools(JsonNode fields, boolean batch) throws RowException {
        String choice = batch ? fields.path("tool_choice").asText("auto") : "auto";
        return switch (choice) {
            case "auto" -> array(fields, TOOLS);
            case "none" -> null;
            default ->
                throw new RowException(
                        "invalid_tools", "tool_choice must be auto or none, not " + fields.get("tool_choice"));
        };
    }

    /** An array, or JSON text of one; null where there is none. */
    private static JsonNode array(JsonNode fields, String field) throws RowException {
        JsonNode value = fields.get(field);
        if (value == null || value.isNull()) {
            return null;
        }
        if (value.isTextual()) {
            try {
                value = JSON.readTree(value.asText());
            } catch (JacksonException e) {
                throw new RowException(
                        "invalid_" + field, field + " must be an array or JSON text of one, not other text");
            }
        }
        if (!value.isArray()) {
            throw new RowException("invalid_" + field, field + " must be an array, not " + kind(value));
        }
        return value;
    }

    /** A row's columns of known names; all of a batch request's body but the prompt, so that nothing in it is overlooked. */
    private ObjectNode parameters(JsonNode fields, boolean batch) {
        ObjectNode parameters = JSON.createObjectNode();
        for (Map.Entry<String, JsonNode> field : fields.properties()) {
            String name = field.getKey();
            boolean inTemplate = template != null && template.columns().contains(name);
            boolean parameter =
                    batch ? !PROMPT_FIELDS.contains(name) : ParametersReader.NAMES.contains(name) && !inTemplate;
            if (parameter && !field.getValue().isNull()) {
                parameters.set(name, format == InputFormat.CSV ? cell(field.getValue()) : field.getValue());
            }
        }
        return parameters;
    }

    /** A cell of a CSV file: JSON where it is JSON, else text. */
    private static JsonNode cell(JsonNode text) {
        try {
            return JSON.readTree(text.asText());
        } catch (JacksonException e) {
            return text;
        }
    }

    private static Task taskOf(String url) throws RowException {
        return switch (url) {
            case "/v1/chat/completions" -> Task.CHAT;
            case "/v1/completions" -> Task.COMPLETE;
            default ->
                throw new RowException(
                        "unsupported_url", "url must be /v1/chat/completions or /v1/completions, not " + url);
        };
    }

    private PromptRow broken(String id, boolean idGiven, String location, RowException e) {
        String message = location.isEmpty()
                ? e.getMessage()
                : location + (e.code.equals("invalid_json") ? " " : ": ") + e.getMessage();
        return new PromptRow(
                id, idGiven, location, task, null, null, null, null, new RequestError(e.code, message, false));
    }

    private String location(String file, Long position) {
        if (file == null) {
            return "";
        }
        String unit = format == InputFormat.JSONL || format == InputFormat.TEXT ? " line " : " row ";
        return name(file) + unit + position;
    }

    private String name(String file) {
        String uri = InputPaths.normalized(file);
        return uri.startsWith(root) ? uri.substring(root.length()) : uri;
    }

    private static String absence(JsonNode value) {
        return value == null ? "missing" : "null";
    }

    private static String kind(JsonNode value) {
        return switch (value.getNodeType()) {
            case ARRAY -> "an array";
            case OBJECT -> "an object";
            case STRING -> "a string";
            case NUMBER -> "a number";
            case BOOLEAN -> "a boolean";
            case NULL, MISSING -> "null";
            case BINARY, POJO -> "binary data";
        };
    }
}
