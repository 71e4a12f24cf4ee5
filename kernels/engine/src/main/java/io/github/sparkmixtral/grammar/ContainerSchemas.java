package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Schemas of objects and arrays. */
final class ContainerSchemas {
    private final JsonSchemaReader reader;

    ContainerSchemas(JsonSchemaReader reader) {
        this.reader = reader;
    }

    Expression object(JsonNode schema, String path) {
        if (schema.path("unevaluatedProperties").isBoolean() || !schema.has("unevaluatedProperties")) {
            JsonNode additional = schema.has("additionalProperties")
                    ? schema.get("additionalProperties")
                    : schema.get("unevaluatedProperties");
            return schema.has("patternProperties") || schema.has("propertyNames") && !isRecord(schema)
                    ? map(schema, additional, path)
                    : object(schema, additional, path);
        }
        throw JsonSchemaReader.error(path + "/unevaluatedProperties", "is supported only as true or false");
    }

    private Expression object(JsonNode schema, JsonNode additional, String path) {
        Map<String, JsonNode> properties = properties(schema, additional, path);
        Set<String> required = required(schema, path);
        // Where properties are declared, nobody expects others by default.
        boolean open =
                additional == null ? properties.isEmpty() : !SchemaMerge.isFalse(additional) && !isRecord(schema);
        JsonNode others = additional == null ? BooleanNode.TRUE : additional;
        int least = ScalarSchemas.count(schema, "minProperties", 0, path);
        int most = ScalarSchemas.count(schema, "maxProperties", Expression.UNBOUNDED, path);
        if (properties.isEmpty()) {
            return open
                    ? entries(
                            JsonForms.STRING,
                            reader.expression(others, path + "/additionalProperties"),
                            least,
                            most,
                            path)
                    : entries(Expression.NEVER, Expression.NEVER, least, most, path);
        }
        if (least > required.size() || most < properties.size() || most < Expression.UNBOUNDED && open) {
            throw JsonSchemaReader.error(
                    path, "counts its properties beside declaring them, which is not supported: use required");
        }
        return declared(properties, required, open ? others : null, path);
    }

    private Map<String, JsonNode> properties(JsonNode schema, JsonNode additional, String path) {
        Map<String, JsonNode> properties = new LinkedHashMap<>();
        JsonNode declared = schema.path("properties");
        if (schema.has("properties") && !declared.isObject()) {
            throw JsonSchemaReader.error(path + "/properties", "must be an object");
        }
        declared.properties().forEach(field -> properties.put(field.getKey(), field.getValue()));
        for (String name : required(schema, path)) {
            properties.putIfAbsent(name, additional == null ? BooleanNode.TRUE : additional);
        }
        return properties;
    }

    private static Set<String> required(JsonNode schema, String path) {
        JsonNode names = schema.path("required");
        // Draft 3 and some tools write a truth value beside a property.
        if (schema.has("required") && !names.isArray()) {
            throw JsonSchemaReader.error(path + "/required", "must be a list of names");
        }
        Set<String> required = new LinkedHashSet<>();
        names.forEach(name -> required.add(name.asText()));
        return required;
    }

    /**
     * Declared properties in their order, then others.
     *
     * @param others null for none
     */
    private Expression declared(Map<String, JsonNode> properties, Set<String> required, JsonNode others, String path) {
        List<String> names = List.copyOf(properties.keySet());
        Expression other = others == null
                ? null
                : JsonForms.member(
                        JsonForms.stringOtherThan(names), reader.expression(others, path + "/additionalProperties"));
        Expression tail =
                JsonForms.closed(other == null ? Expression.EMPTY : Expression.any(JsonForms.following(other)));
        Expression first = other == null
                ? Expression.EMPTY
                : Expression.optional(JsonForms.closed(JsonForms.list(other, 1, Expression.UNBOUNDED)));
        for (int i = names.size() - 1; i >= 0; i--) {
            String name = names.get(i);
            String place = path + "/properties/" + name.replace("~", "~0").replace("/", "~1");
            Expression key = Expression.text(
                    com.fasterxml.jackson.databind.node.TextNode.valueOf(name).toString());
            Expression value = reader.expression(properties.get(name), place);
            Expression member = reader.shared("member " + place, JsonForms.member(key, value), path);
            Expression after = reader.shared("after " + place, tail, path);
            boolean must = required.contains(name);
            Expression next = JsonForms.following(member);
            tail = Expression.sequence(must ? next : Expression.optional(next), after);
            Expression begin = Expression.sequence(member, after);
            first = must ? begin : Expression.choice(begin, first);
        }
        return JsonForms.object(first);
    }

    /** Whether the names that there may be are those that are required. */
    private static boolean isRecord(JsonNode schema) {
        Set<JsonNode> names = new HashSet<>();
        schema.path("propertyNames").path("enum").forEach(names::add);
        Set<JsonNode> required = new HashSet<>();
        schema.path("required").forEach(required::add);
        return !names.isEmpty() && names.equals(required) && !schema.has("properties");
    }

    /** Keys of one form: what {@code propertyNames} or one {@code patternProperties} says. */
    private Expression map(JsonNode schema, JsonNode additional, String path) {
        JsonNode patterns = schema.path("patternProperties");
        boolean closed = additional != null && SchemaMerge.isFalse(additional);
        // Where a pattern is declared, nobody expects other names by default.
        boolean one = patterns.size() == 1 && (closed || additional == null) && !schema.has("propertyNames");
        if (schema.path("properties").size() > 0 || !required(schema, path).isEmpty() || !patterns.isEmpty() && !one) {
            throw JsonSchemaReader.error(
                    path + (schema.has("patternProperties") ? "/patternProperties" : "/propertyNames"),
                    "is supported only alone: without properties and required, and one pattern only, without additionalProperties");
        }
        int least = ScalarSchemas.count(schema, "minProperties", 0, path);
        int most = ScalarSchemas.count(schema, "maxProperties", Expression.UNBOUNDED, path);
        if (one) {
            var pattern = patterns.properties().iterator().next();
            Expression key = JsonForms.string(RegexReader.anywhere(pattern.getKey()));
            String place = path + "/patternProperties/" + pattern.getKey();
            return entries(key, reader.expression(pattern.getValue(), place), least, most, path);
        }
        JsonNode names = schema.path("propertyNames");
        Expression key =
                names.isMissingNode() ? JsonForms.STRING : reader.expression(typed(names), path + "/propertyNames");
        Expression value = closed
                ? Expression.NEVER
                : reader.expression(additional == null ? BooleanNode.TRUE : additional, path + "/additionalProperties");
        return entries(key, value, least, most, path);
    }

    /** Names are strings, whether their schema says so or not. */
    private static JsonNode typed(JsonNode names) {
        return names.isObject() && !names.has("type") && !names.has("$ref")
                ? ((com.fasterxml.jackson.databind.node.ObjectNode) names.deepCopy()).put("type", "string")
                : names;
    }

    private Expression entries(Expression key, Expression value, int least, int most, String path) {
        if (least > most) {
            return reader.contradiction(path, "wants at least " + least + " and at most " + most + " properties");
        }
        if (least > 1) {
            // Equal keys would count once.
            throw JsonSchemaReader.error(path + "/minProperties", "is supported up to 1 only");
        }
        return JsonForms.object(upTo(JsonForms.member(key, value), least, most));
    }

    private static Expression upTo(Expression element, int least, int most) {
        if (most == 0) {
            return Expression.EMPTY;
        }
        Expression some = JsonForms.closed(JsonForms.list(element, Math.max(1, least), most));
        return least == 0 ? Expression.optional(some) : some;
    }

    Expression array(JsonNode schema, String path) {
        if (schema.path("uniqueItems").asBoolean() && ScalarSchemas.count(schema, "maxItems", 2, path) > 1) {
            throw JsonSchemaReader.error(path + "/uniqueItems", "is a keyword that is not supported");
        }
        boolean old = schema.path("items").isArray();
        JsonNode prefix = old ? schema.get("items") : schema.path("prefixItems");
        JsonNode rest = schema.get(old ? "additionalItems" : "items");
        if (rest == null) {
            rest = schema.get("unevaluatedItems");
        }
        String restPath = path + (old ? "/additionalItems" : "/items");
        int least = ScalarSchemas.count(schema, "minItems", 0, path);
        int most = ScalarSchemas.count(schema, "maxItems", Expression.UNBOUNDED, path);
        if (rest != null && SchemaMerge.isFalse(rest) || rest == null && !prefix.isEmpty()) {
            boolean closed = rest != null;
            most = Math.min(most, closed ? prefix.size() : Math.max(prefix.size(), least));
        }
        if (least > most) {
            return reader.contradiction(path, "wants at least " + least + " and at most " + most + " elements");
        }
        List<Expression> first = new ArrayList<>();
        for (int i = 0; i < Math.min(prefix.size(), most); i++) {
            first.add(reader.expression(prefix.get(i), path + (old ? "/items/" : "/prefixItems/") + i));
        }
        Expression other = most <= first.size()
                ? Expression.NEVER
                : reader.shared(
                        "element " + path, reader.expression(rest == null ? BooleanNode.TRUE : rest, restPath), path);
        return JsonForms.array(elements(first, other, least, most));
    }

    private static Expression elements(List<Expression> first, Expression other, int least, int most) {
        if (first.isEmpty()) {
            return upTo(other, least, most);
        }
        int count = first.size();
        Expression tail = Expression.repeat(
                JsonForms.following(other),
                Math.max(0, least - count),
                most == Expression.UNBOUNDED ? most : most - count);
        for (int i = count - 1; i >= 1; i--) {
            Expression with = Expression.sequence(JsonForms.following(first.get(i)), tail);
            tail = i < least ? with : Expression.optional(with);
        }
        Expression all = JsonForms.closed(Expression.sequence(first.getFirst(), tail));
        return least == 0 ? Expression.optional(all) : all;
    }
}
