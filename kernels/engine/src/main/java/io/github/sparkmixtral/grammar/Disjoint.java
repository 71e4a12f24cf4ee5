package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

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
        return haveOtherTypes(a, b) || haveOtherValues(a, b) || haveOtherProperties(a, b, depth);
    }

    private JsonNode flat(JsonNode schema) {
        return schema.isObject() && schema.has("$ref") && schema.size() == 1
                ? resolve.apply(schema.get("$ref").asText())
                : schema;
    }

    private static boolean haveOtherTypes(JsonNode a, JsonNode b) {
        if (!a.has("type")
                || !b.has("type")
                || a.path("nullable").asBoolean() && b.path("nullable").asBoolean()) {
            return false;
        }
        Set<String> types = new HashSet<>(SchemaMerge.names(a.get("type")));
        Set<String> others = SchemaMerge.names(b.get("type"));
        return types.stream()
                .noneMatch(type -> others.contains(type)
                        || isNumber(type) && others.stream().anyMatch(Disjoint::isNumber));
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
