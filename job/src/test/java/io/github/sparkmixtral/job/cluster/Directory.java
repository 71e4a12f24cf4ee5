package io.github.sparkmixtral.job.cluster;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.agent.AgentTool;

/** Knows who leads what, as a user's own tool would. The demo's model has learned to call one of that name. */
public final class Directory implements AgentTool {
    static final Class<?>[] CLASSES = {Directory.class};

    @Override
    public String name() {
        return "Search";
    }

    @Override
    public String description() {
        return "a query";
    }

    @Override
    public String example() {
        return "\"weather in Rome\"";
    }

    @Override
    public String call(JsonNode input) {
        return "The " + input.textValue() + " is Fax Grend.";
    }
}
