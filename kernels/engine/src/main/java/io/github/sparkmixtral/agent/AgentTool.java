package io.github.sparkmixtral.agent;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * A tool that a model may call. Others than those that are here are found by {@link java.util.ServiceLoader}: put a jar on the class
 * path with a class that implements this, and with its name in {@code META-INF/services/io.github.sparkmixtral.agent.AgentTool}. It
 * needs a public constructor without parameters. There is one object for each task, whose rows call it from many threads at once.
 */
public interface AgentTool {

    /** The name by which the model calls it: letters, digits, underscores and dashes, at most 64. */
    String name();

    /** What it does and what it wants, in a few words to the model. */
    String description();

    /**
     * JSON schema of the input. Answers are held to it, so that each keyword must be one that constraints know. The default is any
     * text.
     */
    default String inputSchema() {
        return "{\"type\": \"string\"}";
    }

    /** An input as JSON that shows the model how to call it; null for none. */
    default String example() {
        return null;
    }

    /**
     * Does the work. What it throws is told the model in place of an output. It is interrupted when it takes too long, or when nobody
     * waits for it any more, and should end then.
     *
     * @param input valid under the schema
     * @return what the model is told; never null
     */
    String call(JsonNode input) throws Exception;
}
