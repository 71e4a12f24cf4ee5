package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** Puts a JSON schema into another one. */
public final class SchemaReferences {
    private static final JsonNodeFactory NODES = JsonNodeFactory.withExactBigDecimals(true);

    private SchemaReferences() {}

    /**
     * A schema as it has to be in another one, so that its {@code $ref}s to itself lead where they did.
     *
     * @param path where it is put, such as {@code #/items}
     */
    public static JsonNode moved(JsonNode schema, String path) {
        if (schema.isArray()) {
            ArrayNode array = NODES.arrayNode();
            schema.forEach(element -> array.add(moved(element, path)));
            return array;
        }
        if (!schema.isObject()) {
            return schema;
        }
        ObjectNode object = NODES.objectNode();
        schema.properties().forEach(field -> {
            JsonNode value = field.getValue();
            boolean reference = field.getKey().equals("$ref")
                    && value.isTextual()
                    && value.textValue().startsWith("#");
            object.set(
                    field.getKey(),
                    reference ? NODES.textNode(path + value.textValue().substring(1)) : moved(value, path));
        });
        return object;
    }
}
