package io.github.sparkmixtral.chat;

import io.github.sparkmixtral.chat.template.JinjaTemplate;
import io.github.sparkmixtral.chat.template.TemplateException;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.util.List;

/** How a conversation becomes tokens. Immutable; may be used by many threads at once. */
public sealed interface ChatFormat permits MistralFormat, TemplateFormat {

    /** Which of Mistral's two formats. */
    enum Version {
        V1,
        V3
    }

    /** What a model is asked to use in place of its own template: Mistral's format of the version that its vocabulary shows. */
    String NONE = "none";

    /**
     * A format, and why it is this one.
     *
     * @param reason for the log, as the end of a sentence
     */
    record Choice(ChatFormat format, String reason) {}

    /** {@code mistral-v1}, {@code mistral-v3}, {@code chatml} or {@code template}. */
    String name();

    /**
     * The tokens of a conversation after which the model answers. If the last message is the assistant's, the answer continues it.
     *
     * @param tools functions that the model may call
     * @throws ChatException for a conversation that the format cannot express, naming the message and the way out
     */
    int[] render(List<ChatMessage> messages, List<Tool> tools);

    /** Whether answers call tools with a token that the model has for it, {@link ToolCalls#TOKEN}. */
    boolean callsTools();

    /** The tokens of a conversation, as {@link #render(List, List)} gives them. */
    default int[] render(Conversation conversation) {
        return render(conversation.messages(), conversation.tools());
    }

    /** Mistral's format of the version that the vocabulary shows. */
    static ChatFormat of(Tokenizer tokenizer) {
        return new MistralFormat(tokenizer, MistralFormat.versionOf(tokenizer));
    }

    /**
     * Chooses the format of a model. One that has a template gets it, unless that is one of the spellings of Mistral's own formats: then
     * the format itself, which is exact where the templates are not. One that has none gets ChatML where its vocabulary has ChatML's
     * tokens, else Mistral's.
     *
     * @param templates those of the model's files
     * @param asked null, {@code none}, {@code mistral-v1}, {@code mistral-v3}, {@code chatml}, or a template's text
     * @throws ChatException where a template cannot be used, or the vocabulary lacks the tokens of what is asked for
     */
    static Choice choose(Tokenizer tokenizer, ChatTemplates templates, String asked) {
        if (asked != null) {
            return asked(tokenizer, templates, asked);
        }
        if (!templates.isEmpty()) {
            TemplateFormat template = template(tokenizer, templates);
            if (MistralSpelling.isOf(template)) {
                return new Choice(of(tokenizer), "the template in " + templates.source() + " is a spelling of it");
            }
            return new Choice(template, "it is in " + templates.source());
        }
        if (tokenizer.controlToken("<|im_start|>").isPresent()
                && tokenizer.controlToken("<|im_end|>").isPresent()) {
            return new Choice(
                    chatMl(tokenizer), "the model has no chat template, but <|im_start|> and <|im_end|> as tokens");
        }
        return new Choice(
                of(tokenizer),
                "the model has no chat template, and its vocabulary " + (isV3(tokenizer) ? "has" : "lacks")
                        + " [INST]");
    }

    private static boolean isV3(Tokenizer tokenizer) {
        return MistralFormat.versionOf(tokenizer) == Version.V3;
    }

    private static Choice asked(Tokenizer tokenizer, ChatTemplates templates, String asked) {
        String reason = "--chat-template asks for it";
        return switch (asked) {
            case NONE -> new Choice(of(tokenizer), "--chat-template none leaves the model's template out");
            case "mistral-v1" -> new Choice(new MistralFormat(tokenizer, Version.V1), reason);
            case "mistral-v3" -> {
                if (!isV3(tokenizer)) {
                    throw new ChatException(
                            "--chat-template mistral-v3: the model's vocabulary has no tokens [INST] and"
                                    + " [/INST]; use mistral-v1");
                }
                yield new Choice(new MistralFormat(tokenizer, Version.V3), reason);
            }
            case TemplateFormat.CHATML -> new Choice(chatMl(tokenizer), reason);
            default -> new Choice(template(tokenizer, templates.replacedBy("--chat-template", asked)), reason);
        };
    }

    private static ChatFormat chatMl(Tokenizer tokenizer) {
        return new TemplateFormat(
                TemplateFormat.CHATML,
                tokenizer,
                ChatTemplates.NONE,
                JinjaTemplate.parse(TemplateFormat.CHATML_TEMPLATE),
                null);
    }

    private static TemplateFormat template(Tokenizer tokenizer, ChatTemplates templates) {
        try {
            return TemplateFormat.of(tokenizer, templates);
        } catch (TemplateException e) {
            throw new ChatException("the chat template in " + templates.source() + " cannot be used: " + e.getMessage()
                    + "; give another one with --chat-template");
        }
    }
}
