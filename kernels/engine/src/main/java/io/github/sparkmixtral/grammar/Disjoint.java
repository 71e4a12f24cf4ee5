package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.StreamSupport;

/** Finds out whether no value is valid by two schemas, where that is plain to see; what {@code oneOf} needs to know. */
final class Disjoint {
    private static final int DEEPEST = 8;

    private final Function<String, JsonNode> resolve;

    Disjoint(Function<String, JsonNode> resolve) {
        this.resolve = resolve;
    }

    /** @throws GrammarException where two of the schemas may take the same value */
    void require(List<JsonNode> schemas, String place) {
        for (int i = 0; i < schemas.size(); i++) {
            for (int j = i + 1; j < schemas.size(); j++) {
                if (!holds(schemas.get(i), schemas.get(j), 0)) {
                    throw new GrammarException(
                            place + "wants just one of its alternatives to hold, but " + i + " and " + j
                                    + " may hold at once: make them different in type, or in a required property that is const, or use anyOf");
                }
            }
        }
    }

    private boolean holds(JsonNode first, JsonNode second, int depth) {
        JsonNode a = flat(first);
        JsonNode b = flat(second);
        if (SchemaMerge.isFalse(a) || SchemaMerge.isFalse(b)) {
            return true;
        }
        if (!a.isObject() || !b.isObject() || depth > DEEPEST) {
            return false;
        }
        return haveOtherTypes(a, b)
                || haveOtherValues(a, b)
                || haveOtherProperties(a, b, depth)
                || areAllDisjoint(a, b, depth)
                || areAllDisjoint(b, a, depth);
    }

    /** Whether the first schema is one of several, and none of them takes what the other one does. */
    private boolean areAllDisjoint(JsonNode a, JsonNode b, int depth) {
        for (String keyword : List.of("anyOf", "oneOf")) {
            JsonNode parts = a.path(keyword);
            if (!parts.isEmpty()
                    && StreamSupport.stream(parts.spliterator(), false).allMatch(part -> holds(part, b, depth + 1))) {
                return true;
            }
        }
        return false;
    }

    private JsonNode flat(JsonNode schema) {
        return schema.isObject() && schema.has("$ref") && schema.size() == 1
                ? resolve.apply(schema.get("$ref").asText())
                : schema;
    }

    private static boolean haveOtherTypes(JsonNode a, JsonNode b) {
        Set<String> types = types(a);
        Set<String> others = types(b);
        return !types.isEmpty()
                && !others.isEmpty()
                && types.stream()
                        .noneMatch(type -> others.contains(type)
                                || isNumber(type) && others.stream().anyMatch(Disjoint::isNumber));
    }

    /** Empty where all may be. */
    private static Set<String> types(JsonNode schema) {
        Set<String> types = new HashSet<>();
        Set<JsonNode> values = values(schema);
        if (schema.has("type")) {
            types.addAll(SchemaMerge.names(schema.get("type")));
        } else if (values != null) {
            values.forEach(value -> types.add(ScalarSchemas.type(value)));
        }
        if (!types.isEmpty() && schema.path("nullable").asBoolean()) {
            types.add("null");
        }
        return types;
    }

    private static boolean isNumber(String type) {
        return type.equals("integer") || type.equals("number");
    }

    private static boolean haveOtherValues(JsonNode a, JsonNode b) {
        Set<JsonNode> values = values(a);
        Set<JsonNode> others = values(b);
        return values != null && others != null && values.stream().noneMatch(others::contains);
    }

    private static Set<JsonNode> values(JsonNode schema) {
        if (schema.has("const")) {
            return Set.of(schema.get("const"));
        }
        if (!schema.path("enum").isArray()) {
            return null;
        }
        Set<JsonNode> values = new HashSet<>();
        schema.get("enum").forEach(values::add);
        return values;
    }

    private boolean haveOtherProperties(JsonNode a, JsonNode b, int depth) {
        if (!a.path("type").asText().equals("object")
                || !b.path("type").asText().equals("object")) {
            return false;
        }
        for (JsonNode name : a.path("required")) {
            if (isForbidden(b, name.asText())) {
                return true;
            }
            JsonNode mine = a.path("properties").get(name.asText());
            JsonNode other = b.path("properties").get(name.asText());
            boolean bothThere = mine != null && other != null && contains(b.path("required"), name);
            if (bothThere && holds(mine, other, depth + 1)) {
                return true;
            }
        }
        for (JsonNode name : b.path("required")) {
            if (isForbidden(a, name.asText())) {
                return true;
            }
        }
        return false;
    }

    private static boolean isForbidden(JsonNode schema, String name) {
        JsonNode additional = schema.get("additionalProperties");
        return additional != null
                && SchemaMerge.isFalse(additional)
                && !schema.path("properties").has(name)
                && !schema.has("patternProperties");
    }

    private static boolean contains(JsonNode names, JsonNode name) {
        for (JsonNode other : names) {
            if (other.equals(name)) {
                return true;
            }
        }
        return false;
    }
}
