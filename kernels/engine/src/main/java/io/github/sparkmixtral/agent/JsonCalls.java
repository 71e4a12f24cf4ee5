package io.github.sparkmixtral.agent;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.chat.ChatMessage;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.chat.Role;
import io.github.sparkmixtral.grammar.SchemaReferences;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.util.ArrayList;
import java.util.List;

/**
 * Calls as JSON objects with {@code tool_name} and {@code input}, for any model: a system text says so, a primer begins the object, and
 * the rest is held to the tools' schemas. What a tool says comes back as the next user message.
 */
final class JsonCalls implements CallFormat {
    /** The demo's model has learned these words. */
    private static final String PROMPT =
            "You have {tools}.\nReply in JSON with the keys tool_name and input. Examples:\n{examples}";

    private static final String ANSWER_DESCRIPTION = "the answer";
    private static final String ANSWER_EXAMPLE = "\"The answer is 100.\"";
    private static final String BEGUN = "{\"tool_name\": ";
    private static final String PRIMER = "```json\n" + BEGUN;
    private static final String TEXT_SCHEMA = "{\"type\": \"string\"}";
    private static final List<String> NUMBERS =
            List.of("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten");
    private static final JsonMapper JSON = new JsonMapper();

    private final String system;
    private final StructuredOutput constraint;

    /** @param prompt null for the own one */
    JsonCalls(Toolbox toolbox, String prompt) {
        List<String> descriptions = new ArrayList<>();
        StringBuilder examples = new StringBuilder();
        ObjectNode schema = JSON.createObjectNode();
        ArrayNode alternatives = schema.putArray("anyOf");
        for (AgentTool tool : toolbox.tools()) {
            descriptions.add(described(tool));
            if (tool.example() != null) {
                examples.append(call(tool.name(), tool.example())).append('\n');
            }
            add(alternatives, tool.name(), Toolbox.parsed(tool.inputSchema()));
        }
        descriptions.add(Toolbox.FINAL_ANSWER + " (" + ANSWER_DESCRIPTION + ")");
        examples.append(call(Toolbox.FINAL_ANSWER, ANSWER_EXAMPLE));
        add(alternatives, Toolbox.FINAL_ANSWER, Toolbox.parsed(TEXT_SCHEMA));
        constraint = new StructuredOutput(Kind.JSON, schema.toString());
        int count = descriptions.size();
        String tools = (count < NUMBERS.size() ? NUMBERS.get(count) : count) + " tools: "
                + String.join(", ", descriptions.subList(0, count - 1)) + " and " + descriptions.getLast();
        system = (prompt == null ? PROMPT : prompt).replace("{tools}", tools).replace("{examples}", examples);
    }

    private static String described(AgentTool tool) {
        JsonNode schema = Toolbox.parsed(tool.inputSchema());
        return tool.name() + " (" + tool.description()
                + (schema.equals(Toolbox.parsed(TEXT_SCHEMA)) ? "" : "; input: " + schema) + ")";
    }

    private static String call(String tool, String input) {
        return BEGUN + '"' + tool + "\", \"input\": " + input + "}";
    }

    private static void add(ArrayNode alternatives, String tool, JsonNode input) {
        String path = "#/anyOf/" + alternatives.size() + "/properties/input";
        ObjectNode call = alternatives.addObject().put("type", "object");
        ObjectNode properties = call.putObject("properties");
        properties.putObject("tool_name").put("const", tool);
        properties.set("input", SchemaReferences.moved(input, path));
        call.putArray("required").add("tool_name").add("input");
        call.put("additionalProperties", false);
    }

    @Override
    public Conversation begin(String question) {
        return Conversation.ofPrompt(question).withSystem(system);
    }

    @Override
    public Conversation asked(Conversation conversation) {
        return conversation.with(List.of(new ChatMessage(Role.ASSISTANT, PRIMER)));
    }

    @Override
    public StructuredOutput constraint() {
        return constraint;
    }

    @Override
    public Wish read(Reply reply) {
        JsonNode call;
        try {
            call = JSON.readTree(BEGUN + reply.text());
        } catch (JsonProcessingException invalid) {
            return new Unreadable("the answer is not valid JSON");
        }
        String tool = call.path("tool_name").asText();
        JsonNode input = call.path("input");
        return tool.equals(Toolbox.FINAL_ANSWER)
                ? new Final(input.asText())
                : new Calls(List.of(new Call(null, tool, input)));
    }

    @Override
    public List<ChatMessage> told(Reply reply, List<Call> calls, List<Toolbox.Output> outputs) {
        Toolbox.Output output = outputs.getFirst();
        return messages(reply, output.error() == null ? output.text() : "error: " + output.error());
    }

    @Override
    public List<ChatMessage> told(Reply reply, String reason) {
        return messages(reply, "error: " + reason);
    }

    private static List<ChatMessage> messages(Reply reply, String output) {
        return List.of(
                new ChatMessage(Role.ASSISTANT, BEGUN + reply.text()),
                new ChatMessage(Role.USER, "Tool Output: " + output));
    }
}
