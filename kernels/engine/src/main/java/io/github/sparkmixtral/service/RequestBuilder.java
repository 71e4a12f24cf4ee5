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
import io.github.sparkmixtral.engine.EngineLimits;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.PromptReading;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.engine.Request.Ending;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.grammar.Constraints;
import io.github.sparkmixtral.grammar.GrammarException;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.TokenTrie;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.service.RowRequest.Field;
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
import java.util.regex.Pattern;

/**
 * Turns rows into requests: renders the instruct format, tokenizes, resolves the sampling parameters and checks limits. The one
 * place that checks what a row asks for. Error codes: {@code invalid_prompt}, {@code invalid_messages}, {@code invalid_tools},
 * {@code invalid_completion}, {@code invalid_parameters}, {@code unsupported_url}, {@code context_length_exceeded}. May be used by many threads at once.
 */
final class RequestBuilder {
    /** What a row's answers may hold where log-probabilities are asked for: 64 MiB as a row of objects. */
    private static final long MOST_ENTRIES = 1 << 19;

    /** Of requests whose answers are not drawn. */
    private static final SamplingParameters NO_DRAWS =
            new SamplingParameters(1, 0, 0, 1, 0, 0, 1, 0, 0, 0, List.of(), List.of(), 1, -1, false, Map.of());

    /** What a primer may open a block of code with. */
    private static final Pattern CODE_BLOCK = Pattern.compile("\\A```[a-z]*\\n");

    private final Tokenizer tokenizer;
    private final ToolCallReader callReader;
    private final List<Integer> eosTokenIds;
    private final ChatTemplates chatTemplates;
    private final RawPrompts rawPrompts;
    private final EngineLimits limits;
    private final String wayOut;
    private Constraints constraints;

    /**
     * @param wayOut what to do about a prompt that is too long
     */
    RequestBuilder(ModelDescription model, EngineLimits limits, String wayOut) {
        this.tokenizer = model.tokenizer();
        this.callReader = new ToolCallReader(tokenizer);
        this.chatTemplates = model.chatTemplates();
        this.eosTokenIds = model.config().eosTokenIds();
        this.rawPrompts = new RawPrompts(model.tokenizer());
        this.limits = limits;
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
        Task task = task(row, defaults);
        JsonNode messages = array("messages", row.messages());
        JsonNode tools = array("tools", row.tools());
        String prompt = messages == null ? prompt(row, task) : null;
        SamplingParameters parameters = parameters(row, defaults);
        boolean safePrompt = safePrompt(row, task, defaults);
        ToolChoice choice = toolChoice(row, task);
        if (!task.takesMessages()) {
            requireText(task, messages, tools);
        }
        return switch (task) {
            case CHAT -> {
                JsonNode offered = choice.mode() == ToolChoice.Mode.NONE ? null : tools;
                Conversation conversation =
                        conversation(prompt, messages, offered, defaults.systemPrompt(), safePrompt);
                Request request = chat(id, row.customId(), conversation, parameters, chatFormat, choice);
                boolean mayCall = !conversation.tools().isEmpty() && chatFormat.callsTools();
                yield new Built(request, List.of(), mayCall ? new ToolCallCourse(callReader) : null);
            }
            case COMPLETE -> {
                int[] tokens = checked(rawPrompts.tokens(prompt, defaults.specialTokens()), true);
                requireSize(tokens.length, parameters);
                yield new Built(
                        request(id, row.customId(), tokens, parameters, LeadingSpace.KEEP, constraint(parameters), ""));
            }
            case EMBED -> {
                int[] tokens = checked(rawPrompts.tokens(prompt, defaults.specialTokens()), false);
                Pooling pooling = defaults.embedding().pooling();
                yield new Built(reading(id, row, tokens, PromptReading.embedding(pooling)));
            }
            case SCORE -> {
                RawPrompts.Completed completed =
                        rawPrompts.completed(prompt, completion(row), defaults.specialTokens());
                int[] tokens = checked(completed.tokens(), false);
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
                Conversation conversation = conversation(prompt, messages, tools, defaults.systemPrompt(), safePrompt);
                yield classify(id, row, conversation, chatFormat, parameters);
            }
            case AGENT -> {
                requireCalls(parameters);
                AgentCourse course = new AgentCourse(
                        agent.begin(prompt),
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
        checked(tokens, true);
        requireSize(tokens.length, all);
        LeadingSpace space = conversation.endsWithPrimer() ? LeadingSpace.KEEP : LeadingSpace.STRIP;
        Constraint constraint = constraint(all);
        String begun = constraint == null ? "" : begun(constraint, conversation);
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

    private static ToolChoice toolChoice(RowRequest row, Task task) throws InvalidRowException {
        ToolChoice choice = ToolChoice.of(row.parameters());
        if (choice.isRequired() && task != Task.CHAT) {
            throw ToolChoice.invalid("can only be auto or none with the task " + task.text() + ": use the task chat");
        }
        return choice;
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

    private static Task task(RowRequest row, RequestDefaults defaults) throws InvalidRowException {
        Task task = row.task() == null ? defaults.task() : row.task();
        boolean together = task.generates() && defaults.task().generates() && defaults.task() != Task.AGENT;
        if (task != defaults.task() && !together) {
            throw new InvalidRowException(
                    "unsupported_url",
                    "the row asks for the task " + task.text() + ", but the job's is "
                            + defaults.task().text() + ": give such rows a job of their own");
        }
        return task;
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
        Constraint constraint = constraint(parameters);
        if (constraint == null || constraint.choices().isEmpty()) {
            throw new InvalidRowException(
                    "invalid_parameters",
                    "the row has no choices: give them with --choices, or with structured_outputs in the row");
        }
        requireFew(constraint);
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
                    checked(tokens, false),
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

    private Constraint constraint(SamplingParameters parameters) throws InvalidRowException {
        if (parameters.structuredOutput() == null) {
            return null;
        }
        try {
            Constraint constraint = constraints().of(parameters.structuredOutput());
            if (parameters.logprobs() >= 0) {
                requireFew(constraint);
            }
            return constraint;
        } catch (GrammarException | IllegalArgumentException unusable) {
            throw new InvalidRowException("invalid_parameters", unusable.getMessage());
        }
    }

    private static void requireFew(Constraint constraint) throws InvalidRowException {
        try {
            ChoiceScores.requireFew("the constraint", constraint.choices().size());
        } catch (IllegalArgumentException tooMany) {
            throw new InvalidRowException("invalid_parameters", tooMany.getMessage());
        }
    }

    /** Made when they are first needed, for most jobs have none. */
    private synchronized Constraints constraints() {
        if (constraints == null) {
            constraints = new Constraints(new TokenTrie(limits.vocabularySize(), tokenizer.textBytes()));
        }
        return constraints;
    }

    /**
     * A primer begins the answer if the constraint can begin with it, or with what it has behind the opening of a block of code; else the
     * answer alone is held to it.
     */
    private static String begun(Constraint constraint, Conversation conversation) throws InvalidRowException {
        String primer = conversation.endsWithPrimer()
                ? conversation.messages().getLast().content()
                : null;
        if (primer == null) {
            return "";
        }
        String inBlock = CODE_BLOCK.matcher(primer).replaceFirst("");
        try {
            return constraint.begin(false).append(primer)
                    ? primer
                    : constraint.begin(false).append(inBlock) ? inBlock : "";
        } catch (GrammarException beyond) {
            throw new InvalidRowException(
                    "invalid_parameters", "the constraint cannot be held: " + beyond.getMessage());
        }
    }

    /** Checks what can be checked without a model: what there is, its types, and the parameters. */
    static void check(RowRequest row, RequestDefaults defaults) throws InvalidRowException {
        Task task = task(row, defaults);
        JsonNode messages = array("messages", row.messages());
        if (messages == null) {
            prompt(row, task);
        }
        JsonNode tools = array("tools", row.tools());
        if (!task.takesMessages()) {
            requireText(task, messages, tools);
        }
        ToolChoice _ = toolChoice(row, task);
        if (task == Task.SCORE) {
            completion(row);
        }
        try {
            SamplingParameters parameters = ParametersReader.read(row.parameters(), defaults.parameters());
            if (task == Task.AGENT) {
                checkAgent(parameters);
            }
        } catch (IllegalArgumentException invalid) {
            throw new InvalidRowException("invalid_parameters", invalid.getMessage());
        }
        boolean _ = safePrompt(row, task, defaults);
    }

    /** Whether the safe prompt comes first; a row that wants it and has no place for it must not go without. */
    private static boolean safePrompt(RowRequest row, Task task, RequestDefaults defaults) throws InvalidRowException {
        boolean safePrompt = ParametersReader.safePrompt(row.parameters(), defaults.safePrompt());
        if (safePrompt && !task.takesMessages()) {
            throw new InvalidRowException(
                    "invalid_parameters",
                    ParametersReader.SAFE_PROMPT
                            + " needs a chat: a text that is taken as it is has no system message; give" + " the row "
                            + ParametersReader.SAFE_PROMPT + ": false to go without");
        }
        return safePrompt;
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
        long promptEntries = (long) promptTokens * (1 + parameters.promptLogprobs());
        if (promptEntries > MOST_ENTRIES) {
            throw new IllegalArgumentException("the prompt's tokens x (1 + prompt_logprobs) must be at most "
                    + MOST_ENTRIES + ", not " + promptEntries + ": lower prompt_logprobs, or shorten the prompt");
        }
    }

    /** How many tokens, alternatives to tokens, and probabilities of choices the answers may have, or numbers of embeddings. */
    long entries(Request request) {
        int choices =
                ChoiceScores.wanted(request) ? request.constraint().choices().size() : 0;
        PromptReading reading = request.reading();
        long read = 0;
        if (reading != null) {
            read = reading.pooling() == null
                    ? (long) request.promptTokens().length * (1 + reading.alternatives())
                    : limits.hiddenSize();
        }
        return read
                + choices
                + (request.generates() ? entries(request.promptTokens().length, request.parameters()) : 0);
    }

    private long entries(int promptTokens, SamplingParameters parameters) {
        long tokens = Math.min(parameters.maxTokens(), limits.maxModelLength() - promptTokens);
        return parameters.n() * tokens * (1 + Math.max(0, parameters.logprobs()));
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

    private static String prompt(RowRequest row, Task task) throws InvalidRowException {
        Field prompt = row.prompt();
        Field messages = row.messages();
        if (prompt == null && task == Task.SCORE) {
            return "";
        }
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
        if (text.isEmpty() && task != Task.SCORE) {
            throw new InvalidRowException("invalid_prompt", prompt.name() + " is empty");
        }
        requireText("invalid_prompt", prompt.name(), prompt.value());
        return text;
    }

    /** A completion may be all there is: then it follows BOS. */
    private static String completion(RowRequest row) throws InvalidRowException {
        Field completion = row.completion();
        if (completion == null || !completion.given()) {
            throw new InvalidRowException(
                    "invalid_completion",
                    completion == null
                            ? "the row has no completion, which the task score needs"
                            : completion.name() + " is " + absence(completion));
        }
        if (!completion.value().isTextual()) {
            throw new InvalidRowException(
                    "invalid_completion",
                    completion.name() + " must be a string, not " + Json.kind(completion.value()));
        }
        if (completion.value().textValue().isEmpty()) {
            throw new InvalidRowException("invalid_completion", completion.name() + " is empty");
        }
        requireText("invalid_completion", completion.name(), completion.value());
        return completion.value().textValue();
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
            limits.checkParameters(parameters);
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

    private static void requireText(Task task, JsonNode messages, JsonNode tools) throws InvalidRowException {
        if (messages != null) {
            throw new InvalidRowException(
                    "invalid_messages",
                    "the task " + task.text() + " takes a prompt, not messages: use the task chat for them");
        }
        if (tools != null) {
            throw new InvalidRowException(
                    "invalid_tools",
                    task == Task.AGENT
                            ? "the task agent calls the job's tools, not a row's: leave them out, or use the task chat for"
                                    + " them"
                            : "the task " + task.text() + " takes no tools: use the task chat for them");
        }
    }

    private static Conversation conversation(
            String prompt, JsonNode messages, JsonNode tools, String systemPrompt, boolean safePrompt)
            throws InvalidRowException {
        try {
            Conversation conversation = messages != null
                    ? Conversation.ofJson(messages, tools)
                    : Conversation.ofPrompt(prompt).withTools(tools);
            if (systemPrompt != null) {
                conversation = conversation.withSystem(systemPrompt);
            }
            return safePrompt ? conversation.withSafePrompt() : conversation;
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

    /** @param answered whether an answer follows, which needs room */
    private int[] checked(int[] tokens, boolean answered) throws InvalidRowException {
        int longest = limits.maxModelLength();
        if (tokens.length + (answered ? 1 : 0) > longest) {
            String what = answered ? "the prompt has " : "the text has ";
            String limit =
                    answered ? " tokens, but prompt and answer together must fit into " : " tokens, but must fit into ";
            throw new InvalidRowException(
                    "context_length_exceeded", what + tokens.length + limit + longest + ": " + wayOut);
        }
        try {
            limits.checkPrompt(tokens, answered);
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
