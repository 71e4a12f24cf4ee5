package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.job.input.RequestReader.RowException;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.Task;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.sql.Row;

/**
 * The request that a line of a batch file holds: in its {@code body} (OpenAI, Azure, Mistral, Together), its {@code params}
 * (Anthropic) or its {@code modelInput} (Bedrock).
 *
 * @param name of the field that holds it
 * @param fields all of it
 * @param url null where there is none
 */
public record BatchRequest(String name, ObjectNode fields, String url) {

    static final String BODY = "body";
    static final String URL = "url";
    static final String PARAMS = "params";

    /** Bedrock's; its {@code recordId} is the id. */
    static final String MODEL_INPUT = "modelInput";

    static final String RECORD_ID = "recordId";

    /** The fields that may hold a request. */
    static final List<String> HOLDERS = List.of(MODEL_INPUT, PARAMS, BODY);

    private static final String SYSTEM = "system";
    private static final String MESSAGES = "messages";
    private static final String PROMPT = "prompt";

    /** What a request for an embedding calls its prompt. */
    private static final String INPUT = "input";

    /** What of a request is not a parameter. */
    private static final Set<String> PROMPT_FIELDS = Set.of(MESSAGES, PROMPT, INPUT, Columns.TOOLS);

    /** Whether a column of that name is part of a row of a batch file. */
    static boolean isField(String name) {
        return HOLDERS.contains(name) || name.equals(URL);
    }

    /** The requests that a row holds; none for a row of no batch file. */
    static List<BatchRequest> all(ObjectNode row) {
        List<BatchRequest> all = new ArrayList<>();
        for (String name : HOLDERS) {
            ObjectNode fields = row.has(name) ? JsonLine.object(row.get(name)) : null;
            String url = name.equals(BODY) ? row.path(URL).textValue() : null;
            if (fields != null && isRequest(name, fields, url)) {
                all.add(new BatchRequest(name, fields, url));
            }
        }
        return all;
    }

    private static boolean isRequest(String name, ObjectNode fields, String url) {
        return switch (name) {
            case MODEL_INPUT -> true;
            case PARAMS -> fields.has(MESSAGES);
            default -> url != null || fields.has(MESSAGES) || fields.has(PROMPT) || fields.has(INPUT);
        };
    }

    /** What a row of a batch file asks for by its url or, without one, by its request; empty for other rows. */
    public static Optional<Task> task(Row row) {
        CellValues values = new CellValues(ZoneId.of("UTC"));
        ObjectNode fields = JsonLine.JSON.createObjectNode();
        for (String name : row.schema().fieldNames()) {
            JsonNode value = isField(name) ? values.of(row.get(row.fieldIndex(name))) : null;
            if (value != null) {
                fields.set(name, value);
            }
        }
        try {
            List<BatchRequest> all = all(fields);
            return all.isEmpty() ? Optional.empty() : Optional.of(all.getFirst().task());
        } catch (RowException e) {
            return Optional.empty();
        }
    }

    Task task() throws RowException {
        return switch (name) {
            case MODEL_INPUT -> fields.has(MESSAGES) ? Task.CHAT : Task.COMPLETE;
            case PARAMS -> Task.CHAT;
            default -> url == null ? taskOfBody() : taskOfUrl();
        };
    }

    private Task taskOfBody() throws RowException {
        if (fields.has(MESSAGES)) {
            return Task.CHAT;
        }
        if (fields.has(PROMPT)) {
            return Task.COMPLETE;
        }
        if (fields.has(INPUT)) {
            return Task.EMBED;
        }
        throw new RowException("unsupported_url", "body has neither messages, nor a prompt, nor an input");
    }

    /** The url may have a host, a query or a slash at its end. */
    private Task taskOfUrl() throws RowException {
        String path = "/"
                + url.strip().replaceFirst("[?#].*", "").replaceFirst("/+$", "").replaceFirst("^/+", "");
        if (path.endsWith("/chat/completions")) {
            return Task.CHAT;
        }
        if (path.endsWith("/v1/completions") || path.equals("/completions")) {
            return Task.COMPLETE;
        }
        if (path.endsWith("/embeddings")) {
            return Task.EMBED;
        }
        throw new RowException(
                "unsupported_url", "url must be /v1/chat/completions, /v1/completions or /v1/embeddings, not " + url);
    }

    /** Null for a chat. Bedrock's is rendered already. */
    Field prompt() throws RowException {
        return switch (task()) {
            case CHAT -> null;
            case EMBED -> field(INPUT);
            default -> name.equals(MODEL_INPUT) ? rendered() : field(PROMPT);
        };
    }

    /** The beginning of the sequence is a token, which comes by itself; written out it would be three characters. */
    private Field rendered() {
        JsonNode prompt = fields.get(PROMPT);
        return prompt != null && prompt.isTextual()
                ? new Field(PROMPT, TextNode.valueOf(prompt.textValue().replaceFirst("^<s>\\s?", "")))
                : field(PROMPT);
    }

    /** Anthropic's system prompt, also on Bedrock, stands beside the messages. */
    Field messages() {
        JsonNode system = fields.path(SYSTEM);
        if (system.isMissingNode() || system.isNull() || !fields.path(MESSAGES).isArray()) {
            return field(MESSAGES);
        }
        ArrayNode all = JsonLine.JSON.createArrayNode();
        all.addObject().put("role", SYSTEM).set("content", system);
        return new Field(MESSAGES, all.addAll((ArrayNode) fields.get(MESSAGES)));
    }

    private Field field(String field) {
        return new Field(field, fields.get(field));
    }

    Field tools() {
        return field(Columns.TOOLS);
    }

    /** All that is no prompt, so that nothing in it is overlooked. */
    Map<String, JsonNode> parameters() {
        Map<String, JsonNode> parameters = new LinkedHashMap<>();
        fields.properties().forEach(field -> {
            boolean system = field.getKey().equals(SYSTEM) && fields.has(MESSAGES);
            boolean asked = system || PROMPT_FIELDS.contains(field.getKey());
            if (!asked && !field.getValue().isNull()) {
                parameters.put(field.getKey(), field.getValue());
            }
        });
        return parameters;
    }
}
