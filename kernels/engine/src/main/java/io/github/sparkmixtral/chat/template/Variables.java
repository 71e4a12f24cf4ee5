package io.github.sparkmixtral.chat.template;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a template may name. Texts of JSON are the conversation's; only those of {@link #putTemplate} count as the template's own. */
public final class Variables {
    private final Map<String, Object> values = new LinkedHashMap<>();

    /** JSON; a null reference is Python's {@code None}. */
    public Variables put(String name, JsonNode json) {
        values.put(name, json == null ? None.NONE : value(json));
        return this;
    }

    public Variables put(String name, boolean value) {
        values.put(name, value);
        return this;
    }

    /** A text of the model's own files, such as the spelling of a special token. */
    public Variables putTemplate(String name, String text) {
        values.put(name, Text.ofTemplate(text));
        return this;
    }

    Map<String, Object> values() {
        return values;
    }

    private static Object value(JsonNode json) {
        return switch (json.getNodeType()) {
            case OBJECT -> {
                Dict dict = new Dict();
                json.properties().forEach(field -> dict.put(Text.ofValue(field.getKey()), value(field.getValue())));
                yield dict;
            }
            case ARRAY -> {
                List<Object> items = new ArrayList<>();
                json.forEach(item -> items.add(value(item)));
                yield Sequence.list(items);
            }
            case STRING -> Text.ofValue(json.textValue());
            case NUMBER -> json.isIntegralNumber() ? (Object) json.bigIntegerValue() : json.doubleValue();
            case BOOLEAN -> json.booleanValue();
            case NULL, MISSING, BINARY, POJO -> None.NONE;
        };
    }
}
