package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.github.sparkmixtral.chat.ChatException;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;

/**
 * Turns rows into requests: renders the instruct format, tokenizes, resolves the sampling parameters and checks limits. Error
 * codes: {@code missing_prompt}, {@code ambiguous_prompt}, {@code empty_prompt}, {@code invalid_prompt}, {@code invalid_messages},
 * {@code invalid_tools}, {@code invalid_parameters}, {@code invalid_task}, {@code context_length_exceeded}. May be used by many threads at once.
 */
final class RequestBuilder {
    private final Tokenizer tokenizer;
    private final ChatFormat chatFormat;
    private final ServiceOptions options;
    private final Engine engine;
    private final String wayOut;

    /**
     * @param engine asked only for its limits, which never change
     * @param wayOut what to do about a prompt that is too long
     */
    RequestBuilder(Tokenizer tokenizer, ServiceOptions options, Engine engine, String wayOut) {
        this.tokenizer = tokenizer;
        this.options = options;
        this.engine = engine;
        this.wayOut = wayOut;
        chatFormat = ChatFormat.of(tokenizer);
    }

    /**
     * Turns one row into a request.
     *
     * @param id the request's id, unique in the engine
     */
    Request build(String id, Row row) throws InvalidRowException {
        checkOnePrompt(row);
        SamplingParameters parameters = parameters(row);
        return switch (task(row)) {
            case CHAT -> {
                Conversation conversation = conversation(row);
                int[] tokens = checked(render(conversation));
                LeadingSpace space = conversation.endsWithPrimer() ? LeadingSpace.KEEP : LeadingSpace.STRIP;
                yield new Request(id, row.customId(), tokens, parameters, space);
            }
            case COMPLETE -> new Request(id, row.customId(), checked(complete(row)), parameters, LeadingSpace.KEEP);
        };
    }

    private Task task(Row row) throws InvalidRowException {
        if (row.task() == null) {
            return options.task();
        }
        for (Task task : Task.values()) {
            if (task.text().equals(row.task())) {
                return task;
            }
        }
        throw new InvalidRowException("invalid_task", "task must be chat or complete, not " + Json.shorten(row.task()));
    }

    private static void checkOnePrompt(Row row) throws InvalidRowException {
        if (row.prompt() != null && row.messages() != null) {
            throw new InvalidRowException(
                    "ambiguous_prompt", "the row has both a prompt and messages: leave one of them null");
        }
        if (row.prompt() == null && row.messages() == null) {
            throw new InvalidRowException("missing_prompt", "the row has neither a prompt nor messages");
        }
        if (row.prompt() != null && row.prompt().isEmpty()) {
            throw new InvalidRowException("empty_prompt", "the prompt is empty");
        }
    }

    private SamplingParameters parameters(Row row) throws InvalidRowException {
        try {
            SamplingParameters parameters = ParametersReader.read(row.parameters(), options.parameters());
            engine.checkParameters(parameters);
            return parameters;
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_parameters", invalid.getMessage());
        }
    }

    private int[] complete(Row row) throws InvalidRowException {
        if (row.messages() != null) {
            throw new InvalidRowException(
                    "invalid_messages", "the task complete takes a prompt, not messages: use the task chat for them");
        }
        if (row.tools() != null) {
            throw new InvalidRowException(
                    "invalid_tools", "the task complete takes no tools: use the task chat for them");
        }
        int[] text = tokenizer.encode(row.prompt());
        int[] tokens = new int[text.length + 1];
        tokens[0] = tokenizer.bosTokenId();
        System.arraycopy(text, 0, tokens, 1, text.length);
        return tokens;
    }

    private Conversation conversation(Row row) throws InvalidRowException {
        JsonNode tools = row.tools() == null ? null : json(RecordSchema.TOOLS, row.tools());
        JsonNode messages =
                row.messages() == null ? userMessage(row.prompt()) : json(RecordSchema.MESSAGES, row.messages());
        try {
            Conversation conversation = Conversation.ofJson(messages, tools);
            return options.systemPrompt() == null ? conversation : conversation.withSystem(options.systemPrompt());
        } catch (ChatException invalid) {
            throw invalid(invalid);
        }
    }

    private static JsonNode userMessage(String prompt) {
        ArrayNode messages = JsonNodeFactory.instance.arrayNode();
        messages.addObject().put("role", "user").put("content", prompt);
        return messages;
    }

    private int[] render(Conversation conversation) throws InvalidRowException {
        try {
            return chatFormat.render(conversation);
        } catch (ChatException invalid) {
            throw invalid(invalid);
        }
    }

    private int[] checked(int[] tokens) throws InvalidRowException {
        if (tokens.length >= engine.maxModelLength()) {
            throw new InvalidRowException(
                    "context_length_exceeded",
                    "the prompt has " + tokens.length + " tokens, but prompt and answer together must fit into "
                            + engine.maxModelLength() + ": " + wayOut);
        }
        try {
            engine.checkPrompt(tokens);
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_prompt", invalid.getMessage());
        }
        return tokens;
    }

    private static JsonNode json(String column, String text) throws InvalidRowException {
        try {
            return Json.parse(column, text);
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_" + column, invalid.getMessage());
        }
    }

    private static InvalidRowException invalid(ChatException invalid) {
        String column =
                invalid.getMessage().startsWith(RecordSchema.TOOLS) ? RecordSchema.TOOLS : RecordSchema.MESSAGES;
        return new InvalidRowException("invalid_" + column, invalid.getMessage());
    }
}
