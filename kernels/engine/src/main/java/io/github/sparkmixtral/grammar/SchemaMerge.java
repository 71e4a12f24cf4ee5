package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.POJONode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

/** Two schemas that hold at once, as one schema: what {@code allOf} and keywords beside a {@code $ref} or an {@code anyOf} mean. */
final class SchemaMerge {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final int DEEPEST = 64;

    /** Keywords without a bearing on which documents are valid. */
    private static final Set<String> ANNOTATIONS = Set.of(
            "title",
            "description",
            "default",
            "examples",
            "example",
            "deprecated",
            "readOnly",
            "writeOnly",
            "$schema",
            "$id",
            "id",
            "$comment",
            "$defs",
            "definitions",
            "$anchor",
            "strict",
            "discriminator",
            "xml",
            "externalDocs",
            "contentMediaType",
            "contentEncoding",
            "contentSchema");

    private final UnaryOperator<String> unsupported;
    private final java.util.function.Function<String, JsonNode> resolve;
    private int depth;

    /**
     * @param resolve finds what a {@code $ref} names
     * @param unsupported makes the message about keywords that cannot be merged
     */
    SchemaMerge(java.util.function.Function<String, JsonNode> resolve, UnaryOperator<String> unsupported) {
        this.resolve = resolve;
        this.unsupported = unsupported;
    }

    /** The schema of the values that both take. */
    JsonNode merge(JsonNode a, JsonNode b) {
        if (++depth > DEEPEST) {
            throw new GrammarException(unsupported.apply("holds schemas together that lead to themselves"));
        }
        try {
            return merged(a, b);
        } finally {
            depth--;
        }
    }

    private JsonNode merged(JsonNode a, JsonNode b) {
        if (isTrue(a) || isFalse(b)) {
            return b;
        }
        if (isTrue(b) || isFalse(a)) {
            return a;
        }
        if (a.has("$ref") || b.has("$ref")) {
            return merge(flat(a), flat(b));
        }
        requireLocal(a, b);
        ObjectNode merged = NODES.objectNode();
        merged.setAll((ObjectNode) a);
        for (var field : b.properties()) {
            String key = field.getKey();
            if (!key.equals("properties") && !key.equals("additionalProperties")) {
                JsonNode mine = a.get(key);
                JsonNode both = mine == null ? field.getValue() : both(key, mine, field.getValue());
                if (both == null) {
                    return BooleanNode.FALSE;
                }
                merged.set(key, both);
            }
        }
        mergeProperties(a, b, merged);
        return merged;
    }

    /** Some keywords look at their neighbours in one schema, and at no others. */
    private void requireLocal(JsonNode a, JsonNode b) {
        if (a.has("prefixItems") && b.has("items") || b.has("prefixItems") && a.has("items")) {
            throw cannot("items");
        }
        for (String keyword : List.of("unevaluatedProperties", "unevaluatedItems")) {
            // Beside what it is merged with, only the outermost one sees all.
            if (b.has(keyword) || depth > 1 && a.has(keyword)) {
                throw cannot(keyword);
            }
        }
    }

    /** Without a {@code $ref} of its own. */
    private JsonNode flat(JsonNode schema) {
        if (!schema.has("$ref")) {
            return schema;
        }
        ObjectNode rest = schema.deepCopy();
        rest.remove("$ref");
        return merge(rest, resolve.apply(schema.get("$ref").asText()));
    }

    static boolean isAnnotation(String keyword) {
        return ANNOTATIONS.contains(keyword) || keyword.startsWith("x-");
    }

    /** Whether a schema says nothing about values. */
    static boolean isTrue(JsonNode schema) {
        return schema.isBoolean() && schema.booleanValue()
                || schema.isObject() && schema.properties().stream().allMatch(field -> isAnnotation(field.getKey()));
    }

    static boolean isFalse(JsonNode schema) {
        return schema.isBoolean() && !schema.booleanValue();
    }

    private void mergeProperties(JsonNode a, JsonNode b, ObjectNode merged) {
        Set<String> names = new LinkedHashSet<>();
        a.path("properties").fieldNames().forEachRemaining(names::add);
        b.path("properties").fieldNames().forEachRemaining(names::add);
        if (!names.isEmpty()) {
            ObjectNode properties = NODES.objectNode();
            names.forEach(name -> properties.set(name, merge(property(a, name), property(b, name))));
            merged.set("properties", properties);
        }
        JsonNode mine = a.get("additionalProperties");
        JsonNode others = b.get("additionalProperties");
        if (mine != null && others != null) {
            merged.set("additionalProperties", merge(mine, others));
        } else if (others != null) {
            merged.set("additionalProperties", others);
        }
    }

    private static JsonNode property(JsonNode schema, String name) {
        JsonNode declared = schema.path("properties").get(name);
        if (declared != null) {
            return declared;
        }
        JsonNode additional = schema.get("additionalProperties");
        return additional == null ? BooleanNode.TRUE : additional;
    }

    /** Null if no value takes both. */
    private JsonNode both(String key, JsonNode a, JsonNode b) {
        if (a.equals(b) || isAnnotation(key)) {
            return a;
        }
        return switch (key) {
            case "type" -> types(a, b);
            case "enum" -> common(a, b);
            case "required" -> union(a, b);
            case "minimum", "minLength", "minItems", "minProperties" -> larger(a, b) ? a : b;
            case "maximum", "maxLength", "maxItems", "maxProperties" -> larger(a, b) ? b : a;
            case "exclusiveMinimum", "exclusiveMaximum" -> {
                if (!a.isNumber() || !b.isNumber()) {
                    throw cannot(key);
                }
                yield larger(a, b) == key.equals("exclusiveMinimum") ? a : b;
            }
            case "items" -> merge(a, b);
            case "pattern" -> patterns(a, b);
            case "anyOf" -> products(a, b);
            case "allOf" -> ((ArrayNode) a.deepCopy()).addAll((ArrayNode) b);
            case "const" -> null;
            default -> throw cannot(key);
        };
    }

    private GrammarException cannot(String key) {
        return new GrammarException(
                unsupported.apply("holds two schemas together whose '" + key + "' differ, which is not supported"));
    }

    private static boolean larger(JsonNode a, JsonNode b) {
        return decimal(a).compareTo(decimal(b)) > 0;
    }

    static BigDecimal decimal(JsonNode number) {
        return number.decimalValue();
    }

    private JsonNode products(JsonNode a, JsonNode b) {
        ArrayNode products = NODES.arrayNode();
        a.forEach(mine -> b.forEach(other -> products.add(merge(mine, other))));
        return products;
    }

    /** Several patterns, which no schema can say in one keyword. */
    private static JsonNode patterns(JsonNode a, JsonNode b) {
        List<JsonNode> all = new ArrayList<>(patterns(a));
        all.addAll(patterns(b));
        return NODES.pojoNode(all);
    }

    /** The patterns of a schema, of which there are several if it was made of others. */
    static List<JsonNode> patterns(JsonNode pattern) {
        return pattern instanceof POJONode several
                ? ((List<?>) several.getPojo())
                        .stream().map(JsonNode.class::cast).toList()
                : List.of(pattern);
    }

    private static JsonNode union(JsonNode a, JsonNode b) {
        Set<JsonNode> names = new LinkedHashSet<>();
        a.forEach(names::add);
        b.forEach(names::add);
        return NODES.arrayNode().addAll(names);
    }

    private static JsonNode common(JsonNode a, JsonNode b) {
        List<JsonNode> kept = new ArrayList<>();
        a.forEach(value -> b.forEach(other -> {
            if (value.equals(other)) {
                kept.add(value);
            }
        }));
        return kept.isEmpty() ? null : NODES.arrayNode().addAll(kept);
    }

    private static JsonNode types(JsonNode a, JsonNode b) {
        Set<String> mine = names(a);
        Set<String> others = names(b);
        Set<String> kept = new LinkedHashSet<>();
        for (String type : mine) {
            if (others.contains(type) || type.equals("integer") && others.contains("number")) {
                kept.add(type);
            } else if (type.equals("number") && others.contains("integer")) {
                kept.add("integer");
            }
        }
        if (kept.isEmpty()) {
            return null;
        }
        return kept.size() == 1
                ? TextNode.valueOf(kept.iterator().next())
                : NODES.arrayNode().addAll(kept.stream().map(TextNode::valueOf).toList());
    }

    static Set<String> names(JsonNode types) {
        Set<String> names = new LinkedHashSet<>();
        if (types.isArray()) {
            types.forEach(type -> names.add(name(type)));
        } else {
            names.add(name(types));
        }
        return names;
    }

    /** As JSON where it is no name, so that nothing is taken for the name of a type that is none. */
    private static String name(JsonNode type) {
        return type.isTextual() ? type.textValue() : "(" + type + ")";
    }
}
