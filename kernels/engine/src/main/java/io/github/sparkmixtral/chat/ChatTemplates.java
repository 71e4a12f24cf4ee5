package io.github.sparkmixtral.chat;

import java.util.Map;

/**
 * What a model's files say about its chat format.
 *
 * @param source the file, for messages
 * @param byName templates in Jinja by their names; {@code default}, and perhaps {@code tool_use}; empty where there is none
 * @param specialTokens texts of special tokens by the names that a template has for them, such as {@code pad_token}; those that the
 *     tokenizer knows need not be there
 */
public record ChatTemplates(String source, Map<String, String> byName, Map<String, String> specialTokens) {
    /** No template. */
    public static final ChatTemplates NONE = new ChatTemplates("", Map.of(), Map.of());

    static final String DEFAULT = "default";
    static final String TOOL_USE = "tool_use";

    public ChatTemplates {
        byName = Map.copyOf(byName);
        specialTokens = Map.copyOf(specialTokens);
    }

    /** Whether there is no template. */
    public boolean isEmpty() {
        return byName.isEmpty();
    }

    /** The same, known by another file's name. */
    public ChatTemplates from(String otherSource) {
        return new ChatTemplates(otherSource, byName, specialTokens);
    }

    ChatTemplates replacedBy(String otherSource, String template) {
        return new ChatTemplates(otherSource, Map.of(DEFAULT, template), specialTokens);
    }
}
