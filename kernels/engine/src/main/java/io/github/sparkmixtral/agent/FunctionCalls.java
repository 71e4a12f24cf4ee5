package io.github.sparkmixtral.agent;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.chat.ChatMessage;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.chat.Role;
import io.github.sparkmixtral.chat.Tool;
import io.github.sparkmixtral.chat.ToolCall;
import io.github.sparkmixtral.grammar.SchemaReferences;
import io.github.sparkmixtral.grammar.StructuredOutput;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Calls with the tokens that a model has for them. Several calls in one answer are all run. An answer without a call is the final one.
 * An input that is no object is the argument {@code input} of its function.
 */
final class FunctionCalls implements CallFormat {
    private static final String INPUT = "input";
    private static final JsonMapper JSON = new JsonMapper();

    private final List<Tool> functions = new ArrayList<>();
    private final Set<String> wrapped = new LinkedHashSet<>();
    private final String prompt;

    /** @param prompt null for no system text */
    FunctionCalls(Toolbox toolbox, String prompt) {
        this.prompt = prompt;
        for (AgentTool tool : toolbox.tools()) {
            JsonNode schema = Toolbox.parsed(tool.inputSchema());
            if (!schema.path("type").asText().equals("object")) {
                wrapped.add(tool.name());
                schema = wrapped(schema);
            }
            functions.add(new Tool(tool.name(), tool.description(), schema));
        }
    }

    private static ObjectNode wrapped(JsonNode schema) {
        ObjectNode object = JSON.createObjectNode().put("type", "object");
        object.putObject("properties").set(INPUT, SchemaReferences.moved(schema, "#/properties/" + INPUT));
        object.putArray("required").add(INPUT);
        return object;
    }

    @Override
    public Conversation begin(String question) {
        Conversation conversation = new Conversation(List.of(new ChatMessage(Role.USER, question)), functions);
        return prompt == null ? conversation : conversation.withSystem(prompt);
    }

    @Override
    public Conversation asked(Conversation conversation) {
        return conversation;
    }

    @Override
    public StructuredOutput constraint() {
        return null;
    }

    @Override
    public Wish read(Reply reply) {
        if (reply.fault() != null) {
            return new Unreadable(reply.fault());
        }
        if (reply.calls().isEmpty()) {
            return new Final(reply.text());
        }
        return new Calls(reply.calls().stream().map(this::call).toList());
    }

    private Call call(ToolCall call) {
        JsonNode arguments = Toolbox.parsed(call.arguments());
        return new Call(call.id(), call.name(), wrapped.contains(call.name()) ? arguments.path(INPUT) : arguments);
    }

    @Override
    public List<ChatMessage> told(Reply reply, List<Call> calls, List<Toolbox.Output> outputs) {
        List<ChatMessage> messages = new ArrayList<>();
        messages.add(new ChatMessage(Role.ASSISTANT, null, reply.calls(), null, null));
        for (int i = 0; i < calls.size(); i++) {
            Toolbox.Output output = outputs.get(i);
            String text = output.error() == null ? output.text() : "error: " + output.error();
            messages.add(new ChatMessage(
                    Role.TOOL, text, List.of(), calls.get(i).id(), calls.get(i).tool()));
        }
        return messages;
    }

    @Override
    public List<ChatMessage> told(Reply reply, String reason) {
        // An answer may be nothing but calls, and a message has to say something.
        String said = reply.text().isBlank() ? "(calls that cannot be read)" : reply.text();
        return List.of(new ChatMessage(Role.ASSISTANT, said), new ChatMessage(Role.USER, "error: " + reason));
    }
}
