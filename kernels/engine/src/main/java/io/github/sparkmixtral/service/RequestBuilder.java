package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.chat.ChatException;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.chat.ChatTemplates;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.grammar.Constraints;
import io.github.sparkmixtral.grammar.GrammarException;
import io.github.sparkmixtral.grammar.TokenTrie;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.service.RequestDefaults.SpecialTokens;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns rows into requests: renders the instruct format, tokenizes, resolves the sampling parameters and checks limits. The one
 * place that checks what a row asks for. Error codes: {@code invalid_prompt}, {@code invalid_messages}, {@code invalid_tools},
 * {@code invalid_parameters}, {@code context_length_exceeded}. May be used by many threads at once.
 */
final class RequestBuilder {
    private static final Logger LOG = LoggerFactory.getLogger(RequestBuilder.class);

    /** What a row's answers may hold where log-probabilities are asked for: 64 MiB as a row of objects. */
    private static final long MOST_ENTRIES = 1 << 19;

    private final Tokenizer tokenizer;
    private final ChatTemplates chatTemplates;
    private final AtomicBoolean warned = new AtomicBoolean();
    private final Engine engine;
    private final String wayOut;
    private Constraints constraints;

    /**
     * @param engine asked only for its limits, which never change
     * @param wayOut what to do about a prompt that is too long
     */
    RequestBuilder(ModelDescription model, Engine engine, String wayOut) {
        this.tokenizer = model.tokenizer();
        this.chatTemplates = model.chatTemplates();
        this.engine = engine;
        this.wayOut = wayOut;
    }

    /**
     * The format of conversations under these defaults.
     *
     * @throws IllegalArgumentException where it does not fit the model
     */
    ChatFormat chatFormat(RequestDefaults defaults) {
        try {
            return ChatFormat.choose(tokenizer, chatTemplates, defaults.chatTemplate())
                    .format();
        } catch (ChatException unusable) {
            throw new IllegalArgumentException(unusable.getMessage(), unusable);
        }
    }

    /**
     * Turns one row into a request.
     *
     * @param id the request's id, unique in the engine
     */
    Request build(String id, RowRequest row, RequestDefaults defaults, ChatFormat chatFormat)
            throws InvalidRowException {
        JsonNode messages = array("messages", row.messages());
        String prompt = messages == null ? prompt(row) : null;
        JsonNode tools = array("tools", row.tools());
        Task task = row.task() == null ? defaults.task() : row.task();
        SamplingParameters parameters = parameters(row, defaults);
        return switch (task) {
            case CHAT -> {
                Conversation conversation = conversation(prompt, messages, tools, defaults.systemPrompt());
                int[] tokens = checked(render(conversation, chatFormat));
                requireSize(tokens.length, parameters);
                LeadingSpace space = conversation.endsWithPrimer() ? LeadingSpace.KEEP : LeadingSpace.STRIP;
                Constraint constraint = constraint(parameters);
                String begun = constraint == null ? "" : begun(constraint, conversation);
                yield new Request(id, drawId(row, tokens), tokens, parameters, space, constraint, begun);
            }
            case COMPLETE -> {
                int[] tokens = checked(complete(prompt, messages, tools, defaults.specialTokens()));
                requireSize(tokens.length, parameters);
                yield new Request(
                        id, drawId(row, tokens), tokens, parameters, LeadingSpace.KEEP, constraint(parameters), "");
            }
        };
    }

    private Constraint constraint(SamplingParameters parameters) throws InvalidRowException {
        if (parameters.structuredOutput() == null) {
            return null;
        }
        try {
            Constraint constraint = constraints().of(parameters.structuredOutput());
            if (parameters.logprobs() >= 0) {
                ChoiceScores.requireFew("the constraint", constraint.choices().size());
            }
            return constraint;
        } catch (GrammarException | IllegalArgumentException unusable) {
            throw new InvalidRowException("invalid_parameters", unusable.getMessage());
        }
    }

    /** Made when they are first needed, for most jobs have none. */
    private synchronized Constraints constraints() {
        if (constraints == null) {
            constraints = new Constraints(new TokenTrie(engine.vocabularySize(), tokenizer.textBytes()));
        }
        return constraints;
    }

    /** A primer begins the answer if the constraint can begin with it; else the answer alone is held to it. */
    private static String begun(Constraint constraint, Conversation conversation) throws InvalidRowException {
        if (!conversation.endsWithPrimer()) {
            return "";
        }
        String primer = conversation.messages().getLast().content();
        try {
            return primer != null && constraint.begin(false).append(primer) ? primer : "";
        } catch (GrammarException beyond) {
            throw new InvalidRowException(
                    "invalid_parameters", "the constraint cannot be held: " + beyond.getMessage());
        }
    }

    /** Checks what can be checked without a model: what there is, its types, and the parameters. */
    static void check(RowRequest row, RequestDefaults defaults) throws InvalidRowException {
        if (array("messages", row.messages()) == null) {
            prompt(row);
        }
        array("tools", row.tools());
        try {
            ParametersReader.read(row.parameters(), defaults.parameters());
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_parameters", invalid.getMessage());
        }
    }

    private void requireSize(int promptTokens, SamplingParameters parameters) throws InvalidRowException {
        try {
            checkSize(promptTokens, parameters);
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_parameters", invalid.getMessage());
        }
    }

    /**
     * Refuses answers that one row could not hold in memory.
     *
     * @throws IllegalArgumentException where they may be too large, saying what to lower
     */
    void checkSize(int promptTokens, SamplingParameters parameters) {
        long entries = entries(promptTokens, parameters);
        if (parameters.logprobs() >= 0 && entries > MOST_ENTRIES) {
            throw new IllegalArgumentException("n x max_tokens x (1 + logprobs) must be at most " + MOST_ENTRIES
                    + ", not " + entries + ": lower one of them");
        }
    }

    /** How many tokens, alternatives to tokens, and probabilities of choices the answers may have. */
    long entries(Request request) {
        int choices =
                ChoiceScores.wanted(request) ? request.constraint().choices().size() : 0;
        return entries(request.promptTokens().length, request.parameters()) + choices;
    }

    private long entries(int promptTokens, SamplingParameters parameters) {
        long tokens = Math.min(parameters.maxTokens(), engine.maxModelLength() - promptTokens);
        return parameters.n() * tokens * (1 + Math.max(0, parameters.logprobs()));
    }

    private static String drawId(RowRequest row, int[] tokens) {
        if (row.customId() != null) {
            return row.customId();
        }
        ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(tokens.length, Integer.BYTES));
        bytes.asIntBuffer().put(tokens);
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes.array());
            return HexFormat.of().formatHex(digest, 0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
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

    private static String prompt(RowRequest row) throws InvalidRowException {
        Field prompt = row.prompt();
        Field messages = row.messages();
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
        if (text.isEmpty()) {
            throw new InvalidRowException("invalid_prompt", prompt.name() + " is empty");
        }
        requireText("invalid_prompt", prompt.name(), prompt.value());
        return text;
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

    private SamplingParameters parameters(RowRequest row, RequestDefaults defaults) throws InvalidRowException {
        try {
            SamplingParameters parameters =
                    withStopTokens(ParametersReader.read(row.parameters(), defaults.parameters()));
            engine.checkParameters(parameters);
            return parameters;
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_parameters", invalid.getMessage());
        }
    }

    /** A stop string that is a control token's text would never be found in an answer, where control tokens have no text. */
    private SamplingParameters withStopTokens(SamplingParameters parameters) {
        List<Integer> tokens = parameters.stop().stream()
                .flatMap(stop -> tokenizer.controlToken(stop).stream().boxed())
                .filter(token -> !parameters.stopTokenIds().contains(token))
                .toList();
        return tokens.isEmpty() ? parameters : parameters.withStopTokens(tokens);
    }

    private int[] complete(String prompt, JsonNode messages, JsonNode tools, SpecialTokens specialTokens)
            throws InvalidRowException {
        if (messages != null) {
            throw new InvalidRowException(
                    "invalid_messages", "the task complete takes a prompt, not messages: use the task chat for them");
        }
        if (tools != null) {
            throw new InvalidRowException(
                    "invalid_tools", "the task complete takes no tools: use the task chat for them");
        }
        OptionalInt first = tokenizer.controlTokenAtStart(prompt.stripLeading());
        boolean parses = specialTokens == SpecialTokens.PARSE;
        if (!parses && first.isPresent() && !warned.getAndSet(true)) {
            LOG.warn(
                    "A prompt begins with {}, as one that is rendered already: with --task complete it is spelled out as"
                            + " text. Give --special-tokens parse to make tokens of it.",
                    tokenizer.controlTokens().get(first.getAsInt()));
        }
        int[] text = parses ? tokenizer.encodeWithControls(prompt) : tokenizer.encode(prompt);
        if (parses && text.length > 0 && text[0] == tokenizer.bosTokenId()) {
            return text;
        }
        int[] tokens = new int[text.length + 1];
        tokens[0] = tokenizer.bosTokenId();
        System.arraycopy(text, 0, tokens, 1, text.length);
        return tokens;
    }

    private static Conversation conversation(String prompt, JsonNode messages, JsonNode tools, String systemPrompt)
            throws InvalidRowException {
        try {
            Conversation conversation = messages != null
                    ? Conversation.ofJson(messages, tools)
                    : Conversation.ofPrompt(prompt).withTools(tools);
            return systemPrompt == null ? conversation : conversation.withSystem(systemPrompt);
        } catch (ChatException invalid) {
            throw invalid(invalid);
        }
    }

    private static int[] render(Conversation conversation, ChatFormat chatFormat) throws InvalidRowException {
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
            engine.checkPrompt(tokens, true);
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_prompt", invalid.getMessage());
        }
        return tokens;
    }

    private static InvalidRowException invalid(ChatException invalid) {
        String kind = invalid.getMessage().startsWith("tools") ? "tools" : "messages";
        return new InvalidRowException("invalid_" + kind, invalid.getMessage());
    }
}
