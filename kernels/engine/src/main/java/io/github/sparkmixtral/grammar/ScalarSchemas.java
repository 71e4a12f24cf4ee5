package io.github.sparkmixtral.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.grammar.Expression.Characters;
import io.github.sparkmixtral.grammar.Expression.Reference;
import io.github.sparkmixtral.grammar.Expression.Repeat;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** Schemas of strings, numbers and given values. */
final class ScalarSchemas {
    private static final int MOST_LENGTH = 100_000;

    private final JsonSchemaReader reader;

    ScalarSchemas(JsonSchemaReader reader) {
        this.reader = reader;
    }

    /** The values of {@code const} and {@code enum} that the other keywords leave. */
    Expression literals(JsonNode schema, Set<String> types, String path) {
        List<JsonNode> values = new ArrayList<>();
        if (schema.has("const")) {
            values.add(schema.get("const"));
        } else if (schema.get("enum").isArray() && !schema.get("enum").isEmpty()) {
            schema.get("enum").forEach(values::add);
        } else {
            throw JsonSchemaReader.error(path + "/enum", "must be a list of values");
        }
        if (schema.has("const") && schema.has("enum")) {
            values.removeIf(value -> !contains(schema.get("enum"), value));
        }
        boolean typed = schema.has("type");
        NumberRange range = range(schema, path);
        List<Expression> literals = new ArrayList<>();
        for (JsonNode value : values) {
            if ((!typed || types.contains(type(value)) || types.contains("number") && value.isNumber())
                    && (!value.isNumber() || range.contains(value.decimalValue()))
                    && (!value.isTextual() || isLongEnough(value.asText(), schema, path))) {
                literals.add(Expression.text(value.toString()));
            }
        }
        for (String keyword : List.of("pattern", "format", "properties", "items", "required", "multipleOf")) {
            if (schema.has(keyword)) {
                throw JsonSchemaReader.error(
                        path + "/" + keyword, "stands beside given values, which is not supported: leave it out");
            }
        }
        return literals.isEmpty()
                ? reader.contradiction(path, "gives values of which none is valid")
                : Expression.choice(literals);
    }

    private static boolean contains(JsonNode values, JsonNode value) {
        for (JsonNode other : values) {
            if (other.equals(value)) {
                return true;
            }
        }
        return false;
    }

    static String type(JsonNode value) {
        return switch (value.getNodeType()) {
            case ARRAY -> "array";
            case OBJECT -> "object";
            case STRING -> "string";
            case BOOLEAN -> "boolean";
            case NUMBER -> isWhole(value.decimalValue()) ? "integer" : "number";
            default -> "null";
        };
    }

    private static boolean isWhole(BigDecimal value) {
        return value.signum() == 0 || value.stripTrailingZeros().scale() <= 0;
    }

    private static boolean isLongEnough(String text, JsonNode schema, String path) {
        int length = text.codePointCount(0, text.length());
        return length >= count(schema, "minLength", 0, path)
                && length <= count(schema, "maxLength", Expression.UNBOUNDED, path);
    }

    /** A keyword that counts something. */
    static int count(JsonNode schema, String keyword, int fallback, String path) {
        JsonNode value = schema.get(keyword);
        if (value == null) {
            return fallback;
        }
        if (!value.isNumber()
                || !isWhole(value.decimalValue())
                || value.decimalValue().signum() < 0) {
            throw JsonSchemaReader.error(path + "/" + keyword, "must be a whole number from 0 on, not " + value);
        }
        if (value.decimalValue().compareTo(BigDecimal.valueOf(MOST_LENGTH)) > 0) {
            if (keyword.startsWith("max")) {
                return Expression.UNBOUNDED;
            }
            throw JsonSchemaReader.error(path + "/" + keyword, "must be at most " + MOST_LENGTH + ", not " + value);
        }
        return value.intValue();
    }

    Expression string(JsonNode schema, String path) {
        int least = count(schema, "minLength", 0, path);
        int most = count(schema, "maxLength", Expression.UNBOUNDED, path);
        if (least > most) {
            return reader.contradiction(
                    path, "wants a string of at least " + least + " and at most " + most + " characters");
        }
        boolean bounded = least > 0 || most < Expression.UNBOUNDED;
        List<Expression> taken = new ArrayList<>();
        List<Expression> refused = new ArrayList<>();
        if (schema.has("pattern")) {
            for (JsonNode pattern : SchemaMerge.patterns(schema.get("pattern"))) {
                RegexReader.Conditions conditions = pattern(pattern, path);
                taken.addAll(conditions.taken());
                refused.addAll(conditions.refused());
            }
        }
        String format = format(schema, path);
        if (taken.isEmpty() && refused.isEmpty() && format == null) {
            return bounded
                    ? Expression.sequence(
                            Expression.text("\""),
                            Expression.repeat(JsonForms.CHARACTER, least, most),
                            Expression.text("\""))
                    : JsonForms.STRING;
        }
        boolean alone = refused.isEmpty() && taken.size() + (format == null ? 0 : 1) == 1;
        Expression held = alone
                ? ofLength(
                        format == null ? taken.getFirst() : RegexReader.whole(StringFormats.regex(format)), least, most)
                : null;
        if (held != null) {
            return JsonForms.string(held);
        }
        if (format != null) {
            StringFormats.regexes(format).forEach(regex -> taken.add(RegexReader.whole(regex)));
        }
        if (bounded) {
            taken.add(Expression.repeat(Expression.characters(CodePoints.ALL), least, most));
        }
        return together(taken, refused, path);
    }

    /** The text with these lengths, if it has them or is one set of characters again and again; else null. */
    private static Expression ofLength(Expression text, int least, int most) {
        Lengths lengths = Lengths.of(text);
        if (lengths.least() >= least && lengths.most() <= most) {
            return text;
        }
        Repeat only = onlyRepeat(text);
        return only == null || only.least() > most || least > only.most()
                ? null
                : Expression.repeat(only.body(), Math.max(least, only.least()), Math.min(most, only.most()));
    }

    private static RegexReader.Conditions pattern(JsonNode pattern, String path) {
        if (!pattern.isTextual()) {
            throw JsonSchemaReader.error(path + "/pattern", "must be a string, not " + pattern);
        }
        try {
            return RegexReader.anywhereAhead(pattern.textValue());
        } catch (GrammarException invalid) {
            throw JsonSchemaReader.error(path + "/pattern", "is no pattern that can be held: " + invalid.getMessage());
        }
    }

    /** The format that strings have; null if there is none, or if it leaves all of them. */
    private static String format(JsonNode schema, String path) {
        if (!schema.has("format")) {
            return null;
        }
        String format = schema.get("format").asText();
        if (StringFormats.saysNothing(format, schema.has("pattern"))) {
            return null;
        }
        if (StringFormats.regex(format) == null) {
            throw JsonSchemaReader.error(
                    path + "/format",
                    "is " + format + ", but only these are supported: " + String.join(", ", StringFormats.names()));
        }
        return format;
    }

    /** One set of characters again and again, if the text is nothing else; else null. */
    private static Repeat onlyRepeat(Expression text) {
        Expression only = text;
        while (only instanceof Expression.Sequence sequence) {
            List<Expression> parts = sequence.parts().stream()
                    .filter(part -> !part.equals(Expression.EMPTY))
                    .toList();
            if (parts.size() != 1) {
                return null;
            }
            only = parts.getFirst();
        }
        return only instanceof Repeat repeat && repeat.body() instanceof Characters ? repeat : null;
    }

    /** Strings that hold to several conditions at once. */
    private Expression together(List<Expression> taken, List<Expression> refused, String path) {
        Map<String, Expression> rules;
        try {
            rules = new Intersection(taken, refused).rules("text " + path, JsonForms::escaped);
        } catch (GrammarException large) {
            throw JsonSchemaReader.error(path, large.getMessage());
        }
        if (rules.isEmpty()) {
            return reader.contradiction(path, "takes no string: its pattern, format and lengths leave none");
        }
        rules.forEach((name, rule) -> reader.shared(name, rule, path));
        return Expression.sequence(Expression.text("\""), new Reference("text " + path), Expression.text("\""));
    }

    Expression integer(JsonNode schema, String path) {
        NumberRange range = range(schema, path);
        int zeros = 0;
        if (schema.has("multipleOf")) {
            BigDecimal unit = unit(schema, path);
            zeros = Math.max(0, -unit.scale());
        }
        if (zeros > 0) {
            return multiples(range, zeros);
        }
        return range.isAll() ? JsonForms.INTEGER : orContradiction(range.integers(), path);
    }

    Expression number(JsonNode schema, String path) {
        if (schema.has("multipleOf")) {
            BigDecimal unit = unit(schema, path);
            if (unit.scale() <= 0) {
                return integer(schema, path);
            }
            if (!range(schema, path).isAll()) {
                throw JsonSchemaReader.error(
                        path + "/multipleOf", "stands beside bounds, which is supported for whole numbers only");
            }
            return Expression.sequence(
                    JsonForms.INTEGER,
                    Expression.optional(Expression.sequence(
                            Expression.text("."),
                            Expression.repeat(Expression.characters(CodePoints.DIGITS), 1, unit.scale()))));
        }
        NumberRange range = range(schema, path);
        return range.isAll() ? JsonForms.NUMBER : orContradiction(range.decimals(), path);
    }

    private Expression orContradiction(Expression numbers, String path) {
        return numbers.equals(Expression.NEVER)
                ? reader.contradiction(path, "has bounds between which no number lies")
                : numbers;
    }

    /** Whole numbers that end with zeros. */
    private static Expression multiples(NumberRange range, int zeros) {
        BigDecimal unit = BigDecimal.TEN.pow(zeros);
        NumberRange tens = new NumberRange(
                range.least() == null ? null : range.least().movePointLeft(zeros),
                range.leastExcluded(),
                range.most() == null ? null : range.most().movePointLeft(zeros),
                range.mostExcluded());
        NumberRange above = tens.and(new NumberRange(BigDecimal.ONE, false, null, false));
        NumberRange below = tens.and(new NumberRange(null, false, BigDecimal.ONE.negate(), false));
        String end = unit.toBigInteger().toString().substring(1);
        List<Expression> alternatives = new ArrayList<>();
        alternatives.add(Expression.sequence(above.integers(), Expression.text(end)));
        alternatives.add(Expression.sequence(below.integers(), Expression.text(end)));
        if (range.contains(BigDecimal.ZERO)) {
            alternatives.add(Expression.text("0"));
        }
        return Expression.choice(alternatives);
    }

    private static BigDecimal unit(JsonNode schema, String path) {
        JsonNode value = schema.get("multipleOf");
        BigDecimal unit = value.isNumber() ? value.decimalValue().stripTrailingZeros() : BigDecimal.ZERO;
        if (!unit.unscaledValue().equals(BigInteger.ONE) || Math.abs(unit.scale()) > 15) {
            throw JsonSchemaReader.error(
                    path + "/multipleOf", "is " + value + ", but only powers of ten are supported: 0.01, 1, 100");
        }
        return unit;
    }

    private static NumberRange range(JsonNode schema, String path) {
        NumberRange range = NumberRange.ALL;
        BigDecimal least = bound(schema, "minimum", path);
        BigDecimal most = bound(schema, "maximum", path);
        // Draft 4 has truth values here.
        boolean leastExcluded = schema.path("exclusiveMinimum").isBoolean()
                && schema.path("exclusiveMinimum").booleanValue();
        boolean mostExcluded = schema.path("exclusiveMaximum").isBoolean()
                && schema.path("exclusiveMaximum").booleanValue();
        range = range.and(new NumberRange(least, leastExcluded, most, mostExcluded));
        BigDecimal above = schema.path("exclusiveMinimum").isBoolean() ? null : bound(schema, "exclusiveMinimum", path);
        BigDecimal below = schema.path("exclusiveMaximum").isBoolean() ? null : bound(schema, "exclusiveMaximum", path);
        return range.and(new NumberRange(above, true, below, true));
    }

    private static BigDecimal bound(JsonNode schema, String keyword, String path) {
        JsonNode value = schema.get(keyword);
        if (value == null) {
            return null;
        }
        if (!value.isNumber()) {
            throw JsonSchemaReader.error(path + "/" + keyword, "must be a number, not " + value);
        }
        String digits = Pattern.compile("[^0-9]")
                .matcher(value.decimalValue().toPlainString())
                .replaceAll("");
        if (digits.length() > 40) {
            throw JsonSchemaReader.error(path + "/" + keyword, "has more digits than 40");
        }
        return value.decimalValue();
    }
}
