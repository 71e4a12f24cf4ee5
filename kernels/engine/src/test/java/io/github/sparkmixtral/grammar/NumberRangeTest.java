package io.github.sparkmixtral.grammar;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class NumberRangeTest {
    @Test
    void takesJustTheNumbersBetweenTheBounds() {
        Random random = new Random(7);
        for (int i = 0; i < 400; i++) {
            BigDecimal a = random.nextInt(8) == 0 ? null : number(random);
            BigDecimal b = random.nextInt(8) == 0 ? null : number(random);
            boolean swapped = a != null && b != null && a.compareTo(b) > 0;
            NumberRange range =
                    new NumberRange(swapped ? b : a, random.nextBoolean(), swapped ? a : b, random.nextBoolean());
            for (boolean whole : new boolean[] {true, false}) {
                Expression expression = whole ? range.integers() : range.decimals();
                if (expression.equals(Expression.NEVER)) {
                    continue;
                }
                check(range, whole, expression, random);
            }
        }
    }

    private static void check(NumberRange range, boolean whole, Expression expression, Random random) {
        Grammar grammar;
        try {
            grammar = Grammar.of("root", Map.of("root", expression));
        } catch (GrammarException none) {
            grammar = Grammar.of("root", Map.of("root", Expression.choice(expression, Expression.text("none"))));
        }
        States states = new States(new Automaton(grammar));
        for (int i = 0; i < 20; i++) {
            String own = Texts.random(states, random, 80);
            if (own != null && !own.equals("none")) {
                assertThat(range.contains(new BigDecimal(own)))
                        .as(own + " in " + range)
                        .isTrue();
            }
            BigDecimal other = number(random);
            boolean fits = range.contains(other)
                    && (!whole || other.stripTrailingZeros().scale() <= 0);
            String text = whole && fits ? other.toBigInteger().toString() : plain(other);
            assertThat(Texts.isWhole(grammar, text)).as(text + " in " + range).isEqualTo(fits);
        }
    }

    /** Zero has no sign, and a whole number no point. */
    private static String plain(BigDecimal number) {
        return number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString();
    }

    private static BigDecimal number(Random random) {
        int[] sizes = {3, 12, 120, 3000, 1_000_000};
        long digits = random.nextInt(2 * sizes[random.nextInt(sizes.length)]) - sizes[random.nextInt(3)];
        return BigDecimal.valueOf(digits, random.nextInt(4));
    }
}
