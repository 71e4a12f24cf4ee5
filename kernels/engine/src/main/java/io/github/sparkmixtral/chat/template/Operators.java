package io.github.sparkmixtral.chat.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** Python's operators. */
final class Operators {
    /** Longest whole number, in bits. */
    private static final int MOST_BITS = 4096;

    private final Budget budget;

    Operators(Budget budget) {
        this.budget = budget;
    }

    Object binary(String operator, Object left, Object right) {
        requireDefined(left);
        requireDefined(right);
        if (left instanceof Markup || right instanceof Markup) {
            throw TemplateException.unsupported("'" + operator + "' with an escaped string");
        }
        Object a = Values.number(left);
        Object b = Values.number(right);
        if (a instanceof BigInteger first && b instanceof BigInteger second) {
            return bounded(whole(operator, first, second));
        }
        if (Values.isNumber(left) && Values.isNumber(right)) {
            return real(operator, real(a), real(b));
        }
        return switch (operator) {
            case "+" -> sum(left, right);
            case "*" -> b instanceof BigInteger ? repeated(left, b) : repeated(right, a);
            case "%" -> {
                if (left instanceof Text) {
                    throw TemplateException.unsupported("'%' on a string");
                }
                throw mismatch(operator, left, right);
            }
            default -> throw mismatch(operator, left, right);
        };
    }

    static Object unary(String operator, Object operand) {
        requireDefined(operand);
        return switch (Values.number(operand)) {
            case BigInteger number -> operator.equals("-") ? number.negate() : number;
            case Double number -> operator.equals("-") ? -number : number;
            default ->
                throw Values.failure("bad operand type for unary " + operator + ": '" + Values.typeName(operand) + "'");
        };
    }

    private static void requireDefined(Object value) {
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
    }

    private static TemplateException mismatch(String operator, Object left, Object right) {
        return Values.failure("unsupported operand type(s) for " + operator + ": '" + Values.typeName(left) + "' and '"
                + Values.typeName(right) + "'");
    }

    private Object sum(Object left, Object right) {
        if (left instanceof Text first && right instanceof Text second) {
            return new Text.Builder(budget).append(first).append(second).text();
        }
        if (left instanceof Sequence.Items first
                && right instanceof Sequence.Items second
                && first.kind() == second.kind()
                && (first.kind() == Sequence.Kind.LIST || first.kind() == Sequence.Kind.TUPLE)) {
            budget.items((long) first.items().size() + second.items().size());
            List<Object> items = new ArrayList<>(first.items());
            items.addAll(second.items());
            return new Sequence.Items(first.kind(), items);
        }
        throw mismatch("+", left, right);
    }

    private Object repeated(Object value, Object times) {
        if (!(times instanceof BigInteger)) {
            throw mismatch("*", value, times);
        }
        int count = Math.max(0, Values.index(times));
        if (value instanceof Text text) {
            budget.write((long) count * text.value().length(), 0);
            Text.Builder builder = new Text.Builder(budget);
            for (int i = 0; i < count && !text.isEmpty(); i++) {
                budget.step();
                builder.append(text);
            }
            return builder.text();
        }
        if (value instanceof Sequence.Items items
                && (items.kind() == Sequence.Kind.LIST || items.kind() == Sequence.Kind.TUPLE)) {
            budget.items((long) count * items.items().size());
            List<Object> repeated = new ArrayList<>();
            for (int i = 0; i < count && !items.items().isEmpty(); i++) {
                repeated.addAll(items.items());
            }
            return new Sequence.Items(items.kind(), repeated);
        }
        throw mismatch("*", value, times);
    }

    static double real(Object number) {
        if (number instanceof BigInteger whole) {
            double value = whole.doubleValue();
            if (Double.isInfinite(value)) {
                throw Values.failure("int too large to convert to float");
            }
            return value;
        }
        return (Double) number;
    }

    private static Object bounded(Object number) {
        if (number instanceof BigInteger whole && whole.bitLength() > MOST_BITS) {
            throw Values.failure("a whole number has more than " + MOST_BITS + " bits");
        }
        return number;
    }

    private static Object whole(String operator, BigInteger a, BigInteger b) {
        return switch (operator) {
            case "+" -> a.add(b);
            case "-" -> a.subtract(b);
            case "*" -> a.multiply(b);
            case "/" -> quotient(a, b);
            case "//" -> floor(nonZero(b), a);
            case "%" -> a.subtract(floor(nonZero(b), a).multiply(b));
            case "**" -> power(a, b);
            default -> throw new IllegalStateException(operator);
        };
    }

    /** Rounded once, as Python rounds it. */
    private static double quotient(BigInteger a, BigInteger b) {
        nonZero(b);
        double quotient = new BigDecimal(a)
                .divide(new BigDecimal(b), new java.math.MathContext(800))
                .doubleValue();
        if (Double.isInfinite(quotient)) {
            throw Values.failure("integer division result too large for a float");
        }
        return quotient;
    }

    private static BigInteger nonZero(BigInteger divisor) {
        if (divisor.signum() == 0) {
            throw Values.failure("division by zero");
        }
        return divisor;
    }

    private static BigInteger floor(BigInteger divisor, BigInteger dividend) {
        BigInteger[] parts = dividend.divideAndRemainder(divisor);
        return parts[1].signum() != 0 && parts[1].signum() != divisor.signum()
                ? parts[0].subtract(BigInteger.ONE)
                : parts[0];
    }

    private static Object power(BigInteger a, BigInteger b) {
        if (b.signum() < 0) {
            return real("**", real(a), real(b));
        }
        if (a.abs().compareTo(BigInteger.ONE) > 0
                && (b.bitLength() > 16 || (long) a.bitLength() * b.intValue() > MOST_BITS)) {
            throw Values.failure("a whole number has more than " + MOST_BITS + " bits");
        }
        return a.abs().compareTo(BigInteger.ONE) <= 0 && b.signum() > 0
                ? (a.signum() < 0 && !b.testBit(0) ? BigInteger.ONE : a)
                : a.pow(b.intValue());
    }

    private static Object real(String operator, double a, double b) {
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / nonZero(b);
            case "//" -> {
                double quotient = (a - floorRemainder(a, nonZero(b))) / b;
                yield quotient == 0 ? Math.copySign(0, a / b) : roundedFloor(quotient);
            }
            case "%" -> floorRemainder(a, nonZero(b));
            case "**" -> realPower(a, b);
            default -> throw new IllegalStateException(operator);
        };
    }

    private static double roundedFloor(double quotient) {
        double floor = Math.floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static double floorRemainder(double a, double b) {
        double remainder = a % b;
        if (remainder != 0) {
            return (b < 0) != (remainder < 0) ? remainder + b : remainder;
        }
        return Math.copySign(0, b);
    }

    private static double nonZero(double divisor) {
        if (divisor == 0) {
            throw Values.failure("float division by zero");
        }
        return divisor;
    }

    private static double realPower(double a, double b) {
        if (a == 0 && b < 0) {
            throw Values.failure("0.0 cannot be raised to a negative power");
        }
        double power = Math.pow(a, b);
        if (Double.isNaN(power) && !Double.isNaN(a) && !Double.isNaN(b)) {
            throw TemplateException.unsupported("a complex number");
        }
        if (Double.isInfinite(power) && !Double.isInfinite(a) && !Double.isInfinite(b)) {
            throw Values.failure("the result of ** is too large");
        }
        return power;
    }

    boolean compare(String operator, Object left, Object right) {
        budget.step();
        return switch (operator) {
            case "==" -> Values.areEqual(left, right);
            case "!=" -> !Values.areEqual(left, right);
            case "in" -> contains(right, left);
            case "not in" -> !contains(right, left);
            default -> {
                int order = Values.compare(operator, left, right);
                yield order != Integer.MIN_VALUE
                        && switch (operator) {
                            case "<" -> order < 0;
                            case "<=" -> order <= 0;
                            case ">" -> order > 0;
                            case ">=" -> order >= 0;
                            default -> throw new IllegalStateException(operator);
                        };
            }
        };
    }

    boolean contains(Object container, Object wanted) {
        return switch (container) {
            case Text text -> {
                if (!(wanted instanceof Text part)) {
                    throw Values.failure(
                            "'in <string>' requires string as left operand, not " + Values.typeName(wanted));
                }
                budget.search(text.value().length(), part.value().length());
                yield text.value().contains(part.value());
            }
            case Dict dict -> !(wanted instanceof Undefined) && dict.has(wanted);
            default -> {
                boolean found = false;
                for (Iterator<Object> items = Values.iterator(container); !found && items.hasNext(); ) {
                    budget.step();
                    found = Values.areEqual(items.next(), wanted);
                }
                yield found;
            }
        };
    }
}
