package io.github.sparkmixtral.agent;

import io.github.sparkmixtral.chat.ChatFormat;

/** A job's agent: its tools, and how a model calls them. May be used by many threads at once. */
public final class Agent {
    private final Toolbox toolbox;
    private final CallFormat format;
    private final int maxTurns;

    private Agent(Toolbox toolbox, CallFormat format, int maxTurns) {
        this.toolbox = toolbox;
        this.format = format;
        this.maxTurns = maxTurns;
    }

    /**
     * An agent for a model.
     *
     * @param chatFormat how the model is asked
     * @throws IllegalArgumentException where the model does not know the format of calls
     */
    public static Agent of(AgentOptions options, Toolbox toolbox, ChatFormat chatFormat) {
        boolean known = chatFormat.callsTools();
        boolean wanted = switch (options.format()) {
            case AUTO -> known;
            case JSON -> false;
            case NATIVE -> {
                if (!known) {
                    throw new IllegalArgumentException(
                            "agent_format native needs a model with tokens for tools (Mistral's"
                                    + " tokenizer v3, such as Mixtral 8x22B Instruct), and the chat format "
                                    + chatFormat.name()
                                    + " has none: take json");
                }
                yield true;
            }
        };
        CallFormat format =
                wanted ? new FunctionCalls(toolbox, options.prompt()) : new JsonCalls(toolbox, options.prompt());
        return new Agent(toolbox, format, options.maxTurns());
    }

    /** Begins with a row. */
    public Dialogue begin(String question) {
        return new Dialogue(toolbox, format, maxTurns, question);
    }
}
