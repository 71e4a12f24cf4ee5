package io.github.sparkmixtral.service;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.GrammarException;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Reads what an answer has to be: OpenAI's {@code response_format}, vLLM's {@code structured_outputs} and its older {@code guided_*}
 * names. A value may be JSON or JSON text.
 */
public final class StructuredOutputReader {
    private static final String RESPONSE_FORMAT = "response_format";
    private static final String STRUCTURED_OUTPUTS = "structured_outputs";
    private static final String GUIDED = "guided_";

    /** The fields that hold constraints. */
    static final List<String> NAMES = List.of(
            RESPONSE_FORMAT, STRUCTURED_OUTPUTS, "guided_json", "guided_regex", "guided_choice", "guided_grammar");

    /** What vLLM's object may have beside its constraint, and is off. */
    private static final Set<String> FLAGS =
            Set.of("disable_fallback", "disable_any_whitespace", "disable_additional_properties");

    private StructuredOutputReader() {}

    /**
     * Reads a row's constraint.
     *
     * @param given the row's parameters by name; those that are null are not there
     * @param job what holds where the row says nothing; null for anything
     * @return null for anything
     * @throws IllegalArgumentException naming the field and what is wanted
     */
    static StructuredOutput read(Map<String, JsonNode> given, StructuredOutput job) {
        List<String> names = NAMES.stream().filter(given::containsKey).toList();
        if (names.size() > 1) {
            throw new IllegalArgumentException(
                    String.join(" and ", names) + " all say what the answer has to be: give one of them");
        }
        return names.isEmpty() ? job : read(names.getFirst(), given.get(names.getFirst()));
    }

    /**
     * Reads one field.
     *
     * @param name {@code response_format}, {@code structured_outputs} or {@code guided_*}, in whatever spelling an option has
     * @throws IllegalArgumentException naming the field and what is wanted
     */
    public static StructuredOutput read(String name, JsonNode value) {
        String field = name.replace('-', '_').replaceFirst("^__", "");
        return switch (field) {
            case RESPONSE_FORMAT -> responseFormat(name, object(name, value));
            case STRUCTURED_OUTPUTS -> structuredOutputs(name, object(name, value));
            default -> constraint(name, field.substring(GUIDED.length()), value);
        };
    }

    /**
     * Checks that a constraint can be held, whatever the vocabulary.
     *
     * @throws IllegalArgumentException naming the place in it
     */
    public static void check(String name, StructuredOutput output) {
        try {
            if (output != null) {
                output.check();
            }
        } catch (GrammarException unusable) {
            throw new IllegalArgumentException(name + " cannot be held: " + unusable.getMessage(), unusable);
        }
    }

    /**
     * Checks that there are not more choices than may have probabilities, if they are asked for.
     *
     * @throws IllegalArgumentException naming what to do, or that the choices are no list of strings
     */
    public static void checkChoices(String name, SamplingParameters parameters) {
        if (parameters.structuredOutput() == null || parameters.logprobs() < 0) {
            return;
        }
        try {
            ChoiceScores.requireFew(
                    name, parameters.structuredOutput().choices().size());
        } catch (GrammarException unusable) {
            throw new IllegalArgumentException(name + " cannot be held: " + unusable.getMessage(), unusable);
        }
    }

    /** Whether one of these parameters can say that a row's answer is one of several strings. */
    public static boolean mayAskForChoice(Collection<String> names) {
        return names.contains(STRUCTURED_OUTPUTS) || names.contains(GUIDED + "choice");
    }

    /** Whether a row says with parameters of its own that its answer is one of several strings. */
    public static boolean asksForChoice(Map<String, JsonNode> given) {
        if (!mayAskForChoice(given.keySet())) {
            return false;
        }
        Map<String, JsonNode> there = new HashMap<>(given);
        there.values().removeIf(JsonNode::isNull);
        try {
            StructuredOutput output = read(there, null);
            return output != null && output.kind() == Kind.CHOICE;
        } catch (IllegalArgumentException invalid) {
            return false; // the row gets an error for it
        }
    }

    private static JsonNode object(String name, JsonNode value) {
        JsonNode parsed = value.isTextual() ? Json.parse(name, value.textValue()) : value;
        if (!parsed.isObject()) {
            throw new IllegalArgumentException(name + " must be an object, not " + Json.excerpt(parsed));
        }
        return parsed;
    }

    /** OpenAI's types, and those of TGI, Together and Fireworks. */
    private static StructuredOutput responseFormat(String name, JsonNode format) {
        String type = format.path("type").asText();
        return switch (type) {
            case "text" -> {
                requireKnown(name, format, "type");
                yield null;
            }
            case "json_object", "json" -> {
                requireKnown(name, format, "type", "schema", "value");
                JsonNode schema = format.hasNonNull("schema") ? format.get("schema") : format.path("value");
                yield schema.isMissingNode() || schema.isNull()
                        ? new StructuredOutput(Kind.JSON_OBJECT, "")
                        : constraint(name, "json", schema);
            }
            case "json_schema" -> {
                JsonNode schema = format.path("json_schema").path("schema");
                if (schema.isMissingNode() || schema.isNull()) {
                    throw new IllegalArgumentException(
                            name + " of the type json_schema needs a schema in json_schema.schema");
                }
                requireKnown(name, format, "type", "json_schema");
                requireKnown(
                        name + ".json_schema",
                        format.get("json_schema"),
                        "name",
                        "description",
                        "schema",
                        "strict"); // a schema always holds strictly
                yield constraint(name, "json", schema);
            }
            case "regex", "grammar" -> {
                requireKnown(name, format, "type", "value", "pattern", type);
                JsonNode text = format.hasNonNull("value")
                        ? format.get("value")
                        : format.path(format.hasNonNull("pattern") ? "pattern" : type);
                yield constraint(name, type, text);
            }
            default ->
                throw new IllegalArgumentException(
                        name + " must have the type text, json_object, json_schema, regex or grammar, not "
                                + Json.excerpt(format));
        };
    }

    /** What is misspelt would else hold for nothing, and nobody would be told. */
    private static void requireKnown(String name, JsonNode object, String... known) {
        object.properties().forEach(field -> {
            if (!field.getValue().isNull() && !List.of(known).contains(field.getKey())) {
                throw new IllegalArgumentException(name + " has the unknown field '" + field.getKey()
                        + "': it may have " + String.join(", ", known));
            }
        });
    }

    private static StructuredOutput structuredOutputs(String name, JsonNode outputs) {
        List<String> kinds = new ArrayList<>();
        outputs.properties().forEach(field -> {
            boolean off = FLAGS.contains(field.getKey())
                    && field.getValue().isBoolean()
                    && !field.getValue().booleanValue();
            if (!field.getValue().isNull() && !off) {
                kinds.add(field.getKey());
            }
        });
        kinds.stream().filter(FLAGS::contains).findFirst().ifPresent(flag -> {
            throw new IllegalArgumentException(name + "." + flag + " must be false or left out, not "
                    + Json.excerpt(outputs.get(flag)) + ": no other value is supported");
        });
        if (kinds.size() != 1) {
            throw new IllegalArgumentException(
                    name + " must have just one of json, regex, choice, grammar and json_object, not "
                            + Json.excerpt(outputs));
        }
        String kind = kinds.getFirst();
        if (kind.equals("json_object")) {
            if (!outputs.get(kind).booleanValue()) {
                throw new IllegalArgumentException(name + ".json_object must be true, not " + outputs.get(kind));
            }
            return new StructuredOutput(Kind.JSON_OBJECT, "");
        }
        return constraint(name + "." + kind, kind, outputs.get(kind));
    }

    private static StructuredOutput constraint(String name, String kind, JsonNode value) {
        return switch (kind) {
            case "json" ->
                new StructuredOutput(
                        Kind.JSON,
                        value.isTextual() ? Json.parse(name, value.textValue()).toString() : value.toString());
            case "regex", "grammar" -> {
                if (!value.isTextual()) {
                    throw new IllegalArgumentException(name + " must be a string, not " + Json.excerpt(value));
                }
                yield new StructuredOutput(Kind.valueOf(kind.toUpperCase(Locale.ROOT)), value.textValue());
            }
            case "choice" -> {
                JsonNode choices = value.isTextual() ? Json.parse(name, value.textValue()) : value;
                yield new StructuredOutput(Kind.CHOICE, choices.toString());
            }
            default ->
                throw new IllegalArgumentException(
                        name + " is no constraint: take json, regex, choice, grammar or json_object");
        };
    }
}
