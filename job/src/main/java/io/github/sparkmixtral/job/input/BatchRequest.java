package io.github.sparkmixtral.job.input;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.job.input.RequestReader.RowException;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.Task;
import java.time.ZoneId;
import java.util.Optional;
import java.util.Set;
import org.apache.spark.sql.Row;

/**
 * The request that a line of a batch file holds: in its {@code body} (OpenAI, Azure, Mistral, Together), its {@code params}
 * (Anthropic) or its {@code modelInput} (Bedrock).
 *
 * @param fields all of it
 * @param prompt null for a chat
 * @param messages null where there are none
 * @param tools null for none
 */
public record BatchRequest(ObjectNode fields, Task task, Field prompt, Field messages, Field tools) {

    static final String BODY = "body";
    static final String URL = "url";
    static final String PARAMS = "params";

    /** Bedrock's; its {@code recordId} is the id. */
    static final String MODEL_INPUT = "modelInput";

    static final String RECORD_ID = "recordId";
    private static final String SYSTEM = "system";

    /** What of a request is not a parameter; the choice of a tool is the model's own, as {@code auto} says. */
    static final Set<String> PROMPT_FIELDS = Set.of("messages", "prompt", RequestReader.TOOLS, "tool_choice", SYSTEM);

    /**
     * Finds a row's request.
     *
     * @param data fields that are data, whatever they look like
     * @return null for a row that is no line of a batch file
     */
    static BatchRequest of(ObjectNode row, Set<String> data) throws RowException {
        ObjectNode bedrock = inner(row, MODEL_INPUT, data);
        if (bedrock != null) {
            return of(bedrock, bedrockTask(bedrock), rendered(bedrock), field(bedrock, "messages"));
        }
        ObjectNode anthropic = inner(row, PARAMS, data);
        if (anthropic != null && anthropic.has("messages")) {
            return of(anthropic, Task.CHAT, null, withSystem(anthropic));
        }
        ObjectNode body = inner(row, BODY, data);
        if (body != null && (row.path(URL).isTextual() || isRequest(body))) {
            Task task = taskOf(row.path(URL).textValue(), body);
            return of(body, task, field(body, "prompt"), field(body, "messages"));
        }
        return null;
    }

    private static BatchRequest of(ObjectNode fields, Task task, Field prompt, Field messages) throws RowException {
        return new BatchRequest(fields, task, task == Task.CHAT ? null : prompt, messages, batchTools(fields));
    }

    private static Field field(JsonNode fields, String name) {
        return new Field(name, fields.get(name));
    }

    /** What a row of a batch file asks for by its url or, without one, by its body; empty for other rows. */
    public static Optional<Task> task(Row row) {
        CellValues values = new CellValues(ZoneId.of("UTC"));
        ObjectNode fields = RequestReader.JSON.createObjectNode();
        for (String name : new String[] {BODY, URL, PARAMS}) {
            scala.Option<Object> index = row.schema().getFieldIndex(name);
            if (index.isDefined() && !row.isNullAt((Integer) index.get())) {
                fields.set(name, values.of(row.get((Integer) index.get())));
            }
        }
        try {
            return Optional.ofNullable(of(fields, Set.of())).map(BatchRequest::task);
        } catch (RowException e) {
            return Optional.empty();
        }
    }

    private static boolean isRequest(ObjectNode body) {
        return body.has("messages") || body.has("prompt") || body.has("input");
    }

    /** The object in a row's field, also if it is JSON text; null where there is none. */
    private static ObjectNode inner(ObjectNode row, String name, Set<String> data) {
        JsonNode value = row.get(name);
        return value == null || data.contains(name) ? null : object(value);
    }

    static ObjectNode object(JsonNode value) {
        if (value instanceof ObjectNode object) {
            return object;
        }
        if (!value.isTextual() || !value.textValue().stripLeading().startsWith("{")) {
            return null;
        }
        try {
            return RequestReader.JSON.readTree(value.textValue()) instanceof ObjectNode object ? object : null;
        } catch (JacksonException | NumberFormatException e) {
            return null;
        }
    }

    /** Anthropic's system prompt stands beside the messages. */
    private static Field withSystem(ObjectNode params) {
        JsonNode system = params.path(SYSTEM);
        JsonNode messages = params.get("messages");
        if (system.isMissingNode() || system.isNull() || !messages.isArray()) {
            return new Field("messages", messages);
        }
        ArrayNode all = RequestReader.JSON.createArrayNode();
        all.addObject().put("role", "system").set("content", system);
        return new Field("messages", all.addAll((ArrayNode) messages));
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

    private static Field batchTools(JsonNode body) throws RowException {
        return switch (body.path("tool_choice").asText("auto")) {
            case "auto" -> field(body, RequestReader.TOOLS);
            case "none" -> null;
            default ->
                throw new RowException(
                        "invalid_tools", "tool_choice must be auto or none, not " + body.get("tool_choice"));
        };
    }

    /** @param url as OpenAI's or with a host, a query or a slash at its end; null for what the body's fields say */
    private static Task taskOf(String url, ObjectNode body) throws RowException {
        if (url == null) {
            if (body.has("messages")) {
                return Task.CHAT;
            }
            if (body.has("prompt")) {
                return Task.COMPLETE;
            }
            throw new RowException(
                    "unsupported_url",
                    "body has neither messages nor a prompt: embeddings and other requests are not supported");
        }
        String path = "/"
                + url.strip().replaceFirst("[?#].*", "").replaceFirst("/+$", "").replaceFirst("^/+", "");
        if (path.endsWith("/chat/completions")) {
            return Task.CHAT;
        }
        if (path.endsWith("/v1/completions") || path.equals("/completions")) {
            return Task.COMPLETE;
        }
        throw new RowException("unsupported_url", "url must be /v1/chat/completions or /v1/completions, not " + url);
    }
}
