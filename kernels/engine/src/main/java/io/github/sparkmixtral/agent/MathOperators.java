package io.github.sparkmixtral.agent;

import com.ezylang.evalex.EvaluationException;
import com.ezylang.evalex.Expression;
import com.ezylang.evalex.data.EvaluationValue;
import com.ezylang.evalex.operators.AbstractOperator;
import com.ezylang.evalex.operators.InfixOperator;
import com.ezylang.evalex.operators.OperatorIfc;
import com.ezylang.evalex.operators.PrefixOperator;
import com.ezylang.evalex.parser.Token;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;
import java.util.function.BinaryOperator;
import java.util.function.UnaryOperator;

/** Python's operators on numbers, with its precedences: powers before signs, {@code -2 ** 2} is -4. */
final class MathOperators {
    static final MathContext PRECISION = new MathContext(68, RoundingMode.HALF_EVEN);

    /** Most digits before a number's point. */
    private static final int MOST_MAGNITUDE = 1_000;

    /** A power whose exponent has a sign, which the library's precedences have no place for. */
    static final String NEGATIVE_POWER = "**-";

    private static final BigDecimal LARGEST_EXPONENT = BigDecimal.valueOf(100_000);

    private MathOperators() {}

    static List<Map.Entry<String, OperatorIfc>> all() {
        return List.of(
                Map.entry("+", new Additive((a, b) -> a.add(b, PRECISION))),
                Map.entry("-", new Additive((a, b) -> a.subtract(b, PRECISION))),
                Map.entry("*", new Multiplicative((a, b) -> a.multiply(b, PRECISION))),
                Map.entry("/", new Multiplicative((a, b) -> a.divide(divisor(b), PRECISION))),
                Map.entry("//", new Multiplicative(MathOperators::floorQuotient)),
                Map.entry(
                        "%",
                        new Multiplicative(
                                (a, b) -> a.subtract(b.multiply(floorQuotient(a, b), PRECISION), PRECISION))),
                Map.entry("**", new Power(MathOperators::power)),
                Map.entry(NEGATIVE_POWER, new Power((a, b) -> power(a, b.negate()))),
                Map.entry("+", new Sign(a -> a)),
                Map.entry("-", new Sign(BigDecimal::negate)));
    }

    private static BigDecimal divisor(BigDecimal value) {
        if (value.signum() == 0) {
            throw new ArithmeticException("division by zero");
        }
        return value;
    }

    private static BigDecimal floorQuotient(BigDecimal a, BigDecimal b) {
        return a.divide(divisor(b), PRECISION).setScale(0, RoundingMode.FLOOR);
    }

    /** Whole exponents are exact within the precision; roots are those of floating point. */
    static BigDecimal power(BigDecimal base, BigDecimal exponent) {
        if (exponent.abs().compareTo(LARGEST_EXPONENT) > 0) {
            throw new ArithmeticException("the exponent " + exponent + " is too large");
        }
        if (!isWhole(exponent)) {
            return MathFunctions.decimal(Math.pow(base.doubleValue(), exponent.doubleValue()));
        }
        int whole = exponent.intValueExact();
        if (base.signum() == 0) {
            return whole == 0 ? BigDecimal.ONE : whole > 0 ? BigDecimal.ZERO : BigDecimal.ONE.divide(divisor(base));
        }
        double digits = whole * logarithm(base.abs());
        if (digits > MOST_MAGNITUDE) {
            throw tooLarge();
        }
        if (digits < -MOST_MAGNITUDE) {
            return BigDecimal.ZERO;
        }
        BigDecimal power = base.pow(Math.abs(whole), PRECISION);
        return whole < 0 ? BigDecimal.ONE.divide(power, PRECISION) : power;
    }

    /** To the base 10, also of numbers beyond floating point. */
    private static double logarithm(BigDecimal value) {
        BigDecimal rounded = value.round(MathContext.DECIMAL64);
        return Math.log10(rounded.unscaledValue().doubleValue()) - rounded.scale();
    }

    static boolean isWhole(BigDecimal value) {
        return value.stripTrailingZeros().scale() <= 0;
    }

    private static int magnitude(BigDecimal value) {
        return value.precision() - value.scale();
    }

    /** Refuses what is too large; what is too small is zero. */
    static BigDecimal bounded(BigDecimal value) {
        int magnitude = value.signum() == 0 ? 0 : magnitude(value);
        if (magnitude > MOST_MAGNITUDE) {
            throw tooLarge();
        }
        return magnitude < -MOST_MAGNITUDE || value.signum() == 0 ? BigDecimal.ZERO : value;
    }

    private static ArithmeticException tooLarge() {
        return new ArithmeticException("the result has more than " + MOST_MAGNITUDE + " digits");
    }

    private static BigDecimal number(EvaluationValue value, Token operator) throws EvaluationException {
        if (!value.isNumberValue()) {
            throw new EvaluationException(operator, operator.getValue() + " needs numbers");
        }
        return value.getNumberValue();
    }

    private abstract static class Infix extends AbstractOperator {
        private final BinaryOperator<BigDecimal> operation;

        private Infix(BinaryOperator<BigDecimal> operation) {
            this.operation = operation;
        }

        @Override
        public EvaluationValue evaluate(Expression expression, Token operator, EvaluationValue... operands)
                throws EvaluationException {
            return expression.convertValue(
                    bounded(operation.apply(number(operands[0], operator), number(operands[1], operator))));
        }
    }

    @InfixOperator(precedence = OperatorIfc.OPERATOR_PRECEDENCE_ADDITIVE)
    private static final class Additive extends Infix {
        private Additive(BinaryOperator<BigDecimal> operation) {
            super(operation);
        }
    }

    @InfixOperator(precedence = OperatorIfc.OPERATOR_PRECEDENCE_MULTIPLICATIVE)
    private static final class Multiplicative extends Infix {
        private Multiplicative(BinaryOperator<BigDecimal> operation) {
            super(operation);
        }
    }

    @InfixOperator(precedence = OperatorIfc.OPERATOR_PRECEDENCE_POWER_HIGHER, leftAssociative = false)
    private static final class Power extends Infix {
        private Power(BinaryOperator<BigDecimal> operation) {
            super(operation);
        }
    }

    @PrefixOperator(precedence = OperatorIfc.OPERATOR_PRECEDENCE_UNARY, leftAssociative = false)
    private static final class Sign extends AbstractOperator {
        private final UnaryOperator<BigDecimal> operation;

        private Sign(UnaryOperator<BigDecimal> operation) {
            this.operation = operation;
        }

        @Override
        public EvaluationValue evaluate(Expression expression, Token operator, EvaluationValue... operands)
                throws EvaluationException {
            return expression.convertValue(operation.apply(number(operands[0], operator)));
        }
    }
}
