package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.grammar.JsonShape.Scalar;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Finds the shape of a schema that {@link JsonSchemaReader} reads: it goes the same ways, and asks only what can be a type. */
final class JsonShapeReader {
    static final int MOST_PARTS = 5_000;

    private static final int DEEPEST = 128;
    private static final String ROOT = "#";
    private static final Set<Scalar> NUMBERS = EnumSet.of(Scalar.INTEGER, Scalar.NUMBER);

    private final JsonSchemaReader schemas;
    private final JsonNode document;

    /** What is being read, so that a way back into it is found. */
    private final Set<String> open = new HashSet<>();

    private int parts;
    private int depth;

    JsonShapeReader(JsonNode document) {
        this.document = document;
        this.schemas = new JsonSchemaReader(document);
    }

    JsonShape read() {
        open.add(ROOT);
        return shape(document, ROOT);
    }

    private JsonShape shape(JsonNode schema, String path) {
        if (++parts > MOST_PARTS) {
            throw JsonSchemaReader.error(ROOT, "leads to more than " + MOST_PARTS + " parts, too many for one type");
        }
        if (!schema.isObject() || depth == DEEPEST) {
            return Scalar.ANYTHING;
        }
        depth++;
        try {
            return combined(schema, path);
        } finally {
            depth--;
        }
    }

    private JsonShape combined(JsonNode schema, String path) {
        if (JsonSchemaReader.takesNothing(schema)) {
            return Scalar.NULL;
        }
        if (schema.has("$ref")) {
            return reference(schema, path);
        }
        SchemaMerge merge = schemas.merge(path);
        if (schema.has("allOf")) {
            JsonNode all = JsonSchemaReader.without(schema, "allOf");
            for (JsonNode part : schema.get("allOf")) {
                all = held(merge, all, part);
            }
            return shape(all, path);
        }
        for (String keyword : List.of("anyOf", "oneOf")) {
            if (schema.has(keyword)) {
                ObjectNode rest = JsonSchemaReader.without(schema, keyword);
                List<JsonShape> shapes = new ArrayList<>();
                schema.get(keyword).forEach(part -> shapes.add(shape(held(merge, rest, part), path)));
                return common(shapes);
            }
        }
        return plain(schema, path);
    }

    private JsonShape reference(JsonNode schema, String path) {
        String name = schema.get("$ref").asText();
        if (!open.add(name)) {
            return Scalar.ANYTHING;
        }
        try {
            JsonNode target = schemas.resolve(name, path + "/$ref");
            JsonNode rest = JsonSchemaReader.without(schema, "$ref");
            return shape(held(schemas.merge(path), rest, target), name);
        } finally {
            open.remove(name);
        }
    }

    /** Two schemas as one, in which the second one's {@code $ref} stays, so that a way back is found. */
    private static JsonNode held(SchemaMerge merge, JsonNode schema, JsonNode other) {
        if (!other.has("$ref") || !schema.isObject() || schema.has("$ref")) {
            return merge.merge(schema, other);
        }
        JsonNode both = merge.merge(schema, JsonSchemaReader.without(other, "$ref"));
        return both.isObject() ? ((ObjectNode) both.deepCopy()).set("$ref", other.get("$ref")) : both;
    }

    /** The one shape of several, nulls aside. */
    private static JsonShape common(List<JsonShape> shapes) {
        Set<JsonShape> distinct = new LinkedHashSet<>(shapes);
        distinct.remove(Scalar.NULL);
        if (distinct.isEmpty()) {
            return Scalar.NULL;
        }
        return distinct.size() == 1
                ? distinct.iterator().next()
                : NUMBERS.containsAll(distinct) ? Scalar.NUMBER : Scalar.ANYTHING;
    }

    private JsonShape plain(JsonNode schema, String path) {
        if (schema.has("const")) {
            return literal(schema.get("const"));
        }
        if (schema.has("enum")) {
            List<JsonShape> shapes = new ArrayList<>();
            schema.get("enum").forEach(value -> shapes.add(literal(value)));
            return common(shapes);
        }
        List<JsonShape> shapes = new ArrayList<>();
        for (String type : JsonSchemaReader.types(schema, path)) {
            shapes.add(
                    switch (type) {
                        case "object" -> object(schema, path);
                        case "array" -> array(schema, path);
                        case "string" -> string(schema);
                        case "integer" -> Scalar.INTEGER;
                        case "number" -> Scalar.NUMBER;
                        case "boolean" -> Scalar.BOOLEAN;
                        default -> Scalar.NULL;
                    });
        }
        return common(shapes);
    }

    private static Scalar literal(JsonNode value) {
        return switch (value.getNodeType()) {
            case STRING -> Scalar.STRING;
            case BOOLEAN -> Scalar.BOOLEAN;
            case NUMBER -> value.isIntegralNumber() ? Scalar.INTEGER : Scalar.NUMBER;
            case NULL -> Scalar.NULL;
            default -> Scalar.ANYTHING;
        };
    }

    private static Scalar string(JsonNode schema) {
        return switch (schema.path("format").asText()) {
            case "date" -> Scalar.DATE;
            case "date-time" -> Scalar.DATE_TIME;
            default -> Scalar.STRING;
        };
    }

    private JsonShape object(JsonNode schema, String path) {
        JsonNode additional = schema.has("additionalProperties")
                ? schema.get("additionalProperties")
                : schema.path("unevaluatedProperties");
        Map<String, JsonNode> declared = new LinkedHashMap<>();
        schema.path("properties").properties().forEach(field -> declared.put(field.getKey(), field.getValue()));
        schema.path("required")
                .forEach(name -> declared.putIfAbsent(
                        name.asText(), additional.isMissingNode() ? BooleanNode.TRUE : additional));
        JsonNode patterns = schema.path("patternProperties");
        if (!declared.isEmpty()) {
            Map<String, JsonShape> properties = new LinkedHashMap<>();
            declared.forEach((name, value) -> {
                if (!SchemaMerge.isFalse(value)) {
                    properties.put(name, shape(value, path + "/properties/" + name));
                }
            });
            return properties.isEmpty() ? Scalar.ANYTHING : new JsonShape.Fields(properties);
        }
        if (patterns.size() == 1 && (additional.isMissingNode() || SchemaMerge.isFalse(additional))) {
            return new JsonShape.Entries(
                    shape(patterns.properties().iterator().next().getValue(), path + "/patternProperties"));
        }
        return additional.isObject() && !additional.isEmpty() && patterns.isEmpty()
                ? new JsonShape.Entries(shape(additional, path + "/additionalProperties"))
                : Scalar.ANYTHING;
    }

    private JsonShape array(JsonNode schema, String path) {
        boolean old = schema.path("items").isArray();
        JsonNode first = old ? schema.get("items") : schema.path("prefixItems");
        JsonNode rest = schema.path(old ? "additionalItems" : "items");
        if (rest.isMissingNode()) {
            rest = schema.path("unevaluatedItems");
        }
        List<JsonShape> shapes = new ArrayList<>();
        first.forEach(element -> shapes.add(shape(element, path + "/prefixItems")));
        if (!rest.isMissingNode() && !SchemaMerge.isFalse(rest)) {
            shapes.add(shape(rest, path + "/items"));
        } else if (rest.isMissingNode() && minItems(schema) > first.size()) {
            shapes.add(Scalar.ANYTHING);
        }
        return new JsonShape.Sequence(shapes.isEmpty() ? Scalar.ANYTHING : common(shapes));
    }

    private static int minItems(JsonNode schema) {
        return schema.path("minItems").asInt();
    }
}
