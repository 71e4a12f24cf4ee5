package io.github.sparkmixtral.chat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.chat.template.JinjaTemplate;
import io.github.sparkmixtral.chat.template.TemplateException;
import io.github.sparkmixtral.chat.template.Text;
import io.github.sparkmixtral.chat.template.Variables;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.List;
import java.util.Map;

/**
 * A model's own chat template, rendered and tokenized as transformers' {@code apply_chat_template} does, with one difference: special
 * tokens are recognized in what the template wrote, and never in what the conversation brings.
 */
final class TemplateFormat implements ChatFormat {
    static final String CHATML = "chatml";
    static final String CHATML_TEMPLATE = """
            {% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}
            {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""";

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** Put behind a primer, and looked for in what the template has made of it. */
    private static final String PRIMER_END = "CONTINUE_FINAL_MESSAGE_TAG ";

    private final String name;
    private final Tokenizer tokenizer;
    private final ChatTemplates templates;
    private final JinjaTemplate template;
    private final JinjaTemplate withTools;
    private final String bosToken;
    private final String eosToken;
    private final String unknownToken;

    /** @param withTools taken where there are tools; null for the same */
    TemplateFormat(
            String name,
            Tokenizer tokenizer,
            ChatTemplates templates,
            JinjaTemplate template,
            JinjaTemplate withTools) {
        this.name = name;
        this.tokenizer = tokenizer;
        this.templates = templates;
        this.template = template;
        this.withTools = withTools;
        Map<Integer, String> controls = tokenizer.controlTokens();
        bosToken = controls.get(tokenizer.bosTokenId());
        eosToken = controls.get(tokenizer.eosTokenId());
        unknownToken = controls.get(tokenizer.unknownTokenId());
    }

    /**
     * Parses a model's templates.
     *
     * @throws TemplateException where one cannot be parsed
     */
    static TemplateFormat of(Tokenizer tokenizer, ChatTemplates templates) {
        String source = templates.byName().get(ChatTemplates.DEFAULT);
        if (source == null) {
            throw new TemplateException("it has templates named "
                    + templates.byName().keySet() + ", but none named " + ChatTemplates.DEFAULT);
        }
        String toolUse = templates.byName().get(ChatTemplates.TOOL_USE);
        return new TemplateFormat(
                "template",
                tokenizer,
                templates,
                JinjaTemplate.parse(source),
                toolUse == null ? null : JinjaTemplate.parse(toolUse));
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public boolean callsTools() {
        return false;
    }

    @Override
    public int[] render(List<ChatMessage> messages, List<Tool> tools) {
        Text text = text(messages, tools);
        int[] tokens = tokenizer.encode(text.value(), text.template());
        if (tokens.length == 0) {
            throw new ChatException("messages: the chat template makes an empty prompt of them");
        }
        return tokens;
    }

    /**
     * The rendered text.
     *
     * @throws ChatException where the template refuses the conversation, or fails
     */
    Text text(List<ChatMessage> messages, List<Tool> tools) {
        if (messages.isEmpty()) {
            throw new ChatException("messages: is empty; give at least one message");
        }
        boolean primed = messages.getLast().role() == Role.ASSISTANT;
        ArrayNode array = NODES.arrayNode();
        messages.forEach(message -> array.add(json(message)));
        if (primed) {
            requireText(messages);
            ((ObjectNode) array.get(array.size() - 1))
                    .put("content", messages.getLast().content() + PRIMER_END);
        }
        Variables variables = variables(array, tools, !primed);
        try {
            JinjaTemplate chosen = tools.isEmpty() || withTools == null ? template : withTools;
            Text text = chosen.render(variables);
            return primed ? upToPrimer(text, messages.getLast().content()) : text;
        } catch (TemplateException e) {
            throw new ChatException("messages: " + e.getMessage());
        }
    }

    private static void requireText(List<ChatMessage> messages) {
        String path = "messages[" + (messages.size() - 1) + "]";
        if (messages.getLast().content() == null
                || !messages.getLast().toolCalls().isEmpty()) {
            throw new ChatException(path + ".role: the conversation ends with calls of tools; add the tools' results");
        }
    }

    /** What transformers' {@code continue_final_message} leaves of the rendered text. */
    private static Text upToPrimer(Text text, String primer) {
        String value = text.value();
        int end = value.lastIndexOf(PRIMER_END.strip());
        if (end < 0
                || !value.contains(Text.ofValue(primer).strip(null, true, true).value())) {
            throw new ChatException(
                    "messages: the chat template does not keep the last message as it is, so that no answer can continue"
                            + " it; leave the last message out");
        }
        Text before = text.substring(0, end);
        return value.startsWith(PRIMER_END, end) ? before : before.strip(null, false, true);
    }

    private Variables variables(ArrayNode messages, List<Tool> tools, boolean addGenerationPrompt) {
        Variables variables = new Variables();
        putToken(variables, "bos_token", bosToken);
        putToken(variables, "eos_token", eosToken);
        putToken(variables, "unk_token", unknownToken);
        templates.specialTokens().forEach((token, text) -> putToken(variables, token, text));
        return variables
                .put("messages", messages)
                .put("tools", tools.isEmpty() ? null : json(tools))
                .put("documents", (JsonNode) null)
                .put("add_generation_prompt", addGenerationPrompt);
    }

    /** The spelling of the token that begins a sequence. */
    String bosToken() {
        return bosToken;
    }

    /** The spelling of the token that ends a sequence. */
    String eosToken() {
        return eosToken;
    }

    private static void putToken(Variables variables, String name, String text) {
        if (text != null) {
            variables.putTemplate(name, text);
        }
    }

    private static ArrayNode json(List<Tool> tools) {
        ArrayNode array = NODES.arrayNode();
        for (Tool tool : tools) {
            if (tool.json() != null) {
                array.add(tool.json());
            } else {
                ObjectNode function = array.addObject().put("type", "function").putObject("function");
                function.put("name", tool.name()).put("description", tool.description());
                function.set("parameters", tool.parameters());
            }
        }
        return array;
    }

    /** The message as it was given, but for its text, which is one string, and the arguments of calls, which are objects. */
    private static ObjectNode json(ChatMessage message) {
        ObjectNode json = NODES.objectNode();
        json.put("role", message.role().text()).put("content", message.content());
        if (message.json() != null) {
            json = ((ObjectNode) message.json()).deepCopy();
            if (json.has("content")) {
                json.put("content", message.content());
            }
        } else {
            putIfGiven(json, "name", message.toolName());
            putIfGiven(json, "tool_call_id", message.toolCallId());
        }
        if (!message.toolCalls().isEmpty()) {
            json.set("tool_calls", calls(message.toolCalls()));
        }
        return json;
    }

    private static void putIfGiven(ObjectNode json, String name, String value) {
        if (value != null) {
            json.put(name, value);
        }
    }

    private static ArrayNode calls(List<ToolCall> calls) {
        ArrayNode array = NODES.arrayNode();
        for (ToolCall call : calls) {
            ObjectNode object = array.addObject();
            putIfGiven(object, "id", call.id());
            ObjectNode function =
                    object.put("type", "function").putObject("function").put("name", call.name());
            function.set("arguments", PythonJson.readOrText(call.arguments()));
        }
        return array;
    }
}
