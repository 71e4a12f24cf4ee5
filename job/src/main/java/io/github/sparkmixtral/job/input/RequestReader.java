package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.PromptTemplate;
import io.github.sparkmixtral.job.options.Uris;
import io.github.sparkmixtral.service.ParametersReader;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.Task;
import java.io.IOException;
import java.io.Serializable;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.spark.sql.Row;

/**
 * Chooses what a row asks for: out of its own columns, or out of the request that a line of a batch file holds (OpenAI's, Mistral's
 * and Together's {@code body}, Anthropic's {@code params}, Bedrock's {@code modelInput}). What is
 * wrong with a row becomes its error, never an exception. The values themselves are checked where they become a request.
 *
 * @param format of the input; the cells of {@link InputFormat#CSV} are text, so sampling parameters are parsed there
 * @param needed the columns that a request is made of; not looked at for {@link InputFormat#JSONL}, whose rows are lines
 * @param idColumn null where ids are made of file and position, or there are none
 * @param idsRequired whether a row without an id that stands in no file is an error
 * @param promptColumn null where no row has one
 * @param messagesColumn null where no row has one
 * @param template null where the prompt is a column
 * @param root directory that file names are told from, with a slash at its end
 * @param zone the session's, for timestamps
 */
public record RequestReader(
        InputFormat format,
        String[] needed,
        String idColumn,
        boolean idsRequired,
        String promptColumn,
        String messagesColumn,
        PromptTemplate template,
        Task task,
        String root,
        ZoneId zone)
        implements Serializable {

    /** Objects of parameters beside a prompt: Ray's, and TGI's, whose prompt is called {@link #INPUTS}. */
    private static final String SAMPLING_PARAMS = "sampling_params";

    private static final String PARAMETERS = "parameters";
    static final String INPUTS = "inputs";

    static final String TOOLS = "tools";
    /** Where Spark puts the text of a line or record that does not parse. */
    static final String CORRUPT = "_corrupt_record";

    /** Numbers keep their digits, and those that JSON does not know are data like others until somebody asks for them. */
    static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .nodeFactory(JsonNodeFactory.withExactBigDecimals(true))
            .build();

    private static final Pattern ARRAY_OF_OBJECTS = Pattern.compile("\\s*\\[\\s*[{\\]]");

    /** A row is wrong; the message begins with the field. */
    static final class RowException extends Exception {
        private static final long serialVersionUID = 1L;
        private final String code;

        RowException(String code, String message) {
            super(message, null, false, false);
            this.code = code;
        }
    }

    /** Whether a column of that name is part of a request, whatever the options say. */
    static boolean isField(String name) {
        return ParametersReader.NAMES.contains(name)
                || name.equals(TOOLS)
                || name.equals(BatchRequest.BODY)
                || name.equals(BatchRequest.URL)
                || name.equals(BatchRequest.MODEL_INPUT)
                || name.equals(BatchRequest.PARAMS)
                || name.equals(PARAMETERS)
                || name.equals(SAMPLING_PARAMS);
    }

    /** Whether a column may hold parameters that nobody sees before the rows are read. */
    static boolean holdsParameters(List<String> columns) {
        return columns.contains(BatchRequest.BODY)
                || columns.contains(SAMPLING_PARAMS)
                || columns.contains(PARAMETERS) && columns.contains(INPUTS);
    }

    /** Fields whose arrays and objects differ from row to row. */
    static List<String> nestedFields(String messagesColumn) {
        List<String> names = new ArrayList<>(List.of(
                "messages",
                TOOLS,
                BatchRequest.BODY,
                BatchRequest.MODEL_INPUT,
                BatchRequest.PARAMS,
                PARAMETERS,
                SAMPLING_PARAMS,
                "metadata",
                "logit_bias"));
        names.addAll(List.of("response_format", "tool_choice", "functions", messagesColumn));
        return names;
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
                throw new RowException("invalid_id", idColumn + " is null: every row of a table needs an id");
            }
            if (format == InputFormat.CSV && row.hasNonNull(CORRUPT)) {
                throw new RowException("invalid_csv", "the row has more or fewer cells than the header");
            }
            if (format == InputFormat.TEXT && row.hasNonNull(CORRUPT)) {
                throw new RowException("invalid_prompt", "the line is not UTF-8 text");
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
        BatchRequest batch = BatchRequest.of(row, template == null ? Set.of() : template.columns());
        if (batch != null) {
            Field prompt = template == null ? batch.prompt() : new Field("prompt", filled(row));
            Field messages = template == null ? batch.messages() : null;
            return new RowRequest(id, batch.task(), prompt, messages, batch.tools(), parameters(batch.fields(), true));
        }
        Field prompt = template == null ? field(row, promptColumn) : new Field("prompt", filled(row));
        Field messages = template == null ? field(row, messagesColumn) : null;
        return new RowRequest(id, task, prompt, messages, tools(row), parameters(row, false));
    }

    /**
     * The tools of a row that is no request of a batch file. A column of that name that holds no array of objects is data, like any
     * other.
     */
    private Field tools(ObjectNode row) {
        JsonNode value = row.get(TOOLS);
        boolean data = template != null && template.columns().contains(TOOLS);
        if (value == null || data || !isArrayOfObjects(value)) {
            return null;
        }
        return new Field(TOOLS, value);
    }

    /** By its beginning: a text that is broken further on is an error, and not data. */
    private static boolean isArrayOfObjects(JsonNode value) {
        return value.isTextual()
                ? ARRAY_OF_OBJECTS.matcher(value.textValue()).lookingAt()
                : value.isArray() && (value.isEmpty() || value.get(0).isObject());
    }

    private static Field field(JsonNode fields, String name) {
        return name == null ? null : new Field(name, fields.get(name));
    }

    private static ObjectNode parse(byte[] json) throws RowException {
        JsonNode row;
        try {
            row = JSON.readTree(json, 0, lengthWithoutComma(json));
        } catch (JacksonException e) {
            String place = e.getLocation() == null
                    ? ""
                    : " at column " + e.getLocation().getColumnNr();
            throw new RowException(
                    "invalid_json",
                    "is not valid JSON" + place + ": "
                            + e.getOriginalMessage().lines().findFirst().orElse(""));
        } catch (IOException | NumberFormatException e) {
            // The latter for numbers whose exponents no number has.
            throw new RowException("invalid_json", "is not valid JSON: " + e.getMessage());
        }
        if (row instanceof ObjectNode object) {
            return object;
        }
        throw new RowException("invalid_json", "must be a JSON object, not " + RowRequest.kind(row));
    }

    /** Without a comma at the end, which lines have that were cut out of an array. */
    private static int lengthWithoutComma(byte[] line) {
        int length = line.length;
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t' || line[length - 1] == '\r')) {
            length--;
        }
        return length > 0 && line[length - 1] == ',' ? length - 1 : length;
    }

    private String id(JsonNode row) throws RowException {
        JsonNode id = idColumn == null ? null : row.get(idColumn);
        if (id == null || id.isNull() || id.isTextual() && id.asText().isEmpty()) {
            return null;
        }
        if (!id.isTextual() && !id.isIntegralNumber()) {
            throw new RowException(
                    "invalid_id", idColumn + " must be a string or a whole number, not " + RowRequest.kind(id));
        }
        return id.asText();
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

    /** A row's columns of known names; all of a batch request's body but the prompt, so that nothing in it is overlooked. */
    private Map<String, JsonNode> parameters(ObjectNode fields, boolean batch) throws RowException {
        Map<String, JsonNode> parameters = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : fields.properties()) {
            String name = field.getKey();
            boolean inTemplate = template != null && template.columns().contains(name);
            boolean parameter = batch
                    ? !BatchRequest.PROMPT_FIELDS.contains(name)
                    : ParametersReader.NAMES.contains(name) && !inTemplate;
            if (parameter && !field.getValue().isNull()) {
                parameters.put(name, format == InputFormat.CSV ? cell(name, field.getValue()) : field.getValue());
            }
        }
        if (!batch) {
            parameters.putAll(inside(fields, SAMPLING_PARAMS));
            if (INPUTS.equals(promptColumn)
                    || fields.has(INPUTS) && fields.path(PARAMETERS).isObject()) {
                parameters.putAll(inside(fields, PARAMETERS));
            }
        }
        return parameters;
    }

    /** All that an object of parameters in a column holds. */
    private Map<String, JsonNode> inside(ObjectNode row, String name) throws RowException {
        JsonNode value = row.get(name);
        if (value == null
                || value.isNull()
                || template != null && template.columns().contains(name)) {
            return Map.of();
        }
        ObjectNode object = BatchRequest.object(value);
        if (object == null) {
            throw new RowException(
                    "invalid_parameters", name + " must be an object of parameters, not " + RowRequest.kind(value));
        }
        Map<String, JsonNode> inside = new LinkedHashMap<>();
        object.properties().forEach(field -> inside.put(field.getKey(), field.getValue()));
        return inside;
    }

    /** A cell of a CSV file: JSON where it is JSON, or Python's True and False, else text; a stop string is text if it is no list. */
    private static JsonNode cell(String name, JsonNode text) {
        String written = text.asText();
        if (written.equals("True") || written.equals("False")) {
            return BooleanNode.valueOf(written.equals("True"));
        }
        try {
            JsonNode value = JSON.readTree(written);
            boolean stop = ParametersReader.meant(name).equals("stop") && !value.isArray() && !value.isTextual();
            return stop ? text : value;
        } catch (JacksonException | NumberFormatException e) {
            return text;
        }
    }

    private static PromptRow broken(String id, boolean idGiven, String location, RowException e) {
        String message = location.isEmpty()
                ? e.getMessage()
                : location + (e.code.equals("invalid_json") ? " " : ": ") + e.getMessage();
        return new PromptRow(id, idGiven, location, null, new RequestError(e.code, message, false));
    }

    private String location(String file, Long position) {
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
