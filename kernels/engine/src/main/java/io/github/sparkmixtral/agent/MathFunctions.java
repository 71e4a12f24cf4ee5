package io.github.sparkmixtral.agent;

import com.ezylang.evalex.EvaluationException;
import com.ezylang.evalex.Expression;
import com.ezylang.evalex.data.EvaluationValue;
import com.ezylang.evalex.functions.AbstractFunction;
import com.ezylang.evalex.functions.FunctionIfc;
import com.ezylang.evalex.functions.FunctionParameter;
import com.ezylang.evalex.parser.Token;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.BinaryOperator;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/** Python's functions of numbers, those of {@code math} and those that need no import. Angles are radians. */
final class MathFunctions {
    /** A factorial's digits grow with it. */
    private static final int LARGEST_FACTORIAL = 400;

    private static final int MOST_PLACES = 100;

    private MathFunctions() {}

    static List<Map.Entry<String, FunctionIfc>> all() {
        return List.of(
                Map.entry("sqrt", one(MathFunctions::root)),
                Map.entry("isqrt", one(a -> root(a).setScale(0, RoundingMode.FLOOR))),
                Map.entry("cbrt", ofDouble(Math::cbrt)),
                Map.entry("exp", ofDouble(Math::exp)),
                Map.entry("log", new MathFunction(1, 2, MathFunctions::logarithm)),
                Map.entry("log2", one(a -> decimal(Math.log(positive(a)) / Math.log(2)))),
                Map.entry("log10", one(a -> decimal(Math.log10(positive(a))))),
                Map.entry("sin", ofDouble(Math::sin)),
                Map.entry("cos", ofDouble(Math::cos)),
                Map.entry("tan", ofDouble(Math::tan)),
                Map.entry("asin", ofDouble(Math::asin)),
                Map.entry("acos", ofDouble(Math::acos)),
                Map.entry("atan", ofDouble(Math::atan)),
                Map.entry("atan2", ofDoubles(Math::atan2)),
                Map.entry("sinh", ofDouble(Math::sinh)),
                Map.entry("cosh", ofDouble(Math::cosh)),
                Map.entry("tanh", ofDouble(Math::tanh)),
                Map.entry("degrees", ofDouble(Math::toDegrees)),
                Map.entry("radians", ofDouble(Math::toRadians)),
                Map.entry("hypot", ofDoubles(Math::hypot)),
                Map.entry("abs", one(BigDecimal::abs)),
                Map.entry("fabs", one(BigDecimal::abs)),
                Map.entry("floor", one(a -> a.setScale(0, RoundingMode.FLOOR))),
                Map.entry("ceil", one(a -> a.setScale(0, RoundingMode.CEILING))),
                Map.entry("trunc", one(a -> a.setScale(0, RoundingMode.DOWN))),
                Map.entry("int", one(a -> a.setScale(0, RoundingMode.DOWN))),
                Map.entry("float", one(a -> a)),
                Map.entry("round", new MathFunction(1, 2, MathFunctions::rounded)),
                Map.entry("pow", two(MathOperators::power)),
                Map.entry(
                        "min",
                        new MathFunction(
                                1,
                                Integer.MAX_VALUE,
                                all -> Arrays.stream(all)
                                        .min(BigDecimal::compareTo)
                                        .orElseThrow())),
                Map.entry(
                        "max",
                        new MathFunction(
                                1,
                                Integer.MAX_VALUE,
                                all -> Arrays.stream(all)
                                        .max(BigDecimal::compareTo)
                                        .orElseThrow())),
                Map.entry("factorial", one(a -> product(BigInteger.ONE, whole(a)))),
                Map.entry("comb", two(MathFunctions::combinations)),
                Map.entry("perm", two((n, k) -> permutations(whole(n), whole(k)))),
                Map.entry("gcd", two((a, b) -> new BigDecimal(exact(a).gcd(exact(b))))));
    }

    /** A floating point number. */
    static BigDecimal decimal(double value) {
        if (!Double.isFinite(value)) {
            throw new ArithmeticException("the result is not a finite real number");
        }
        return new BigDecimal(Double.toString(value));
    }

    private static BigDecimal root(BigDecimal value) {
        if (value.signum() < 0) {
            throw new ArithmeticException("the square root of a negative number");
        }
        return value.sqrt(MathOperators.PRECISION);
    }

    private static double positive(BigDecimal value) {
        if (value.signum() <= 0) {
            throw new ArithmeticException("the logarithm of a number that is not positive");
        }
        return value.doubleValue();
    }

    private static BigDecimal logarithm(BigDecimal[] all) {
        double log = Math.log(positive(all[0]));
        return decimal(all.length == 1 ? log : log / Math.log(positive(all[1])));
    }

    /** To even, as Python does. */
    private static BigDecimal rounded(BigDecimal[] all) {
        int places = all.length == 1 ? 0 : exact(all[1]).intValueExact();
        if (Math.abs(places) > MOST_PLACES) {
            throw new ArithmeticException("more than " + MOST_PLACES + " places");
        }
        return all[0].setScale(places, RoundingMode.HALF_EVEN);
    }

    private static BigInteger exact(BigDecimal value) {
        if (!MathOperators.isWhole(value)) {
            throw new ArithmeticException(value.toString() + " is no whole number");
        }
        return value.toBigIntegerExact();
    }

    private static int whole(BigDecimal value) {
        BigInteger whole = exact(value);
        if (whole.signum() < 0 || whole.compareTo(BigInteger.valueOf(LARGEST_FACTORIAL)) > 0) {
            throw new ArithmeticException(value.toString() + " is not between 0 and " + LARGEST_FACTORIAL);
        }
        return whole.intValueExact();
    }

    private static BigDecimal product(BigInteger first, int last) {
        BigInteger product = BigInteger.ONE;
        for (BigInteger i = first; i.compareTo(BigInteger.valueOf(last)) <= 0; i = i.add(BigInteger.ONE)) {
            product = product.multiply(i);
        }
        return new BigDecimal(product);
    }

    private static BigDecimal permutations(int n, int k) {
        return k > n ? BigDecimal.ZERO : product(BigInteger.valueOf(n - k + 1L), n);
    }

    private static BigDecimal combinations(BigDecimal n, BigDecimal k) {
        return permutations(whole(n), whole(k)).divide(product(BigInteger.ONE, whole(k)), MathOperators.PRECISION);
    }

    private static FunctionIfc one(UnaryOperator<BigDecimal> function) {
        return new MathFunction(1, 1, all -> function.apply(all[0]));
    }

    private static FunctionIfc two(BinaryOperator<BigDecimal> function) {
        return new MathFunction(2, 2, all -> function.apply(all[0], all[1]));
    }

    private static FunctionIfc ofDouble(DoubleUnaryOperator function) {
        return one(a -> decimal(function.applyAsDouble(a.doubleValue())));
    }

    private static FunctionIfc ofDoubles(DoubleBinaryOperator function) {
        return two((a, b) -> decimal(function.applyAsDouble(a.doubleValue(), b.doubleValue())));
    }

    @FunctionParameter(name = "values", isVarArg = true)
    private static final class MathFunction extends AbstractFunction {
        private final int least;
        private final int most;
        private final Function<BigDecimal[], BigDecimal> function;

        private MathFunction(int least, int most, Function<BigDecimal[], BigDecimal> function) {
            this.least = least;
            this.most = most;
            this.function = function;
        }

        @Override
        public EvaluationValue evaluate(Expression expression, Token name, EvaluationValue... values)
                throws EvaluationException {
            if (values.length < least || values.length > most) {
                throw new EvaluationException(
                        name,
                        name.getValue() + " takes " + least + (most == least ? "" : " or more") + " numbers, not "
                                + values.length);
            }
            BigDecimal[] numbers = new BigDecimal[values.length];
            for (int i = 0; i < numbers.length; i++) {
                if (!values[i].isNumberValue()) {
                    throw new EvaluationException(name, name.getValue() + " needs numbers");
                }
                numbers[i] = values[i].getNumberValue();
            }
            return expression.convertValue(MathOperators.bounded(function.apply(numbers)));
        }
    }
}
