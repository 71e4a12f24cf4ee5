package io.github.sparkmixtral.grammar;

import static io.github.sparkmixtral.grammar.Expression.characters;
import static io.github.sparkmixtral.grammar.Expression.choice;
import static io.github.sparkmixtral.grammar.Expression.optional;
import static io.github.sparkmixtral.grammar.Expression.repeat;
import static io.github.sparkmixtral.grammar.Expression.sequence;
import static io.github.sparkmixtral.grammar.Expression.text;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;

/**
 * Numbers between two bounds, in plain notation.
 *
 * @param least null for none
 * @param most null for none
 */
record NumberRange(BigDecimal least, boolean leastExcluded, BigDecimal most, boolean mostExcluded) {
    static final NumberRange ALL = new NumberRange(null, false, null, false);

    private static final Expression DIGIT = characters(CodePoints.DIGITS);
    private static final int DIGITS = JsonForms.MOST_DIGITS;

    boolean isAll() {
        return least == null && most == null;
    }

    boolean contains(BigDecimal value) {
        int toLeast = least == null ? 1 : value.compareTo(least);
        int toMost = most == null ? -1 : value.compareTo(most);
        return (toLeast > 0 || toLeast == 0 && !leastExcluded) && (toMost < 0 || toMost == 0 && !mostExcluded);
    }

    /** The numbers that both have. */
    NumberRange and(NumberRange other) {
        int leasts = compare(least, other.least);
        int mosts = compare(other.most, most);
        NumberRange low = least == null || other.least != null && leasts < 0 ? other : this;
        NumberRange high = most == null || other.most != null && mosts < 0 ? other : this;
        boolean lowExcluded = low.leastExcluded || leasts == 0 && (leastExcluded || other.leastExcluded);
        boolean highExcluded = high.mostExcluded || mosts == 0 && (mostExcluded || other.mostExcluded);
        return new NumberRange(low.least, lowExcluded, high.most, highExcluded);
    }

    private static int compare(BigDecimal a, BigDecimal b) {
        return a == null || b == null ? 1 : a.compareTo(b);
    }

    /** The whole numbers of the range, without a sign before zero. */
    Expression integers() {
        BigInteger low =
                least == null ? null : least.setScale(0, RoundingMode.CEILING).toBigInteger();
        if (low != null && leastExcluded && new BigDecimal(low).compareTo(least) == 0) {
            low = low.add(BigInteger.ONE);
        }
        BigInteger high =
                most == null ? null : most.setScale(0, RoundingMode.FLOOR).toBigInteger();
        if (high != null && mostExcluded && new BigDecimal(high).compareTo(most) == 0) {
            high = high.subtract(BigInteger.ONE);
        }
        List<Expression> signs = new ArrayList<>();
        if (high == null || high.signum() >= 0) {
            signs.add(naturals(low == null ? BigInteger.ZERO : low.max(BigInteger.ZERO), high));
        }
        if (low == null || low.signum() < 0) {
            BigInteger from = high == null ? BigInteger.ONE : high.negate().max(BigInteger.ONE);
            signs.add(sequence(text("-"), naturals(from, low == null ? null : low.negate())));
        }
        return choice(signs);
    }

    /** Natural numbers between both, by how many digits they have. */
    private static Expression naturals(BigInteger low, BigInteger high) {
        int shortest = low.toString().length();
        int longest =
                high == null ? Math.max(DIGITS, shortest + 1) : high.toString().length();
        List<Expression> lengths = new ArrayList<>();
        for (int length = shortest; length <= longest; length++) {
            BigInteger first = length == 1 ? BigInteger.ZERO : BigInteger.TEN.pow(length - 1);
            BigInteger last = BigInteger.TEN.pow(length).subtract(BigInteger.ONE);
            BigInteger from = low.max(first);
            BigInteger to = high == null ? last : high.min(last);
            if (from.compareTo(to) <= 0) {
                lengths.add(digits(from.toString(), to.toString()));
            }
        }
        return choice(lengths);
    }

    /** Digits between two texts of the same length. */
    private static Expression digits(String low, String high) {
        if (low.isEmpty()) {
            return Expression.EMPTY;
        }
        char first = low.charAt(0);
        char last = high.charAt(0);
        int rest = low.length() - 1;
        if (low.substring(1).equals("0".repeat(rest)) && high.substring(1).equals("9".repeat(rest))) {
            return sequence(between(first, last), repeat(DIGIT, rest, rest));
        }
        if (first == last) {
            return sequence(between(first, first), digits(low.substring(1), high.substring(1)));
        }
        List<Expression> alternatives = new ArrayList<>();
        alternatives.add(sequence(between(first, first), digits(low.substring(1), "9".repeat(rest))));
        if (last - first > 1) {
            alternatives.add(sequence(between((char) (first + 1), (char) (last - 1)), repeat(DIGIT, rest, rest)));
        }
        alternatives.add(sequence(between(last, last), digits("0".repeat(rest), high.substring(1))));
        return choice(alternatives);
    }

    private static Expression between(char first, char last) {
        return characters(CodePoints.range(first, last));
    }

    /** The decimal numbers of the range. */
    Expression decimals() {
        List<Expression> signs = new ArrayList<>();
        if (most == null || most.signum() > 0 || most.signum() == 0 && !mostExcluded) {
            boolean fromZero = least == null || least.signum() < 0;
            signs.add(magnitudes(fromZero ? BigDecimal.ZERO : least, !fromZero && leastExcluded, most, mostExcluded));
        }
        if (least == null || least.signum() < 0) {
            boolean toZero = most == null || most.signum() >= 0;
            // Zero has no sign.
            signs.add(sequence(
                    text("-"),
                    magnitudes(
                            toZero ? BigDecimal.ZERO : most.negate(),
                            toZero || mostExcluded,
                            least == null ? null : least.negate(),
                            leastExcluded)));
        }
        return choice(signs);
    }

    private static Expression magnitudes(BigDecimal low, boolean lowExcluded, BigDecimal high, boolean highExcluded) {
        BigInteger lowWhole = low.toBigInteger();
        String lowRest = fraction(low);
        List<Expression> alternatives = new ArrayList<>();
        if (high != null && high.toBigInteger().equals(lowWhole)) {
            alternatives.add(whole(lowWhole, fractions(lowRest, lowExcluded, fraction(high), highExcluded, true)));
            return choice(alternatives);
        }
        alternatives.add(whole(lowWhole, fractions(lowRest, lowExcluded, null, false, true)));
        BigInteger next = lowWhole.add(BigInteger.ONE);
        if (high == null) {
            alternatives.add(sequence(naturals(next, null), anyFraction()));
            return choice(alternatives);
        }
        BigInteger highWhole = high.toBigInteger();
        if (next.compareTo(highWhole) < 0) {
            alternatives.add(sequence(naturals(next, highWhole.subtract(BigInteger.ONE)), anyFraction()));
        }
        if (next.compareTo(highWhole) <= 0) {
            alternatives.add(whole(highWhole, fractions("", false, fraction(high), highExcluded, true)));
        }
        return choice(alternatives);
    }

    private static Expression whole(BigInteger whole, Expression fraction) {
        return sequence(text(whole.toString()), fraction);
    }

    private static Expression anyFraction() {
        return optional(sequence(text("."), repeat(DIGIT, 1, DIGITS)));
    }

    private static String fraction(BigDecimal value) {
        String plain = value.stripTrailingZeros().toPlainString();
        return plain.contains(".") ? plain.substring(plain.indexOf('.') + 1) : "";
    }

    /** With the point before the first digit, or nothing, which is zero. */
    private static Expression fractions(
            String low, boolean lowExcluded, String high, boolean highExcluded, boolean mayBeNothing) {
        List<Expression> alternatives = new ArrayList<>();
        boolean zero = low.isEmpty() && !lowExcluded && !(high != null && high.isEmpty() && highExcluded);
        if (mayBeNothing && zero) {
            alternatives.add(Expression.EMPTY);
        }
        Expression some = digits(low, lowExcluded, high, highExcluded, Math.max(DIGITS, longest(low, high) + 1), false);
        alternatives.add(sequence(text("."), some));
        return choice(alternatives);
    }

    private static int longest(String low, String high) {
        return Math.max(low.length(), high == null ? 0 : high.length());
    }

    /**
     * Digits after the point that are between two others.
     *
     * @param high null where all that follow are small enough
     * @param left most digits
     * @param mayEnd whether there is a digit already
     */
    private static Expression digits(
            String low, boolean lowExcluded, String high, boolean highExcluded, int left, boolean mayEnd) {
        boolean lowDone = low.isEmpty() && !lowExcluded;
        List<Expression> alternatives = new ArrayList<>();
        boolean endIsEnough = low.isEmpty() && !lowExcluded;
        boolean endIsLittle = high == null || !high.isEmpty() || !highExcluded;
        if (mayEnd && endIsEnough && endIsLittle) {
            alternatives.add(Expression.EMPTY);
        }
        if (left == 0) {
            return choice(alternatives);
        }
        if (lowDone && high == null) {
            return mayEnd ? repeat(DIGIT, 0, left) : repeat(DIGIT, 1, left);
        }
        if (high != null && high.isEmpty() && highExcluded) {
            return choice(alternatives);
        }
        char first = low.isEmpty() ? '0' : low.charAt(0);
        char last = high == null ? '9' : high.isEmpty() ? '0' : high.charAt(0);
        String lowRest = low.isEmpty() ? "" : low.substring(1);
        String highRest = high == null || high.isEmpty() ? "" : high.substring(1);
        boolean lowOpen = !lowDone;
        if (first == last) {
            alternatives.add(sequence(
                    between(first, first),
                    digits(lowRest, lowExcluded, high == null ? null : highRest, highExcluded, left - 1, true)));
            return choice(alternatives);
        }
        if (first > last) {
            return choice(alternatives);
        }
        if (lowOpen) {
            alternatives.add(
                    sequence(between(first, first), digits(lowRest, lowExcluded, null, false, left - 1, true)));
        }
        char from = lowOpen ? (char) (first + 1) : first;
        char to = high == null ? last : (char) (last - 1);
        if (from <= to) {
            alternatives.add(sequence(between(from, to), repeat(DIGIT, 0, left - 1)));
        }
        if (high != null) {
            alternatives.add(sequence(between(last, last), digits("", false, highRest, highExcluded, left - 1, true)));
        }
        return choice(alternatives);
    }
}
