package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.agent.Agent;
import io.github.sparkmixtral.agent.Dialogue;
import io.github.sparkmixtral.chat.ChatException;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.chat.ChatMessage;
import io.github.sparkmixtral.chat.ChatTemplates;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.chat.Role;
import io.github.sparkmixtral.chat.ToolCalls;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.PromptReading;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.Request.Ending;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Turns rows into requests: renders the instruct format, tokenizes, resolves the sampling parameters. What is wrong with a row is said
 * by {@link RowContent}, {@link RowConstraints} and {@link RequestLimits}, or here. Error codes: those of {@link RowContent}, and
 * {@code context_length_exceeded}. May be used by many threads at once.
 */
final class RequestBuilder {
    /** Of requests whose answers are not drawn. */
    private static final SamplingParameters NO_DRAWS =
            new SamplingParameters(1, 0, 0, 1, 0, 0, 1, 0, 0, 0, List.of(), List.of(), 1, -1, false, Map.of());

    private final Tokenizer tokenizer;
    private final ToolCallReader callReader;
    private final List<Integer> eosTokenIds;
    private final ChatTemplates chatTemplates;
    private final RawPrompts rawPrompts;
    private final RequestLimits limits;
    private final RowConstraints constraints;

    RequestBuilder(ModelDescription model, RequestLimits limits) {
        this.tokenizer = model.tokenizer();
        this.callReader = new ToolCallReader(tokenizer);
        this.chatTemplates = model.chatTemplates();
        this.eosTokenIds = model.config().eosTokenIds();
        this.rawPrompts = new RawPrompts(model.tokenizer());
        this.limits = limits;
        this.constraints = new RowConstraints(tokenizer, limits.engine().vocabularySize());
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
     * What a row becomes.
     *
     * @param choices requests that run in place of the request and say how likely each of its constraint's choices is, in their order;
     *     empty for a request that runs itself
     * @param course what becomes of the request's answer; null if it is the row's
     */
    record Built(Request request, List<Request> choices, Course course) {
        Built(Request request) {
            this(request, List.of(), null);
        }
    }

    /**
     * Turns one row into a request.
     *
     * @param ids gives each request of the row its id, unique in the engine
     * @param agent with the task agent; null with others
     */
    Built build(Supplier<String> ids, RowRequest row, RequestDefaults defaults, ChatFormat chatFormat, Agent agent)
            throws InvalidRowException {
        String id = ids.get();
        RowContent content = RowContent.of(row, defaults);
        SamplingParameters parameters = parameters(row, defaults);
        return switch (content.task()) {
            case CHAT -> {
                boolean offered = content.toolChoice().mode() != ToolChoice.Mode.NONE;
                Conversation conversation =
                        conversation(content, offered ? content.tools() : null, defaults.systemPrompt());
                Request request = chat(id, row.customId(), conversation, parameters, chatFormat, content.toolChoice());
                boolean mayCall = !conversation.tools().isEmpty() && chatFormat.callsTools();
                yield new Built(request, List.of(), mayCall ? new ToolCallCourse(callReader) : null);
            }
            case COMPLETE -> {
                int[] tokens = limits.checked(rawPrompts.tokens(content.prompt(), defaults.specialTokens()), true);
                limits.requireSize(tokens.length, parameters);
                yield new Built(request(
                        id, row.customId(), tokens, parameters, LeadingSpace.KEEP, constraints.of(parameters), ""));
            }
            case EMBED -> {
                int[] tokens = limits.checked(rawPrompts.tokens(content.prompt(), defaults.specialTokens()), false);
                Pooling pooling = defaults.embedding().pooling();
                yield new Built(reading(id, row, tokens, PromptReading.embedding(pooling)));
            }
            case SCORE -> {
                RawPrompts.Completed completed =
                        rawPrompts.completed(content.prompt(), content.completion(), defaults.specialTokens());
                int[] tokens = limits.checked(completed.tokens(), false);
                if (completed.prompt() == tokens.length) {
                    throw new InvalidRowException(
                            "invalid_completion",
                            row.completion().name()
                                    + " adds no token to the prompt, so that there is nothing to score");
                }
                int alternatives = Math.max(0, parameters.logprobs());
                yield new Built(reading(id, row, tokens, PromptReading.scores(completed.prompt(), alternatives)));
            }
            case CLASSIFY -> {
                Conversation conversation = conversation(content, content.tools(), defaults.systemPrompt());
                yield classify(id, row, conversation, chatFormat, parameters);
            }
            case AGENT -> {
                requireCalls(parameters);
                AgentCourse course = new AgentCourse(
                        agent.begin(content.prompt()),
                        callReader,
                        (dialogue, turn) ->
                                turn(turn == 1 ? id : ids.get(), row, dialogue, turn, parameters, chatFormat));
                yield new Built(course.first(), List.of(), course);
            }
        };
    }

    private Request chat(
            String id,
            String customId,
            Conversation conversation,
            SamplingParameters parameters,
            ChatFormat chatFormat,
            ToolChoice choice)
            throws InvalidRowException {
        int[] tokens = render(conversation, chatFormat);
        SamplingParameters all = parameters;
        if (choice.isRequired()) {
            all = calling(parameters, choice, conversation, chatFormat);
            tokens = Arrays.copyOf(tokens, tokens.length + 1);
            tokens[tokens.length - 1] = tokenizer.controlToken(ToolCalls.TOKEN).orElseThrow();
        }
        limits.checked(tokens, true);
        limits.requireSize(tokens.length, all);
        LeadingSpace space = conversation.endsWithPrimer() ? LeadingSpace.KEEP : LeadingSpace.STRIP;
        Constraint constraint = constraints.of(all);
        String begun = constraint == null ? "" : RowConstraints.begun(constraint, conversation);
        return request(id, customId, tokens, all, space, constraint, begun);
    }

    /** The parameters of an answer that calls tools and says nothing else. */
    private static SamplingParameters calling(
            SamplingParameters parameters, ToolChoice choice, Conversation conversation, ChatFormat chatFormat)
            throws InvalidRowException {
        StructuredOutput calls = choice.calls(conversation.tools());
        if (!chatFormat.callsTools()) {
            throw ToolChoice.invalid("can only be auto or none with the chat format " + chatFormat.name()
                    + ", which has no token for calls");
        }
        if (parameters.structuredOutput() != null) {
            throw ToolChoice.invalid("and a constraint both say what the answer has to be: give one of them");
        }
        if (conversation.endsWithPrimer()) {
            throw ToolChoice.invalid("cannot be held behind a last message of the assistant: leave one of them out");
        }
        return parameters.withStructuredOutput(calls);
    }

    /** Draws of each turn are others. */
    private Request turn(
            String id,
            RowRequest row,
            Dialogue dialogue,
            int turn,
            SamplingParameters parameters,
            ChatFormat chatFormat)
            throws InvalidRowException {
        String customId = row.customId() == null || turn == 1 ? row.customId() : row.customId() + "/turn-" + turn;
        SamplingParameters all = parameters.withStructuredOutput(dialogue.constraint());
        return chat(id, customId, dialogue.asked(), all, chatFormat, ToolChoice.AUTO);
    }

    private static void requireCalls(SamplingParameters parameters) throws InvalidRowException {
        try {
            checkAgent(parameters);
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_parameters", invalid.getMessage());
        }
    }

    /**
     * Refuses parameters that ask for something else than the calls of an agent.
     *
     * @throws IllegalArgumentException naming the parameter
     */
    static void checkAgent(SamplingParameters parameters) {
        if (parameters.n() > 1) {
            throw new IllegalArgumentException("n must be 1 with the task agent, not " + parameters.n());
        }
        if (parameters.logprobs() >= 0 || parameters.promptLogprobs() >= 0) {
            throw new IllegalArgumentException((parameters.logprobs() >= 0 ? "logprobs" : "prompt_logprobs")
                    + " must be left out with the task agent");
        }
        if (parameters.structuredOutput() != null) {
            throw new IllegalArgumentException(
                    "structured_outputs must be left out with the task agent, whose answers are"
                            + " calls of its tools");
        }
    }

    private static Request request(
            String id,
            String customId,
            int[] tokens,
            SamplingParameters parameters,
            LeadingSpace space,
            Constraint constraint,
            String begun) {
        int alternatives = parameters.promptLogprobs();
        PromptReading reading =
                alternatives < 0 || tokens.length == 1 ? null : PromptReading.beforeAnswer(alternatives);
        return new Request(
                id, drawId(customId, tokens), tokens, parameters, space, constraint, begun, Ending.IMPLIED, reading);
    }

    private static Request reading(String id, RowRequest row, int[] tokens, PromptReading reading) {
        return Request.reading(id, drawId(row.customId(), tokens), tokens, NO_DRAWS, reading);
    }

    /** A choice's tokens are what it adds to the prompt as the assistant's message, and the token that ends one. */
    private Built classify(
            String id, RowRequest row, Conversation conversation, ChatFormat chatFormat, SamplingParameters parameters)
            throws InvalidRowException {
        Constraint constraint = constraints.of(parameters);
        if (constraint == null || constraint.choices().isEmpty()) {
            throw new InvalidRowException(
                    "invalid_parameters",
                    "the row has no choices: give them with --choices, or with structured_outputs in the row");
        }
        RowConstraints.requireFew(constraint);
        int[] prompt = render(conversation, chatFormat);
        int end = endOfAnswer(chatFormat);
        List<Request> choices = new ArrayList<>();
        for (String choice : constraint.choices()) {
            if (choice.isEmpty()) {
                throw new InvalidRowException("invalid_parameters", "a choice is empty: every choice needs a text");
            }
            int[] answered = render(conversation.continued(choice), chatFormat);
            int[] tokens = Arrays.copyOf(answered, answered.length + 1);
            tokens[answered.length] = end;
            int from = RawPrompts.common(prompt, answered);
            choices.add(reading(
                    ChoiceScores.partId(id, choices.size()),
                    row,
                    limits.checked(tokens, false),
                    PromptReading.scores(from, 0)));
        }
        Request request = new Request(
                id,
                drawId(row.customId(), prompt),
                prompt,
                parameters,
                LeadingSpace.STRIP,
                constraint,
                "",
                Ending.IMPLIED,
                null);
        return new Built(request, choices, null);
    }

    /** The token that the format writes behind an answer if there is one that ends a generation, else the tokenizer's. */
    private int endOfAnswer(ChatFormat chatFormat) throws InvalidRowException {
        Conversation answered = Conversation.ofPrompt("a").continued("b");
        int before = render(answered, chatFormat).length;
        List<ChatMessage> messages = new ArrayList<>(answered.messages());
        messages.add(new ChatMessage(Role.USER, "c"));
        int[] tokens = render(new Conversation(messages, List.of()), chatFormat);
        return before < tokens.length && eosTokenIds.contains(tokens[before]) ? tokens[before] : tokenizer.eosTokenId();
    }

    private static String drawId(String customId, int[] tokens) {
        if (customId != null) {
            return customId;
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

    private SamplingParameters parameters(RowRequest row, RequestDefaults defaults) throws InvalidRowException {
        try {
            SamplingParameters parameters =
                    withStopTokens(ParametersReader.read(row.parameters(), defaults.parameters()));
            limits.engine().checkParameters(parameters);
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

    private static Conversation conversation(RowContent content, JsonNode tools, String systemPrompt)
            throws InvalidRowException {
        try {
            Conversation conversation = content.messages() != null
                    ? Conversation.ofJson(content.messages(), tools)
                    : Conversation.ofPrompt(content.prompt()).withTools(tools);
            if (systemPrompt != null) {
                conversation = conversation.withSystem(systemPrompt);
            }
            return content.safePrompt() ? conversation.withSafePrompt() : conversation;
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

    private static InvalidRowException invalid(ChatException invalid) {
        String kind = invalid.getMessage().startsWith("tools") ? "tools" : "messages";
        return new InvalidRowException("invalid_" + kind, invalid.getMessage());
    }
}
