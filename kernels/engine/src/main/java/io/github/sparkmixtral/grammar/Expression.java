package io.github.sparkmixtral.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What a text, or a part of one, may be. */
sealed interface Expression {
    /** No bound. */
    int UNBOUNDED = Integer.MAX_VALUE;

    Expression EMPTY = new Sequence(List.of());

    /** No text at all. */
    Expression NEVER = new Choice(List.of());

    /** One character of a set. */
    record Characters(CodePoints set) implements Expression {}

    /** All parts, one after the other. */
    record Sequence(List<Expression> parts) implements Expression {}

    /** One of the alternatives. */
    record Choice(List<Expression> alternatives) implements Expression {}

    /**
     * The same, again and again.
     *
     * @param most {@link #UNBOUNDED} for any number
     */
    record Repeat(Expression body, int least, int most) implements Expression {}

    /** A rule of the grammar. */
    record Reference(String rule) implements Expression {}

    static Expression text(String text) {
        List<Expression> parts = new ArrayList<>();
        text.codePoints().forEach(codePoint -> parts.add(new Characters(CodePoints.of(codePoint))));
        return parts.size() == 1 ? parts.getFirst() : new Sequence(List.copyOf(parts));
    }

    static Expression characters(CodePoints set) {
        return set.isEmpty() ? NEVER : new Characters(set);
    }

    static Expression sequence(Expression... parts) {
        return parts.length == 1 ? parts[0] : new Sequence(Arrays.asList(parts));
    }

    static Expression choice(Expression... alternatives) {
        return choice(Arrays.asList(alternatives));
    }

    static Expression choice(List<Expression> alternatives) {
        return alternatives.size() == 1 ? alternatives.getFirst() : new Choice(List.copyOf(alternatives));
    }

    static Expression optional(Expression body) {
        return new Repeat(body, 0, 1);
    }

    static Expression any(Expression body) {
        return new Repeat(body, 0, UNBOUNDED);
    }

    static Expression repeat(Expression body, int least, int most) {
        return least == 1 && most == 1 ? body : new Repeat(body, least, most);
    }
}
