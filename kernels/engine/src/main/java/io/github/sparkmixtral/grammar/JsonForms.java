package io.github.sparkmixtral.grammar;

import static io.github.sparkmixtral.grammar.Expression.any;
import static io.github.sparkmixtral.grammar.Expression.characters;
import static io.github.sparkmixtral.grammar.Expression.choice;
import static io.github.sparkmixtral.grammar.Expression.optional;
import static io.github.sparkmixtral.grammar.Expression.repeat;
import static io.github.sparkmixtral.grammar.Expression.sequence;
import static io.github.sparkmixtral.grammar.Expression.text;

import io.github.sparkmixtral.grammar.Expression.Characters;
import io.github.sparkmixtral.grammar.Expression.Choice;
import io.github.sparkmixtral.grammar.Expression.Reference;
import io.github.sparkmixtral.grammar.Expression.Repeat;
import io.github.sparkmixtral.grammar.Expression.Sequence;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The forms of JSON (RFC 8259). White space and digits are bounded, so that no answer drowns in them: a space or a line break with
 * indentation where there may be white space, 16 digits before and after the point.
 */
final class JsonForms {
    static final Reference VALUE = new Reference("value");
    static final Reference OBJECT = new Reference("object");
    static final Reference ARRAY = new Reference("array");
    static final Reference STRING = new Reference("string");
    static final Reference CHARACTER = new Reference("character");
    static final Reference NUMBER = new Reference("number");
    static final Reference INTEGER = new Reference("integer");
    static final Expression BOOLEAN = choice(text("true"), text("false"));
    static final Expression NULL = text("null");

    static final int MOST_DIGITS = 16;

    private static final Reference SPACE = new Reference("space");
    private static final Characters DIGIT = new Characters(CodePoints.DIGITS);
    private static final Characters NOT_ZERO = new Characters(CodePoints.range('1', '9'));
    private static final CodePoints CONTROLS = CodePoints.range(0, 0x1F);
    private static final CodePoints ESCAPED = CONTROLS.plus(CodePoints.anyOf("\"\\"));
    private static final Map<Integer, String> SHORT_ESCAPES = Map.of(
            (int) '"',
            "\\\"",
            (int) '\\',
            "\\\\",
            (int) '\b',
            "\\b",
            (int) '\f',
            "\\f",
            (int) '\n',
            "\\n",
            (int) '\r',
            "\\r",
            (int) '\t',
            "\\t");

    private JsonForms() {}

    /** Adds the rules that the references here lead to. */
    static void addTo(Map<String, Expression> rules) {
        rules.put(
                SPACE.rule(),
                optional(choice(text(" "), sequence(text("\n"), repeat(characters(CodePoints.anyOf(" \t")), 0, 20)))));
        rules.put(CHARACTER.rule(), character());
        rules.put(STRING.rule(), sequence(text("\""), any(CHARACTER), text("\"")));
        rules.put(INTEGER.rule(), integer());
        rules.put(
                NUMBER.rule(),
                sequence(
                        integer(),
                        optional(sequence(text("."), repeat(DIGIT, 1, MOST_DIGITS))),
                        optional(sequence(
                                characters(CodePoints.anyOf("eE")),
                                optional(characters(CodePoints.anyOf("+-"))),
                                repeat(DIGIT, 1, 2)))));
        rules.put(VALUE.rule(), choice(OBJECT, ARRAY, STRING, NUMBER, BOOLEAN, NULL));
        rules.put(OBJECT.rule(), object(optional(closed(list(member(STRING, VALUE), 1, Expression.UNBOUNDED)))));
        rules.put(ARRAY.rule(), array(optional(closed(list(VALUE, 1, Expression.UNBOUNDED)))));
    }

    private static Expression integer() {
        return sequence(optional(text("-")), choice(text("0"), sequence(NOT_ZERO, repeat(DIGIT, 0, MOST_DIGITS - 1))));
    }

    private static Expression character() {
        CodePoints hex = CodePoints.DIGITS.plus(CodePoints.range('a', 'f')).plus(CodePoints.range('A', 'F'));
        Expression digit = characters(hex);
        Expression notD = characters(hex.minus(CodePoints.anyOf("dD")));
        Expression d = characters(CodePoints.anyOf("dD"));
        Expression high = characters(CodePoints.anyOf("89abAB"));
        Expression low = characters(CodePoints.range('c', 'f').plus(CodePoints.range('C', 'F')));
        // Half a character is none: its other half comes at once.
        Expression unit = choice(
                sequence(notD, repeat(digit, 3, 3)),
                sequence(d, characters(CodePoints.range('0', '7')), digit, digit),
                sequence(d, high, digit, digit, text("\\u"), d, low, digit, digit));
        return choice(
                characters(ESCAPED.complement()),
                sequence(text("\\"), choice(characters(CodePoints.anyOf("\"\\/bfnrt")), sequence(text("u"), unit))));
    }

    /** Nothing in braces, or members that are {@link #closed}. */
    static Expression object(Expression members) {
        return sequence(text("{"), SPACE, members, text("}"));
    }

    static Expression array(Expression elements) {
        return sequence(text("["), SPACE, elements, text("]"));
    }

    /** With the space before a brace. */
    static Expression closed(Expression some) {
        return sequence(some, SPACE);
    }

    static Expression member(Expression key, Expression value) {
        return sequence(key, text(":"), optional(text(" ")), value);
    }

    /** What comes after another one. */
    static Expression following(Expression element) {
        return sequence(text(","), SPACE, element);
    }

    /** @param least at least 1 */
    static Expression list(Expression element, int least, int most) {
        return sequence(element, repeat(following(element), least - 1, most == Expression.UNBOUNDED ? most : most - 1));
    }

    /** Texts of the expression, as JSON writes them: each in one way, so that equal texts are equal strings. */
    static Expression string(Expression text) {
        return sequence(text("\""), escaped(text), text("\""));
    }

    private static Expression escaped(Expression expression) {
        return switch (expression) {
            case Characters characters -> escaped(characters.set());
            case Sequence sequence ->
                new Sequence(sequence.parts().stream().map(JsonForms::escaped).toList());
            case Choice choice ->
                new Choice(
                        choice.alternatives().stream().map(JsonForms::escaped).toList());
            case Repeat repeat -> new Repeat(escaped(repeat.body()), repeat.least(), repeat.most());
            case Reference reference -> throw new IllegalArgumentException(reference + " is no text of its own");
        };
    }

    /** One character of a text, as JSON writes it. */
    static Expression escaped(CodePoints set) {
        List<Expression> alternatives = new ArrayList<>();
        CodePoints plain = set.minus(ESCAPED);
        if (!plain.isEmpty()) {
            alternatives.add(characters(plain));
        }
        CodePoints special = set.and(ESCAPED);
        for (int i = 0; i < special.ranges().length; i += 2) {
            for (int codePoint = special.ranges()[i]; codePoint <= special.ranges()[i + 1]; codePoint++) {
                alternatives.add(
                        text(SHORT_ESCAPES.getOrDefault(codePoint, String.format(Locale.ROOT, "\\u%04x", codePoint))));
            }
        }
        return choice(alternatives);
    }

    /** Strings other than these, each written in one way. */
    static Expression stringOtherThan(List<String> taken) {
        return string(otherThan(
                taken.stream().map(name -> name.codePoints().toArray()).toList(), 0));
    }

    /** @param taken those that begin like the text so far, which has that many characters */
    private static Expression otherThan(List<int[]> taken, int length) {
        Map<Integer, List<int[]>> byNext = new java.util.TreeMap<>();
        boolean mayEnd = true;
        for (int[] name : taken) {
            if (name.length == length) {
                mayEnd = false;
            } else {
                byNext.computeIfAbsent(name[length], _ -> new ArrayList<>()).add(name);
            }
        }
        List<Expression> alternatives = new ArrayList<>();
        CodePoints others = CodePoints.ALL;
        for (Map.Entry<Integer, List<int[]>> next : byNext.entrySet()) {
            CodePoints one = CodePoints.of(next.getKey());
            others = others.minus(one);
            alternatives.add(sequence(characters(one), otherThan(next.getValue(), length + 1)));
        }
        alternatives.add(sequence(characters(others), any(characters(CodePoints.ALL))));
        if (mayEnd) {
            alternatives.add(Expression.EMPTY);
        }
        return choice(alternatives);
    }
}
