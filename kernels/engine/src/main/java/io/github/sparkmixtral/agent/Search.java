package io.github.sparkmixtral.agent;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/** Looks a question up. */
public final class Search implements AgentTool {
    public static final String NAME = "Search";

    /** Where it looks; many threads at once. */
    @FunctionalInterface
    public interface Passages {
        /** The passages that answer a question best, best first; none where nothing does. */
        List<String> of(String question) throws Exception;
    }

    private final Passages passages;

    public Search(Passages passages) {
        this.passages = passages;
    }

    @Override
    public String name() {
        return NAME;
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
    public String call(JsonNode input) throws Exception {
        List<String> found = passages.of(input.textValue());
        return found.isEmpty() ? "nothing found" : String.join("\n\n", found);
    }
}
