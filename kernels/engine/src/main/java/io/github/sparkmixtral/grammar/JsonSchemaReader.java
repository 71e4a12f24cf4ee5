package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads JSON Schema (2020-12, and what drafts 4 to 2019-09 spell otherwise) as a grammar of valid documents. Every document of the
 * grammar is valid. Not every valid one is in it: properties come in the schema's order; where a schema declares properties, there
 * are others only if {@code additionalProperties} says so; a schema without {@code type} is taken for the types that its keywords
 * are about. A keyword that cannot be held is refused with its path.
 */
final class JsonSchemaReader {
    private static final String ROOT = "root";
    private static final int DEEPEST = 128;
    private static final int MOST_RULES = 5_000;
    private static final int MOST_PATH = 300;

    private static final Set<String> COMBINING =
            Set.of("$ref", "allOf", "anyOf", "oneOf", "type", "nullable", "enum", "const", "not");

    /** Types in the order in which they are tried, with the keywords that are about them. */
    private static final Map<String, Set<String>> KEYWORDS = keywords();

    private final JsonNode document;
    private final Map<String, Expression> rules = new LinkedHashMap<>();
    private final Set<String> references = new HashSet<>();
    private final Map<String, String> held = new HashMap<>();
    private final ScalarSchemas scalars = new ScalarSchemas(this);
    private final ContainerSchemas containers = new ContainerSchemas(this);
    private String contradiction;
    private int depth;

    JsonSchemaReader(JsonNode document) {
        this.document = document;
    }

    private static Map<String, Set<String>> keywords() {
        Map<String, Set<String>> keywords = new LinkedHashMap<>();
        keywords.put(
                "object",
                Set.of(
                        "properties",
                        "required",
                        "additionalProperties",
                        "minProperties",
                        "maxProperties",
                        "propertyNames",
                        "patternProperties",
                        "unevaluatedProperties"));
        keywords.put(
                "array",
                Set.of(
                        "items",
                        "prefixItems",
                        "additionalItems",
                        "unevaluatedItems",
                        "minItems",
                        "maxItems",
                        "uniqueItems"));
        keywords.put("string", Set.of("minLength", "maxLength", "pattern", "format"));
        Set<String> numbers = Set.of("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf");
        keywords.put("number", numbers);
        keywords.put("integer", numbers);
        keywords.put("boolean", Set.of());
        keywords.put("null", Set.of());
        return keywords;
    }

    /**
     * Reads a schema.
     *
     * @throws GrammarException where it cannot be held, naming the path of the keyword
     */
    static Grammar read(JsonNode schema) {
        JsonSchemaReader reader = new JsonSchemaReader(schema);
        JsonForms.addTo(reader.rules);
        reader.rules.put(ROOT, reader.expression(schema, "#"));
        try {
            return Grammar.of(ROOT, reader.rules);
        } catch (GrammarException none) {
            throw reader.contradiction == null ? none : new GrammarException(reader.contradiction);
        }
    }

    /** Any object. */
    static Grammar anyObject() {
        Map<String, Expression> rules = new LinkedHashMap<>();
        JsonForms.addTo(rules);
        rules.put(ROOT, JsonForms.OBJECT);
        return Grammar.of(ROOT, rules);
    }

    /** The documents of a schema that stands at the path. */
    Expression expression(JsonNode schema, String path) {
        if (++depth > DEEPEST) {
            throw error(path, "lies deeper than " + DEEPEST + " schemas");
        }
        try {
            return SchemaMerge.isTrue(schema)
                    ? JsonForms.VALUE
                    : SchemaMerge.isFalse(schema)
                            ? contradiction(path, "takes no value at all")
                            : checked(schema, path);
        } finally {
            depth--;
        }
    }

    private Expression checked(JsonNode schema, String path) {
        if (!schema.isObject()) {
            throw error(path, "must be an object, true or false, not " + schema);
        }
        Set<String> keywords = new LinkedHashSet<>();
        schema.fieldNames().forEachRemaining(keywords::add);
        keywords.removeIf(SchemaMerge::isAnnotation);
        for (String keyword : keywords) {
            boolean known = COMBINING.contains(keyword)
                    || KEYWORDS.values().stream().anyMatch(names -> names.contains(keyword));
            if (!known) {
                throw error(path + "/" + keyword, "is a keyword that is not supported");
            }
        }
        if (keywords.equals(Set.of("$ref"))) {
            return reference(schema.get("$ref"), path);
        }
        if (keywords.isEmpty()) {
            return JsonForms.VALUE;
        }
        return combined((ObjectNode) schema, path);
    }

    /** A rule for what is referred to, so that it may refer to itself. */
    private Expression reference(JsonNode reference, String path) {
        String name = reference.asText();
        JsonNode target = resolve(name, path + "/$ref");
        if (references.add(name)) {
            rules.put(name, expression(target, name));
            requireFewRules(path);
        }
        return new Expression.Reference(name);
    }

    /** What a {@code $ref} names. */
    JsonNode resolve(String name, String path) {
        JsonNode target = name.startsWith("#") ? document.at(pointer(name, path)) : null;
        if (target == null || target.isMissingNode()) {
            throw error(path, "leads to " + name + ", which is not in this schema");
        }
        return target;
    }

    private String pointer(String name, String path) {
        String pointer = java.net.URLDecoder.decode(
                name.substring(1).replace("+", "%2B"), java.nio.charset.StandardCharsets.UTF_8);
        if (!pointer.isEmpty() && !pointer.startsWith("/")) {
            throw error(
                    path, "names an anchor, " + name + ", which is not supported: write a path, such as #/$defs/name");
        }
        return pointer;
    }

    private Expression combined(ObjectNode schema, String path) {
        SchemaMerge merge = merge(path);
        if (schema.has("not")) {
            return not(schema, path);
        }
        if (schema.has("$ref")) {
            return held(
                    merge.merge(
                            without(schema, "$ref"), resolve(schema.get("$ref").asText(), path)),
                    path);
        }
        if (schema.has("allOf")) {
            JsonNode all = without(schema, "allOf");
            for (JsonNode part : alternatives(schema, "allOf", path)) {
                all = merge.merge(all, part);
            }
            return held(all, path);
        }
        for (String keyword : List.of("anyOf", "oneOf")) {
            if (schema.has(keyword)) {
                ObjectNode rest = without(schema, keyword);
                List<JsonNode> merged = new ArrayList<>();
                boolean one = keyword.equals("oneOf");
                alternatives(schema, keyword, path)
                        .forEach(part -> merged.add(merge.merge(rest, one ? tagged(schema, part, merge) : part)));
                if (one) {
                    new Disjoint(name -> resolve(name, path)).require(merged, message(path + "/oneOf", ""));
                }
                List<Expression> expressions = new ArrayList<>();
                for (int i = 0; i < merged.size(); i++) {
                    expressions.add(held(merged.get(i), path + "/" + keyword + "/" + i));
                }
                return Expression.choice(expressions);
            }
        }
        return plain(schema, path);
    }

    /** Whether a schema denies what takes everything, as tools write that there is no value. */
    static boolean takesNothing(JsonNode schema) {
        return SchemaMerge.isFalse(schema) || schema.has("not") && SchemaMerge.isTrue(schema.get("not"));
    }

    /** What takes everything or nothing can be turned around. */
    private Expression not(ObjectNode schema, String path) {
        JsonNode denied = schema.get("not");
        if (takesNothing(schema)) {
            return contradiction(path + "/not", "takes no value at all");
        }
        if (SchemaMerge.isFalse(denied)) {
            return expression(without(schema, "not"), path);
        }
        throw error(path + "/not", "is supported only as {\"not\": {}}, which takes no value");
    }

    /** The documents of a schema that was made of others: a rule, for it may lead to itself. */
    private Expression held(JsonNode schema, String path) {
        if (!schema.isObject() || schema.has("$ref") && schema.size() == 1) {
            return expression(schema, path);
        }
        // As text, for objects are equal whatever the order of their fields, and the order of properties counts.
        String text = schema.toString();
        String rule = held.get(text);
        if (rule == null) {
            rule = "held " + held.size() + " " + path;
            held.put(text, rule);
            rules.put(rule, expression(schema, path));
            requireFewRules(path);
        }
        return new Expression.Reference(rule);
    }

    /** An alternative with the property that tells it from the others, which has to be there even if it has a default. */
    private static JsonNode tagged(JsonNode schema, JsonNode alternative, SchemaMerge merge) {
        String name = schema.path("discriminator").path("propertyName").asText();
        if (name.isEmpty()) {
            return alternative;
        }
        ObjectNode tag = JsonNodeFactory.instance.objectNode();
        tag.putArray("required").add(name);
        return merge.merge(alternative, tag);
    }

    /** Holds schemas together that stand at the path. */
    SchemaMerge merge(String path) {
        return new SchemaMerge(name -> resolve(name, path), problem -> message(path, problem));
    }

    private JsonNode alternatives(JsonNode schema, String keyword, String path) {
        JsonNode parts = schema.get(keyword);
        if (!parts.isArray() || parts.isEmpty()) {
            throw error(path + "/" + keyword, "must be a list of schemas");
        }
        return parts;
    }

    static ObjectNode without(JsonNode schema, String keyword) {
        ObjectNode rest = ((ObjectNode) schema).deepCopy();
        rest.remove(keyword);
        return rest;
    }

    private Expression plain(ObjectNode schema, String path) {
        Set<String> types = types(schema, path);
        if (schema.has("const") || schema.has("enum")) {
            return scalars.literals(schema, types, path);
        }
        List<Expression> alternatives = new ArrayList<>();
        for (String type : types) {
            alternatives.add(
                    switch (type) {
                        case "object" -> containers.object(schema, path);
                        case "array" -> containers.array(schema, path);
                        case "string" -> scalars.string(schema, path);
                        case "integer" -> scalars.integer(schema, path);
                        case "number" -> scalars.number(schema, path);
                        case "boolean" -> JsonForms.BOOLEAN;
                        default -> JsonForms.NULL;
                    });
        }
        return Expression.choice(alternatives);
    }

    /** The types that a schema names, or else those that its keywords are about, or else all. */
    static Set<String> types(JsonNode schema, String path) {
        Set<String> types = new LinkedHashSet<>();
        if (schema.has("type")) {
            for (String type : SchemaMerge.names(schema.get("type"))) {
                if (!KEYWORDS.containsKey(type)) {
                    throw error(path + "/type", "names the unknown type " + type);
                }
                types.add(type);
            }
            if (types.isEmpty()) {
                throw error(path + "/type", "must name a type");
            }
        } else {
            KEYWORDS.forEach((type, keywords) -> {
                if (!type.equals("integer") && keywords.stream().anyMatch(schema::has)) {
                    types.add(type);
                }
            });
            if (types.isEmpty()) {
                types.addAll(KEYWORDS.keySet());
            }
        }
        if (types.contains("number")) {
            types.remove("integer");
        }
        if (schema.path("nullable").asBoolean()) {
            types.add("null");
        }
        return types;
    }

    /** A rule of the expression's own. */
    Expression shared(String name, Expression expression, String path) {
        rules.put(name, expression);
        requireFewRules(path);
        return new Expression.Reference(name);
    }

    private void requireFewRules(String path) {
        if (rules.size() > MOST_RULES) {
            throw error(path, "makes the schema too large");
        }
    }

    /** No value at all, which is an error only if there is no other way. */
    Expression contradiction(String path, String what) {
        if (contradiction == null) {
            contradiction = message(path, what);
        }
        return Expression.NEVER;
    }

    static GrammarException error(String path, String what) {
        return new GrammarException(message(path, what));
    }

    private static String message(String path, String what) {
        String place = path.length() <= MOST_PATH
                ? path
                : path.substring(0, MOST_PATH / 2) + " … " + path.substring(path.length() - MOST_PATH / 2);
        return "the JSON schema at " + place + " " + what;
    }
}
