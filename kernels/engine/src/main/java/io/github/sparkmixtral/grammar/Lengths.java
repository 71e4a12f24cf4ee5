package io.github.sparkmixtral.grammar;

import io.github.sparkmixtral.grammar.Expression.Characters;
import io.github.sparkmixtral.grammar.Expression.Choice;
import io.github.sparkmixtral.grammar.Expression.Reference;
import io.github.sparkmixtral.grammar.Expression.Repeat;
import io.github.sparkmixtral.grammar.Expression.Sequence;

/** How many characters the texts of an expression have; more than any bound counts as {@link Expression#UNBOUNDED}. */
record Lengths(long least, long most) {

    static Lengths of(Expression expression) {
        return switch (expression) {
            case Characters _ -> new Lengths(1, 1);
            case Sequence sequence -> {
                long least = 0;
                long most = 0;
                for (Expression part : sequence.parts()) {
                    Lengths lengths = of(part);
                    least = bounded(least + lengths.least);
                    most = bounded(most + lengths.most);
                }
                yield new Lengths(least, most);
            }
            case Choice choice -> {
                long least = Expression.UNBOUNDED;
                long most = 0;
                for (Expression alternative : choice.alternatives()) {
                    Lengths lengths = of(alternative);
                    least = Math.min(least, lengths.least);
                    most = Math.max(most, lengths.most);
                }
                yield new Lengths(least, most);
            }
            case Repeat repeat -> {
                Lengths body = of(repeat.body());
                yield new Lengths(bounded(body.least * repeat.least()), bounded(body.most * repeat.most()));
            }
            case Reference reference -> throw new IllegalArgumentException(reference + " is no text of its own");
        };
    }

    private static long bounded(long length) {
        return Math.min(length, Expression.UNBOUNDED);
    }
}
