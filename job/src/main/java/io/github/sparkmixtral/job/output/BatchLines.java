package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.input.BatchRequest;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OutputColumns;
import io.github.sparkmixtral.service.Task;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Answers as lines of OpenAI's batch output, or of Bedrock's where the row is one of Bedrock's. Ids and times that a server would
 * make up are made of the row's id, and 0: a line depends on its row alone.
 *
 * @param names of the output's columns
 * @param task of rows that do not say their own
 */
record BatchLines(Columns names, Task task) implements MapFunction<Row, Row> {
    private static final StructType SCHEMA = new StructType()
            .add("value", DataTypes.StringType, false)
            .add(ChunkNames.ERRORS, DataTypes.BooleanType, false);
    private static final JsonMapper JSON = new JsonMapper();

    static Dataset<Row> of(Dataset<Row> answers, JobOptions options) {
        BatchLines lines = new BatchLines(
                options.generation().columns(), options.generation().defaults().task());
        return answers.map(lines, Encoders.row(SCHEMA));
    }

    @Override
    public Row call(Row row) {
        Row error = row.getAs(names.output(OutputColumns.ERROR));
        ObjectNode line = isBedrock(row) ? bedrock(row, error) : openAi(row, error);
        return RowFactory.create(line.toString(), error != null);
    }

    private ObjectNode openAi(Row row, Row error) {
        String id = id(row);
        ObjectNode line = JSON.createObjectNode();
        line.put("id", made("batch_req_", id)).put("custom_id", id);
        ObjectNode response = line.putObject("response");
        response.put("status_code", error == null ? 200 : 400).put("request_id", made("req_", id));
        ObjectNode body = response.putObject("body");
        if (error == null) {
            completion(row, body);
            line.putNull("error");
        } else {
            body.putObject("error")
                    .put("message", error.getString(1))
                    .put("type", "invalid_request_error")
                    .putNull("param")
                    .put("code", error.getString(0));
            done(row, body);
            line.putObject("error")
                    .put("code", error.getString(0))
                    .put("message", error.getString(1))
                    .put("retryable", error.getBoolean(2));
        }
        return line;
    }

    private void completion(Row row, ObjectNode body) {
        Task task = task(row);
        if (task == Task.EMBED) {
            embedding(row, body);
            return;
        }
        boolean chat = task.takesMessages() || task == Task.AGENT;
        String id = id(row);
        body.put("id", made(chat ? "chatcmpl-" : "cmpl-", id))
                .put("object", chat ? "chat.completion" : "text_completion")
                .put("created", 0)
                .put("model", row.<String>getAs(names.output(OutputColumns.MODEL)));
        ArrayNode choices = body.putArray("choices");
        List<Row> outputs = outputs(row);
        if (task == Task.SCORE) {
            score(row, body);
        } else if (outputs == null) {
            choice(
                    choices.addObject(),
                    chat,
                    0,
                    row.getAs(names.output(OutputColumns.TEXT)),
                    row.getAs(names.output(OutputColumns.FINISH_REASON)),
                    has(row, OutputColumns.LOGPROBS) ? rows(row.get(index(row, OutputColumns.LOGPROBS))) : null,
                    has(row, OutputColumns.TOOL_CALLS) ? rows(row.get(index(row, OutputColumns.TOOL_CALLS))) : null);
        } else {
            // The fields of an output are those that the row has beside its text.
            int logprobs = isThere(row, OutputColumns.LOGPROBS) ? 3 : -1;
            int calls = isThere(row, OutputColumns.TOOL_CALLS) ? Math.max(3, logprobs + 1) : -1;
            for (Row output : outputs) {
                choice(
                        choices.addObject(),
                        chat,
                        output.getInt(0),
                        output.getString(1),
                        output.getString(2),
                        logprobs < 0 || output.isNullAt(logprobs) ? null : rows(output.get(logprobs)),
                        calls < 0 || output.isNullAt(calls) ? null : rows(output.get(calls)));
            }
        }
        if (has(row, OutputColumns.CHOICE_PROBABILITIES)) {
            ObjectNode probabilities = body.putObject(OutputColumns.CHOICE_PROBABILITIES);
            row.<String, Double>getJavaMap(index(row, OutputColumns.CHOICE_PROBABILITIES))
                    .forEach(probabilities::put);
        }
        done(row, body);
    }

    /** What was done for an answer; a row that has none in the end may have it, too. */
    private void done(Row row, ObjectNode body) {
        if (has(row, OutputColumns.TURNS)) {
            turns(rows(row.get(index(row, OutputColumns.TURNS))), body.putArray(OutputColumns.TURNS));
        }
        if (has(row, OutputColumns.CONTEXTS)) {
            ArrayNode contexts = body.putArray(OutputColumns.CONTEXTS);
            rows(row.get(index(row, OutputColumns.CONTEXTS)))
                    .forEach(passage -> contexts.addObject()
                            .put("id", passage.getString(0))
                            .put("score", passage.getDouble(1))
                            .put("text", passage.getString(2)));
        }
        if (has(row, OutputColumns.USAGE)) {
            usage(row, body.putObject("usage"));
        }
    }

    private void embedding(Row row, ObjectNode body) {
        body.put("object", "list").put("model", row.<String>getAs(names.output(OutputColumns.MODEL)));
        ArrayNode vector = body.putArray("data")
                .addObject()
                .put("object", "embedding")
                .put("index", 0)
                .putArray("embedding");
        Object values = row.get(index(row, OutputColumns.EMBEDDING));
        if (values instanceof float[] made) {
            for (float value : made) {
                vector.add(value);
            }
        } else {
            scala.jdk.javaapi.CollectionConverters.asJava((scala.collection.Seq<?>) values)
                    .forEach(value -> vector.add((Float) value));
        }
        Row usage = row.getAs(names.output(OutputColumns.USAGE));
        body.putObject("usage").put("prompt_tokens", usage.getInt(0)).put("total_tokens", usage.getInt(2));
    }

    /** OpenAI has no such answer. */
    private void score(Row row, ObjectNode body) {
        Row score = row.getAs(names.output(OutputColumns.SCORE));
        body.putObject(OutputColumns.SCORE)
                .put("logprob", score.getDouble(0))
                .put("tokens", score.getInt(1))
                .put("perplexity", score.getDouble(2));
        if (has(row, OutputColumns.LOGPROBS)) {
            completionLogprobs(body.putObject("logprobs"), rows(row.get(index(row, OutputColumns.LOGPROBS))));
        }
    }

    private List<Row> outputs(Row row) {
        return has(row, OutputColumns.OUTPUTS) ? rows(row.get(index(row, OutputColumns.OUTPUTS))) : null;
    }

    /** An array as it was made, or as Spark has made it anew. */
    @SuppressWarnings("unchecked")
    private static List<Row> rows(Object array) {
        return array instanceof Row[] made
                ? List.of(made)
                : scala.jdk.javaapi.CollectionConverters.asJava((scala.collection.Seq<Row>) array);
    }

    private boolean has(Row row, String column) {
        return isThere(row, column) && !row.isNullAt(index(row, column));
    }

    private boolean isThere(Row row, String column) {
        return row.schema().getFieldIndex(names.output(column)).isDefined();
    }

    private int index(Row row, String column) {
        return row.fieldIndex(names.output(column));
    }

    private static void choice(
            ObjectNode choice,
            boolean chat,
            int index,
            String text,
            String finishReason,
            List<Row> logprobs,
            List<Row> calls) {
        choice.put("index", index);
        if (chat) {
            ObjectNode message =
                    choice.putObject("message").put("role", "assistant").put("content", text);
            if (calls != null) {
                toolCalls(calls, message.putArray(OutputColumns.TOOL_CALLS));
            }
        } else {
            choice.put("text", text);
        }
        if (logprobs == null) {
            choice.putNull("logprobs");
        } else if (chat) {
            ArrayNode content = choice.putObject("logprobs").putArray("content");
            for (Row token : logprobs) {
                ObjectNode entry = content.addObject();
                token(entry, token);
                ArrayNode top = entry.putArray("top_logprobs");
                rows(token.get(3)).forEach(alternative -> token(top.addObject(), alternative));
            }
        } else {
            completionLogprobs(choice.putObject("logprobs"), logprobs);
        }
        choice.put("finish_reason", finishReason);
    }

    private static void toolCalls(List<Row> calls, ArrayNode array) {
        for (Row call : calls) {
            Row function = call.getStruct(2);
            array.addObject()
                    .put("id", call.getString(0))
                    .put("type", call.getString(1))
                    .putObject("function")
                    .put("name", function.getString(0))
                    .put("arguments", function.getString(1));
        }
    }

    /** OpenAI has none. */
    private static void turns(List<Row> turns, ArrayNode array) {
        for (Row turn : turns) {
            array.addObject()
                    .put("tool", turn.getString(0))
                    .put("input", turn.getString(1))
                    .put("output", turn.getString(2))
                    .put("error", turn.getString(3))
                    .put("prompt_tokens", turn.getInt(4))
                    .put("completion_tokens", turn.getInt(5));
        }
    }

    private static void token(ObjectNode entry, Row token) {
        entry.put("token", token.getString(1)).put("logprob", token.getFloat(2));
        ArrayNode bytes = entry.putArray("bytes");
        for (byte b : token.getString(1).getBytes(StandardCharsets.UTF_8)) {
            bytes.add(b & 0xFF);
        }
    }

    private static void completionLogprobs(ObjectNode logprobs, List<Row> tokens) {
        ArrayNode texts = logprobs.putArray("tokens");
        ArrayNode values = logprobs.putArray("token_logprobs");
        ArrayNode tops = logprobs.putArray("top_logprobs");
        for (Row token : tokens) {
            texts.add(token.getString(1));
            values.add(token.getFloat(2));
            ObjectNode top = tops.addObject();
            rows(token.get(3)).forEach(alternative -> top.put(alternative.getString(1), alternative.getFloat(2)));
        }
    }

    private void usage(Row row, ObjectNode node) {
        Row usage = row.getAs(names.output(OutputColumns.USAGE));
        node.put("prompt_tokens", usage.getInt(0))
                .put("completion_tokens", usage.getInt(1))
                .put("total_tokens", usage.getInt(2))
                .putObject("prompt_tokens_details")
                .put("cached_tokens", usage.getInt(3));
    }

    private static boolean isBedrock(Row row) {
        return row.schema().getFieldIndex("modelInput").isDefined() && row.get(row.fieldIndex("modelInput")) != null;
    }

    private ObjectNode bedrock(Row row, Row error) {
        ObjectNode line = JSON.createObjectNode();
        line.put("recordId", id(row));
        Object input = row.get(row.fieldIndex("modelInput"));
        try {
            line.set("modelInput", JSON.readTree(input instanceof Row struct ? struct.json() : input.toString()));
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            line.put("modelInput", input.toString());
        }
        if (error != null) {
            line.putObject("error")
                    .put("errorCode", 400)
                    .put("errorMessage", error.getString(1))
                    .put("code", error.getString(0))
                    .put("message", error.getString(1))
                    .put("retryable", error.getBoolean(2));
            return line;
        }
        ObjectNode answer = line.putObject("modelOutput");
        answer.putArray("outputs")
                .addObject()
                .put("text", row.<String>getAs(names.output(OutputColumns.TEXT)))
                .put("stop_reason", row.<String>getAs(names.output(OutputColumns.FINISH_REASON)));
        Row usage = row.getAs(names.output(OutputColumns.USAGE));
        answer.putObject("usage")
                .put("prompt_tokens", usage.getInt(0))
                .put("completion_tokens", usage.getInt(1))
                .put("total_tokens", usage.getInt(2))
                .put("cached_tokens", usage.getInt(3));
        return line;
    }

    private String id(Row row) {
        return row.getAs(names.output(OutputColumns.ID));
    }

    private static String made(String prefix, String id) {
        byte[] bytes = String.valueOf(id).getBytes(StandardCharsets.UTF_8);
        return prefix + UUID.nameUUIDFromBytes(bytes).toString().replace("-", "");
    }

    /** A request of a batch file says by itself what it is, if no option says what rows ask. */
    private Task task(Row row) {
        return names.namesPrompt() ? task : BatchRequest.task(row).orElse(task);
    }
}
