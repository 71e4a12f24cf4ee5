package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.ContextRetrieval;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.PromptTemplate;
import io.github.sparkmixtral.job.options.Uris;
import io.github.sparkmixtral.service.ParametersReader;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.Task;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;

/**
 * Chooses what a row asks for: out of its own columns, or out of the request that a line of a batch file holds (OpenAI's, Mistral's
 * and Together's {@code body}, Anthropic's {@code params}, Bedrock's {@code modelInput}). What is
 * wrong with a row becomes its error, never an exception. The values themselves are checked where they become a request.
 *
 * @param format of the input; the cells of {@link InputFormat#CSV} are text, so sampling parameters are parsed there
 * @param needed the columns that a request is made of; not looked at for {@link InputFormat#JSONL}, whose rows are lines
 * @param idColumn null where ids are made of file and position, or there are none
 * @param idSure whether each value has to be an id; if not, one that is none is data, and an id is made
 * @param idsRequired whether a row without an id that stands in no file is an error
 * @param promptColumn null where no row has one
 * @param messagesColumn null where no row has one
 * @param completionColumn text that is scored; null where none is
 * @param template null where the prompt is a column
 * @param context null where no passages are looked for
 * @param root directory that file names are told from, with a slash at its end
 * @param zone the session's, for timestamps
 * @param parameters the columns that hold a row's own sampling parameters, and {@code tools}
 * @param open those that hold such or data, which is not decided yet
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
        String completionColumn,
        PromptTemplate template,
        ContextRetrieval context,
        Task task,
        String root,
        ZoneId zone,
        String[] parameters,
        String[] open,
        boolean named)
        implements Serializable {

    /** The error of a row that asks with two columns, so that an option has to choose. */
    static final String AMBIGUOUS = "ambiguous_prompt";

    /** The error of a row whose id is none. */
    static final String INVALID_ID = "invalid_id";

    /** Stands for passages in a prompt that has none yet, for a prompt of nothing else is not empty. */
    private static final String PASSAGES_TO_COME = "…";

    private static final String INVALID_PROMPT = "invalid_prompt";
    private static final String INVALID_PARAMETERS = "invalid_parameters";

    /** Where Spark puts the text of a line or record that does not parse. */
    static final String CORRUPT = "_corrupt_record";

    /** A row is wrong; the message begins with the field. */
    static final class RowException extends Exception {
        private static final long serialVersionUID = 1L;
        private final String code;

        RowException(String code, String message) {
            super(message, null, false, false);
            this.code = code;
        }
    }

    /**
     * Fields whose arrays and objects differ from row to row.
     *
     * @param messagesColumn null if none is named
     */
    static List<String> nestedFields(String messagesColumn) {
        List<String> names = new ArrayList<>(BatchRequest.HOLDERS);
        names.addAll(List.of("messages", "conversations", Columns.TOOLS, Columns.PARAMETERS, Columns.SAMPLING_PARAMS));
        names.addAll(List.of(
                "metadata",
                "logit_bias",
                "response_format",
                "structured_outputs",
                "guided_json",
                "guided_choice",
                "tool_choice",
                "functions"));
        if (messagesColumn != null) {
            names.add(messagesColumn);
        }
        return names;
    }

    /** The same with other columns that hold parameters, and none open. */
    RequestReader withParameters(Collection<String> names) {
        return with(idColumn, names.toArray(String[]::new), new String[0]);
    }

    /** The same with ids made of file and position. */
    RequestReader withMadeIds() {
        return with(null, parameters, open);
    }

    private RequestReader with(String id, String[] taken, String[] undecided) {
        return new RequestReader(
                format,
                needed,
                id,
                idSure,
                idsRequired,
                promptColumn,
                messagesColumn,
                completionColumn,
                template,
                context,
                task,
                root,
                zone,
                taken,
                undecided,
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
        ObjectNode fields = JsonLine.JSON.createObjectNode();
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
            return read(parsed(json), file, position);
        } catch (RowException e) {
            return broken(madeId(file, position), false, location(file, position), e);
        }
    }

    /** With the numbers that a template needs as text, as they are written: 1.25E7 stays 1.25E7. */
    private ObjectNode parsed(byte[] json) throws RowException {
        ObjectNode row = JsonLine.parse(json);
        if (template != null && templateColumns().stream().anyMatch(name -> isFraction(row.get(name)))) {
            Map<String, String> written = JsonLine.fractions(json);
            for (String name : templateColumns()) {
                if (written.containsKey(name) && !name.equals(idColumn)) {
                    row.put(name, written.get(name));
                }
            }
        }
        return row;
    }

    private static boolean isFraction(JsonNode value) {
        return value != null && value.isNumber() && !value.isIntegralNumber();
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
            if (format == InputFormat.TEXT && row.hasNonNull(CORRUPT)) {
                throw new RowException(INVALID_PROMPT, "the line is not UTF-8 text");
            }
            List<BatchRequest> batch = named ? List.of() : BatchRequest.all(row);
            RowRequest request = batch.isEmpty() ? request(row, id) : request(row, id, batch);
            PromptRow prompt =
                    new PromptRow(id, idGiven, location, request, null, batch.isEmpty() ? openValues(row) : Map.of());
            return context == null ? prompt : prompt.about(question(row, request));
        } catch (RowException e) {
            return broken(id, idGiven, location, e);
        }
    }

    private String madeId(String file, Long position) {
        return file == null ? null : name(file) + "#" + position;
    }

    private RowRequest request(ObjectNode row, String id) throws RowException {
        if (!named) {
            requireOne(row, List.of());
        }
        Field prompt = template == null ? field(row, promptColumn) : new Field("prompt", filled(row));
        Field messages = template == null ? field(row, messagesColumn) : null;
        Field tools = isParameter(Columns.TOOLS) ? field(row, Columns.TOOLS) : null;
        return new RowRequest(id, task, prompt, messages, tools, field(row, completionColumn), parameters(row));
    }

    private RowRequest request(ObjectNode row, String id, List<BatchRequest> requests) throws RowException {
        requireOne(row, requests.stream().map(BatchRequest::name).toList());
        BatchRequest batch = requests.getFirst();
        return new RowRequest(id, batch.task(), batch.prompt(), batch.messages(), batch.tools(), batch.parameters());
    }

    /** @param holders the fields that hold a request of a batch */
    private void requireOne(ObjectNode row, List<String> holders) throws RowException {
        List<String> given = new ArrayList<>(holders);
        List<String> options = new ArrayList<>();
        if (!isEmpty(row, promptColumn)) {
            given.add(promptColumn);
            options.add("--prompt-column " + promptColumn);
        }
        if (!isEmpty(row, messagesColumn)) {
            given.add(messagesColumn);
            options.add("--messages-column " + messagesColumn);
        }
        if (given.size() > 1) {
            List<String> ways = new ArrayList<>();
            if (!options.isEmpty()) {
                ways.add("choose with " + String.join(" or ", options));
            }
            if (!holders.isEmpty()) {
                ways.add("take what is not meant out of the input");
            }
            throw new RowException(
                    AMBIGUOUS,
                    "the row asks with more than one column, " + String.join(" and ", given) + ": "
                            + String.join(", or ", ways));
        }
    }

    private static boolean isEmpty(ObjectNode row, String name) {
        JsonNode value = name == null ? null : row.get(name);
        return value == null
                || value.isNull()
                || value.isTextual() && value.textValue().isEmpty()
                || value.isArray() && value.isEmpty();
    }

    private static Field field(JsonNode fields, String name) {
        return name == null ? null : new Field(name, fields.get(name));
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

    /** The text of the template; without the passages, which are found later. */
    private TextNode filled(JsonNode row) throws RowException {
        requireValues("--prompt-template", templateColumns(), row);
        return TextNode.valueOf(
                template.fill(column -> isPassages(column) ? PASSAGES_TO_COME : CellValues.text(row.get(column))));
    }

    private List<String> templateColumns() {
        return template.columns().stream().filter(name -> !isPassages(name)).toList();
    }

    private boolean isPassages(String column) {
        return context != null && column.equals(PromptTemplate.CONTEXT);
    }

    private static void requireValues(String option, Collection<String> columns, JsonNode row) throws RowException {
        for (String column : columns) {
            JsonNode value = row.get(column);
            if (value == null || value.isNull()) {
                throw new RowException(
                        INVALID_PROMPT,
                        column + " is " + (value == null ? "missing" : "null") + ", which " + option + " needs");
            }
        }
    }

    /** What passages are to be found for; null for a request that is none, which is told where it is checked. */
    private ContextQuestion question(ObjectNode row, RowRequest request) throws RowException {
        if (request.task() == Task.EMBED) {
            return null;
        }
        String query = null;
        if (context.query() != null) {
            requireValues("--context-query", context.query().columns(), row);
            query = context.query().fill(column -> CellValues.text(row.get(column)));
        }
        if (template != null) {
            return new ContextQuestion(
                    query, template.fillAllBut(PromptTemplate.CONTEXT, column -> CellValues.text(row.get(column))));
        }
        String text = asked(request);
        return text == null || text.isBlank() ? null : ContextQuestion.of(query == null ? text : query, text);
    }

    /** The prompt, or the last message of the user; null where there is none. */
    private static String asked(RowRequest request) {
        if (request.messages() != null && request.messages().given()) {
            LastUserMessage message = LastUserMessage.of(request.messages().value());
            return message == null ? null : message.text();
        }
        JsonNode prompt = request.prompt() == null ? null : request.prompt().value();
        return prompt == null ? null : prompt.textValue();
    }

    private boolean isParameter(String column) {
        return Arrays.asList(parameters).contains(column);
    }

    /** What the row's columns of parameters hold, and the objects in them. */
    private Map<String, JsonNode> parameters(ObjectNode row) throws RowException {
        Map<String, JsonNode> all = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> field : row.properties()) {
            String name = field.getKey();
            JsonNode value = field.getValue();
            if (!isParameter(name) || name.equals(Columns.TOOLS) || value.isNull()) {
                continue;
            }
            if (!Columns.isObject(name)) {
                put(name, value(name, value), all);
                continue;
            }
            ObjectNode object = JsonLine.object(value);
            if (object == null) {
                throw new RowException(
                        INVALID_PARAMETERS,
                        name + " must be an object of parameters, not " + RowRequest.kind(value)
                                + "; --parameter-columns says which columns hold parameters");
            }
            for (Map.Entry<String, JsonNode> inside : object.properties()) {
                put(inside.getKey(), inside.getValue(), all);
            }
        }
        return all;
    }

    private static void put(String name, JsonNode value, Map<String, JsonNode> all) throws RowException {
        JsonNode before = all.putIfAbsent(name, value);
        if (before != null && !before.equals(value)) {
            throw new RowException(
                    INVALID_PARAMETERS,
                    name + " is both a column and in an object of parameters, with two values: give one of them");
        }
    }

    private Map<String, JsonNode> openValues(ObjectNode row) {
        Map<String, JsonNode> values = new LinkedHashMap<>();
        for (String name : open) {
            if (row.hasNonNull(name)) {
                values.put(name, value(name, row.get(name)));
            }
        }
        return values;
    }

    private JsonNode value(String name, JsonNode value) {
        return format == InputFormat.CSV ? cell(name, value) : value;
    }

    /** A cell of a CSV file; a stop string is text if it is no list. */
    private static JsonNode cell(String name, JsonNode text) {
        JsonNode value = JsonLine.cell(text.asText());
        boolean isText = ParametersReader.meant(name).equals("stop") && !value.isArray() && !value.isTextual();
        return isText ? text : value;
    }

    private static PromptRow broken(String id, boolean idGiven, String location, RowException e) {
        String message = location.isEmpty()
                ? e.getMessage()
                : location + (e.code.equals("invalid_json") ? " " : ": ") + e.getMessage();
        return new PromptRow(id, idGiven, location, null, new RequestError(e.code, message, false), Map.of());
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
