package io.github.sparkmixtral.job.inspect;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.github.sparkmixtral.chat.ChatException;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.chat.Tool;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelOutline;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What a model is.
 *
 * @param weights bytes by the type that they are stored in
 * @param tokenizerVersion Mistral's, {@code v1} or {@code v3}, by the vocabulary
 * @param chatFormat name, and why it is this one
 * @param systemPrompt {@code yes}, or why there can be none
 * @param tools {@code yes}, or why there can be none
 * @param controlTokens texts by id
 * @param stopTokens texts by id
 */
record ModelFacts(
        ModelDescription description,
        long activeParameters,
        Map<TensorType, Long> weights,
        String tokenizerVersion,
        ChatFormat.Choice chatFormat,
        String systemPrompt,
        String tools,
        Map<Integer, String> controlTokens,
        Map<Integer, String> stopTokens,
        List<String> notes) {
    private static final String YES = "yes";

    /** @throws ChatException where the model's chat template cannot be used */
    static ModelFacts of(ModelOutline outline) {
        ModelConfig config = outline.config();
        Tokenizer tokenizer = outline.tokenizer();
        ChatFormat.Choice choice = ChatFormat.choose(tokenizer, outline.chatTemplates(), null);
        Map<Integer, String> stops = new TreeMap<>();
        config.eosTokenIds()
                .forEach(id -> stops.put(id, tokenizer.controlTokens().getOrDefault(id, tokenizer.piece(id))));
        return new ModelFacts(
                outline.description(Quantization.NONE),
                outline.activeParameters(),
                outline.bytesByType(),
                ChatFormat.of(tokenizer).name().replaceFirst(".*-", ""),
                choice,
                works(choice.format(), Conversation.ofPrompt("prompt").withSystem("system")),
                tools(choice.format()),
                new TreeMap<>(tokenizer.controlTokens()),
                stops,
                outline.notes());
    }

    private static String tools(ChatFormat format) {
        Tool tool = new Tool(
                "tool", "A tool.", JsonNodeFactory.instance.objectNode().put("type", "object"));
        String works =
                works(format, new Conversation(Conversation.ofPrompt("prompt").messages(), List.of(tool)));
        return works.equals(YES) && !format.callsTools()
                ? "in prompts only: the model has no token that calls them"
                : works;
    }

    /** Whether a format has a place for what a conversation has beside its prompt. */
    private static String works(ChatFormat format, Conversation conversation) {
        try {
            int[] plain = format.render(Conversation.ofPrompt("prompt"));
            return Arrays.equals(format.render(conversation), plain) ? "no: the template leaves it out" : YES;
        } catch (ChatException refused) {
            return "no: " + refused.getMessage().replaceFirst("^tools: ", "");
        }
    }

    /** Types with their parts of all bytes, the largest first: {@code Q4_K 91.2 %, Q6_K 8.8 %}. */
    String shares() {
        double all = weights.values().stream().mapToLong(Long::longValue).sum();
        return weights.entrySet().stream()
                .sorted(Map.Entry.<TensorType, Long>comparingByValue().reversed())
                .map(entry -> Text.format("%s %.1f %%", entry.getKey(), 100 * entry.getValue() / all))
                .collect(Collectors.joining(", "));
    }
}
