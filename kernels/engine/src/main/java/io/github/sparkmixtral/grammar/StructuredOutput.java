package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.Serializable;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What an answer has to be.
 *
 * @param kind of constraint
 * @param text the constraint itself: a JSON schema, a regular expression, a JSON list of strings, a grammar; empty for
 *     {@link Kind#JSON_OBJECT}
 */
public record StructuredOutput(Kind kind, String text) implements Serializable {
    /** More than this is no constraint but data. */
    private static final int MOST_CHARACTERS = 1 << 20;

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    /** vLLM's names for the kinds. */
    public enum Kind {
        JSON,
        JSON_OBJECT,
        REGEX,
        CHOICE,
        GRAMMAR
    }

    /** A constraint that has one text. */
    public static StructuredOutput ofChoice(String text) {
        return new StructuredOutput(
                Kind.CHOICE, MAPPER.createArrayNode().add(text).toString());
    }

    /**
     * Checks that the constraint can be held.
     *
     * @throws GrammarException where it cannot, naming the place
     */
    public void check() {
        new Automaton(grammar());
    }

    /**
     * Reads the constraint.
     *
     * @throws GrammarException where it cannot be held, naming the place
     */
    Grammar grammar() {
        if (text.length() > MOST_CHARACTERS) {
            throw new GrammarException("the constraint has more than " + MOST_CHARACTERS + " characters");
        }
        return switch (kind) {
            case JSON -> JsonSchemaReader.read(json());
            case JSON_OBJECT -> JsonSchemaReader.anyObject();
            case REGEX -> regex();
            case CHOICE ->
                Grammar.of(
                        "root",
                        Map.of(
                                "root",
                                Expression.choice(
                                        choices().stream().map(Expression::text).toList())));
            case GRAMMAR -> GbnfReader.read(text);
        };
    }

    private Grammar regex() {
        RegexReader.Conditions conditions = RegexReader.wholeAhead(text);
        if (conditions.refused().isEmpty() && conditions.taken().size() == 1) {
            return Grammar.of("root", Map.of("root", conditions.taken().getFirst()));
        }
        Map<String, Expression> rules;
        try {
            rules = new Intersection(conditions.taken(), conditions.refused()).rules("root", Expression::characters);
        } catch (GrammarException large) {
            throw new GrammarException("the regular expression " + large.getMessage());
        }
        if (rules.isEmpty()) {
            throw new GrammarException("the regular expression " + text + " matches no text");
        }
        return Grammar.of("root", rules);
    }

    /** The constraint as JSON; only a schema and choices are. */
    JsonNode json() {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException invalid) {
            throw new GrammarException("the " + (kind == Kind.JSON ? "JSON schema" : "list of choices")
                    + " is not valid JSON: "
                    + invalid.getOriginalMessage().lines().findFirst().orElse(""));
        }
    }

    /**
     * The strings of which an answer has to be one, each once, in their order.
     *
     * @return empty where the constraint is of another kind
     * @throws GrammarException where they are no list of strings
     */
    public List<String> choices() {
        if (kind != Kind.CHOICE) {
            return List.of();
        }
        JsonNode choices = json();
        if (!choices.isArray() || choices.isEmpty()) {
            throw new GrammarException("the choices must be a list of strings that is not empty");
        }
        Set<String> texts = new LinkedHashSet<>();
        for (JsonNode choice : choices) {
            if (!choice.isTextual() || choice.asText().isEmpty() || !Utf8.isWhole(choice.asText())) {
                throw new GrammarException("the choices must be strings that are not empty, not " + choice);
            }
            texts.add(choice.asText());
        }
        return List.copyOf(texts);
    }
}
