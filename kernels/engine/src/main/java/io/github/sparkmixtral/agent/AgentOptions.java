package io.github.sparkmixtral.agent;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;

/**
 * What a job says of its agent.
 *
 * @param tools names of the tools that it may call
 * @param maxTurns most requests for a row, at least 1
 * @param toolTimeoutSeconds after which a call is given up, at least 1
 * @param prompt the system text in place of {@link JsonCalls}' own; {@code {tools}} and {@code {examples}} in it are filled in. Null for that
 * @param format how tools are called
 * @param searches whether a {@link Search} is given beside the tools that are found by themselves
 */
public record AgentOptions(
        List<String> tools, int maxTurns, int toolTimeoutSeconds, String prompt, Format format, boolean searches)
        implements Serializable {

    /** An agent without a search. */
    public AgentOptions(List<String> tools, int maxTurns, int toolTimeoutSeconds, String prompt, Format format) {
        this(tools, maxTurns, toolTimeoutSeconds, prompt, format, false);
    }

    /** How tools are called. */
    public enum Format {
        /** As the model's chat format allows it: {@link #NATIVE} if that has tokens for tools, else {@link #JSON}. */
        AUTO,
        /** In a JSON object with {@code tool_name} and {@code input}; any model. */
        JSON,
        /** With the tokens that the model has for it; models with Mistral's tokenizer v3. */
        NATIVE
    }

    public AgentOptions {
        tools = new ArrayList<>(tools);
        if (maxTurns < 1) {
            throw new IllegalArgumentException("max_turns must be at least 1, not " + maxTurns);
        }
        if (toolTimeoutSeconds < 1) {
            throw new IllegalArgumentException("tool_timeout must be at least 1 second, not " + toolTimeoutSeconds);
        }
    }
}
