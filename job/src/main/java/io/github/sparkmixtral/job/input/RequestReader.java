package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.PromptTemplate;
import io.github.sparkmixtral.job.options.Uris;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.Task;
import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;

/**
 * Chooses what a row asks for: out of its own columns, or out of the {@code body} of a request of an OpenAI batch file. What is
 * wrong with a row becomes its error, never an exception. The values themselves are checked where they become a request.
 *
 * @param format of the input; the cells of {@link InputFormat#CSV} are text, so sampling parameters are parsed there
 * @param needed the columns that a request is made of; not looked at for {@link InputFormat#JSONL}, whose rows are lines
 * @param idColumn null where ids are made of file and position, or there are none
 * @param idSure whether each value has to be an id; if not, one that is none is data, and an id is made
 * @param idsRequired whether a row without an id that stands in no file is an error
 * @param promptColumn null where no row has one
 * @param messagesColumn null where no row has one
 * @param template null where the prompt is a column
 * @param root directory that file names are told from, with a slash at its end
 * @param zone the session's, for timestamps
 * @param parameters the columns that hold a row's own sampling parameters, and {@code tools}
 * @param named whether an option says what is asked; if not, a row may ask with prompt, messages or a body, but with one of them
 */
public record RequestReader(
        InputFormat format,
        String[] needed,
        String idColumn,
        boolean idSure,
        boolean idsRequired,
        String promptColumn,
        String messagesColumn,
        PromptTemplate template,
        Task task,
        String root,
        ZoneId zone,
        String[] parameters,
        boolean named)
        implements Serializable {

    /** The error of a row that asks with two columns, so that an option has to choose. */
    static final String AMBIGUOUS = "ambiguous_prompt";

    /** The error of a row whose id is none. */
    static final String INVALID_ID = "invalid_id";

    /** What of a batch request's body is not a parameter; the choice of a tool is the model's own, as {@code auto} says. */
    private static final Set<String> PROMPT_FIELDS = Set.of("messages", "prompt", "tools", "tool_choice");

    static final String BODY = "body";
    static final String URL = "url";

    /** What a line of Bedrock's batch input asks; its {@code recordId} is the id. */
    static final String MODEL_INPUT = "modelInput";

    static final String RECORD_ID = "recordId";

    /** Where Spark puts the text of a line or record that does not parse. */
    static final String CORRUPT = "_corrupt_record";

    /** Numbers keep their digits, and those that JSON does not know are data like others until somebody asks for them. */
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .nodeFactory(JsonNodeFactory.withExactBigDecimals(true))
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

    /** Whether a column of that name is part of a request as batches of OpenAI or Bedrock have it. */
    static boolean isBatchField(String name) {
        return name.equals(BODY) || name.equals(URL) || name.equals(MODEL_INPUT);
    }

    /** The same with other columns that hold parameters. */
    RequestReader withParameters(Collection<String> names) {
        return with(idColumn, names.toArray(String[]::new));
    }

    /** The same with ids made of file and position. */
    RequestReader withMadeIds() {
        return with(null, parameters);
    }

    private RequestReader with(String id, String[] names) {
        return new RequestReader(
                format,
                needed,
                id,
                idSure,
                idsRequired,
                promptColumn,
                messagesColumn,
                template,
                task,
                root,
                zone,
                names,
                named);
    }

    /** Reads a row that has the columns of {@link Input#rows}, or those of a table. */
    public PromptRow read(Row row) {
        int file = index(row, Input.FILE);
        int position = index(row, Input.POSITION);
        String uri = file < 0 ? null : row.getString(file);
        Long number = position < 0 || row.isNullAt(position) ? null : (Long) row.get(position);
        int line = index(row, Input.LINE);
        if (line >= 0) {
            return read((byte[]) row.get(line), uri, number);
        }
        CellValues values = new CellValues(zone);
        ObjectNode fields = JSON.createObjectNode();
        for (String name : needed) {
            JsonNode value = values.of(row.get(row.fieldIndex(name)));
            if (value != null) {
                fields.set(name, value);
            }
        }
        return read(fields, uri, number);
    }

    private static int index(Row row, String column) {
        scala.Option<Object> index = row.schema().getFieldIndex(column);
        return index.isDefined() ? (Integer) index.get() : -1;
    }

    /**
     * Reads a line.
     *
     * @param json UTF-8
     * @param file URI, or null
     * @param position line from 1, or null
     */
    PromptRow read(byte[] json, String file, Long position) {
        try {
            return read(parse(json), file, position);
        } catch (RowException e) {
            return broken(madeId(file, position), false, location(file, position), e);
        }
    }

    PromptRow read(ObjectNode row, String file, Long position) {
        String location = location(file, position);
        String id = madeId(file, position);
        boolean idGiven = false;
        try {
            String given = id(row);
            if (given != null) {
                id = given;
                idGiven = true;
            } else if (id == null && idsRequired) {
                throw new RowException(INVALID_ID, idColumn + " is null: every row of a table needs an id");
            }
            if (format == InputFormat.CSV && row.hasNonNull(CORRUPT)) {
                throw new RowException("invalid_csv", "the row has more or fewer cells than the header");
            }
            return new PromptRow(id, idGiven, location, request(row, id), null);
        } catch (RowException e) {
            return broken(id, idGiven, location, e);
        }
    }

    private String madeId(String file, Long position) {
        return file == null ? null : name(file) + "#" + position;
    }

    private RowRequest request(ObjectNode row, String id) throws RowException {
        boolean bedrock = !named && row.path(MODEL_INPUT).isObject();
        boolean batch =
                bedrock || !named && row.path(BODY).isObject() && row.path(URL).isTextual();
        if (!named) {
            requireOne(row, bedrock ? MODEL_INPUT : batch ? BODY : null);
        }
        JsonNode fields = bedrock ? row.get(MODEL_INPUT) : batch ? row.get(BODY) : row;
        Task rowTask =
                bedrock ? bedrockTask(fields) : batch ? taskOf(row.get(URL).asText()) : task;
        Field prompt;
        Field messages;
        if (template != null) {
            prompt = new Field("prompt", filled(row));
            messages = null;
        } else if (batch) {
            prompt = rowTask == Task.CHAT ? null : bedrock ? rendered(fields) : field(fields, "prompt");
            messages = field(fields, "messages");
        } else {
            prompt = field(fields, promptColumn);
            messages = field(fields, messagesColumn);
        }
        Field tools = batch ? batchTools(fields) : isParameter(Columns.TOOLS) ? field(fields, Columns.TOOLS) : null;
        return new RowRequest(id, rowTask, prompt, messages, tools, parameters(fields, batch));
    }

    /** @param body the field that holds a request of a batch; null if the row has none */
    private void requireOne(ObjectNode row, String body) throws RowException {
        List<String> given = Stream.of(body, promptColumn, messagesColumn)
                .filter(name -> name != null && !isEmpty(row.get(name)))
                .toList();
        if (given.size() > 1) {
            String choices = given.stream()
                    .filter(name -> !name.equals(body))
                    .map(name -> (name.equals(promptColumn) ? "--prompt-column " : "--messages-column ") + name)
                    .collect(Collectors.joining(" or "));
            throw new RowException(
                    AMBIGUOUS,
                    "the row asks with more than one column, " + String.join(" and ", given) + ": choose with "
                            + choices + (body == null ? "" : ", or take what is not meant out of the input"));
        }
    }

    private static boolean isEmpty(JsonNode value) {
        return value == null
                || value.isNull()
                || value.isTextual() && value.textValue().isEmpty()
                || value.isArray() && value.isEmpty();
    }

    /** A prompt of Bedrock's is rendered already. */
    private static Task bedrockTask(JsonNode fields) {
        return fields.has("messages") ? Task.CHAT : Task.COMPLETE;
    }

    /** The beginning of the sequence is a token, which comes by itself; written out it would be three characters. */
    private static Field rendered(JsonNode fields) {
        JsonNode prompt = fields.get("prompt");
        return prompt != null && prompt.isTextual()
                ? new Field("prompt", TextNode.valueOf(prompt.textValue().replaceFirst("^<s>\\s?", "")))
                : new Field("prompt", prompt);
    }

    private static Field field(JsonNode fields, String name) {
        return name == null ? null : new Field(name, fields.get(name));
    }

    private static ObjectNode parse(byte[] json) throws RowException {
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
        if (row instanceof ObjectNode object) {
            return object;
        }
        throw new RowException("invalid_json", "must be a JSON object, not " + RowRequest.kind(row));
    }

    private String id(JsonNode row) throws RowException {
        JsonNode id = idColumn == null ? null : row.get(idColumn);
        if (id == null || id.isNull() || id.isTextual() && id.asText().isEmpty()) {
            return null;
        }
        boolean unfit = !id.isTextual() && !id.isIntegralNumber();
        if (unfit && !idSure) {
            return null;
        }
        if (unfit) {
            throw new RowException(
                    INVALID_ID, idColumn + " must be a string or a whole number, not " + RowRequest.kind(id));
        }
        if (!isWhole(id.asText())) {
            if (!idSure) {
                return null;
            }
            throw new RowException(INVALID_ID, idColumn + " holds half of a surrogate pair, which is no character");
        }
        return id.asText();
    }

    /** Whether a text can be written as UTF-8: it has no half of a surrogate pair. */
    private static boolean isWhole(String text) {
        return StandardCharsets.UTF_8.newEncoder().canEncode(text);
    }

    private TextNode filled(JsonNode row) throws RowException {
        for (String column : template.columns()) {
            JsonNode value = row.get(column);
            if (value == null || value.isNull()) {
                throw new RowException(
                        "invalid_prompt",
                        column + " is " + (value == null ? "missing" : "null") + ", which --prompt-template needs");
            }
        }
        return TextNode.valueOf(template.fill(column -> CellValues.text(row.get(column))));
    }

    private static Field batchTools(JsonNode body) throws RowException {
        return switch (body.path("tool_choice").asText("auto")) {
            case "auto" -> field(body, Columns.TOOLS);
            case "none" -> null;
            default ->
                throw new RowException(
                        "invalid_tools", "tool_choice must be auto or none, not " + body.get("tool_choice"));
        };
    }

    /** A row's columns of known names; all of a batch request's body but the prompt, so that nothing in it is overlooked. */
    private Map<String, JsonNode> parameters(JsonNode fields, boolean batch) {
        Map<String, JsonNode> parameters = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : fields.properties()) {
            String name = field.getKey();
            boolean parameter =
                    batch ? !PROMPT_FIELDS.contains(name) : isParameter(name) && !name.equals(Columns.TOOLS);
            if (parameter && !field.getValue().isNull()) {
                parameters.put(name, format == InputFormat.CSV ? cell(field.getValue()) : field.getValue());
            }
        }
        return parameters;
    }

    private boolean isParameter(String column) {
        return Arrays.asList(parameters).contains(column);
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

    private static PromptRow broken(String id, boolean idGiven, String location, RowException e) {
        String message = location.isEmpty()
                ? e.getMessage()
                : location + (e.code.equals("invalid_json") ? " " : ": ") + e.getMessage();
        return new PromptRow(id, idGiven, location, null, new RequestError(e.code, message, false));
    }

    /** A row's place, for messages; empty if it stands in no file. */
    String location(String file, Long position) {
        if (file == null) {
            return "";
        }
        String unit = format == InputFormat.JSONL || format == InputFormat.TEXT ? " line " : " row ";
        return name(file) + unit + position;
    }

    private String name(String file) {
        String uri = Uris.normalized(file);
        return uri.startsWith(root) ? uri.substring(root.length()) : uri;
    }
}
