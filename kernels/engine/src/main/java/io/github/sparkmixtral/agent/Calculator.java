package io.github.sparkmixtral.agent;

import com.fasterxml.jackson.databind.JsonNode;

/** Calculates what the model writes in the manner of Python; see {@link Arithmetic}. Nothing is run. */
public final class Calculator implements AgentTool {
    public static final String NAME = "Calculator";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String description() {
        return "Python code that sets output";
    }

    @Override
    public String example() {
        return "\"output = 4 * 25\"";
    }

    @Override
    public String call(JsonNode input) {
        return Arithmetic.value(input.textValue());
    }
}
