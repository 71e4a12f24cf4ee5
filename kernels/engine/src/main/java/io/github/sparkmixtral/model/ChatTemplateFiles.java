package io.github.sparkmixtral.model;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.github.sparkmixtral.chat.ChatTemplates;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * The chat templates of a Hugging Face directory. {@code chat_template.jinja} goes before {@code chat_template.json}, and that before the
 * {@code chat_template} of {@code tokenizer_config.json}, which is a text or a list of {@code {name, template}}: transformers' order.
 */
final class ChatTemplateFiles {
    private static final long MOST_BYTES = 1 << 20;

    private ChatTemplateFiles() {}

    /**
     * Reads what is there.
     *
     * @param files maps a file of the directory by its name; empty where there is none
     */
    static ChatTemplates read(String directory, Function<String, Optional<MemorySegment>> files) {
        JsonNode config = json(directory, "tokenizer_config.json", files);
        Map<String, String> specialTokens = specialTokens(config);
        Optional<MemorySegment> jinja = files.apply("chat_template.jinja");
        if (jinja.isPresent()) {
            String file = directory + "/chat_template.jinja";
            return new ChatTemplates(file, Map.of("default", text(file, jinja.get())), specialTokens);
        }
        for (String name : new String[] {"chat_template.json", "tokenizer_config.json"}) {
            String file = directory + "/" + name;
            JsonNode template = json(directory, name, files).path("chat_template");
            if (!template.isMissingNode() && !template.isNull()) {
                return new ChatTemplates(file, templates(file, template), specialTokens);
            }
        }
        return new ChatTemplates("", Map.of(), specialTokens);
    }

    private static JsonNode json(String directory, String name, Function<String, Optional<MemorySegment>> files) {
        return files.apply(name)
                .map(content -> JsonFile.read(directory + "/" + name, content))
                .orElse(MissingNode.getInstance());
    }

    private static String text(String file, MemorySegment content) {
        if (content.byteSize() > MOST_BYTES) {
            throw new ModelException("%s has %d bytes, more than the %d that a chat template may have"
                    .formatted(file, content.byteSize(), MOST_BYTES));
        }
        return new String(content.toArray(JAVA_BYTE), StandardCharsets.UTF_8);
    }

    private static Map<String, String> templates(String file, JsonNode template) {
        if (template.isTextual()) {
            return Map.of("default", template.textValue());
        }
        Map<String, String> templates = new HashMap<>();
        for (JsonNode one : template) {
            if (!one.path("name").isTextual() || !one.path("template").isTextual()) {
                throw new ModelException(
                        "%s: chat_template must be a text or a list of {name, template}".formatted(file));
            }
            templates.put(one.get("name").textValue(), one.get("template").textValue());
        }
        if (!template.isArray() || templates.isEmpty()) {
            throw new ModelException("%s: chat_template must be a text or a list of {name, template}".formatted(file));
        }
        return templates;
    }

    private static Map<String, String> specialTokens(JsonNode config) {
        Map<String, String> tokens = new HashMap<>();
        config.properties().forEach(entry -> {
            JsonNode token = entry.getValue();
            JsonNode text = token.isObject() ? token.path("content") : token;
            if (entry.getKey().endsWith("_token") && text.isTextual()) {
                tokens.put(entry.getKey(), text.textValue());
            }
        });
        return tokens;
    }
}
