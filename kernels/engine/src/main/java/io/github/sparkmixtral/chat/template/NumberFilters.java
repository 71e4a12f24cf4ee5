package io.github.sparkmixtral.chat.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Optional;
import java.util.regex.Pattern;

/** The filters {@code int}, {@code float}, {@code abs} and {@code round}. */
final class NumberFilters {
    private static final Pattern WHOLE = Pattern.compile("[+-]?\\d+(_\\d+)*");
    private static final Pattern REAL = Pattern.compile(
            "[+-]?(\\d+(_\\d+)*\\.?(\\d+(_\\d+)*)?|\\.\\d+(_\\d+)*)([eE][+-]?\\d+(_\\d+)*)?|(?i:[+-]?(inf(inity)?|nan))");

    private NumberFilters() {}

    static Object apply(String name, Object value, Callable.Arguments a) {
        return switch (name) {
            case "int" -> {
                Object otherwise = a.optional(0, "default", BigInteger.ZERO);
                Object base = a.optional(1, "base", BigInteger.TEN);
                a.end();
                if (!base.equals(BigInteger.TEN)) {
                    throw TemplateException.unsupported("the filter 'int' with a base");
                }
                yield whole(value, otherwise);
            }
            case "float" -> {
                Object otherwise = a.optional(0, "default", 0.0);
                a.end();
                yield real(value).map(number -> (Object) number).orElse(otherwise);
            }
            case "abs" -> {
                a.end();
                yield switch (Values.number(value)) {
                    case BigInteger number -> number.abs();
                    case Double number -> Math.abs(number);
                    default -> throw Values.wrongType(value, "has no absolute value");
                };
            }
            default -> round(value, a);
        };
    }

    private static Object whole(Object value, Object otherwise) {
        if (value instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (value instanceof Text text) {
            String digits = text.strip(null, true, true).value();
            if (digits.length() <= 1000 && WHOLE.matcher(digits).matches()) {
                return new BigInteger(digits.replace("_", ""));
            }
        }
        if (Values.number(value) instanceof BigInteger number) {
            return number;
        }
        return real(value)
                .map(number -> {
                    if (Double.isInfinite(number) && value instanceof Double) {
                        throw Values.failure("cannot convert float infinity to integer");
                    }
                    return Double.isNaN(number) || Double.isInfinite(number)
                            ? otherwise
                            : (Object) new BigDecimal(number).toBigInteger();
                })
                .orElse(otherwise);
    }

    private static Optional<Double> real(Object value) {
        return switch (Values.number(value)) {
            case Undefined undefined -> throw undefined.failure();
            case Double number -> Optional.of(number);
            case BigInteger number -> Optional.of(Operators.real(number));
            case Text text -> parsed(text.strip(null, true, true).value());
            default -> Optional.empty();
        };
    }

    private static Optional<Double> parsed(String text) {
        if (text.length() > 1000 || !REAL.matcher(text).matches()) {
            return Optional.empty();
        }
        String digits = text.replace("_", "").toLowerCase(java.util.Locale.ROOT);
        if (digits.endsWith("nan")) {
            return Optional.of(Double.NaN);
        }
        if (digits.contains("inf")) {
            return Optional.of(digits.startsWith("-") ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY);
        }
        return Optional.of(Double.valueOf(digits));
    }

    private static Object round(Object value, Callable.Arguments a) {
        int precision = Values.index(a.optional(0, "precision", BigInteger.ZERO));
        String method =
                Values.text(a.optional(1, "method", Text.ofTemplate("common"))).value();
        a.end();
        RoundingMode mode = switch (method) {
            case "common" -> RoundingMode.HALF_EVEN;
            case "ceil" -> RoundingMode.CEILING;
            case "floor" -> RoundingMode.FLOOR;
            default -> throw Values.failure("method must be common, ceil or floor");
        };
        if (Math.abs(precision) > 300) {
            throw TemplateException.unsupported("the filter 'round' with so many digits");
        }
        Object number = Values.number(value);
        if (mode != RoundingMode.HALF_EVEN) {
            if (precision < 0) {
                throw TemplateException.unsupported("the filter 'round' with digits before the point");
            }
            double power = Math.pow(10, precision);
            double scaled = real(number).orElseThrow(() -> Values.wrongType(value, "is no number")) * power;
            return (mode == RoundingMode.CEILING ? Math.ceil(scaled) : Math.floor(scaled)) / power;
        }
        return switch (number) {
            case BigInteger whole ->
                precision >= 0
                        ? whole
                        : new BigDecimal(whole).setScale(precision, mode).toBigInteger();
            case Double real when real.isNaN() || real.isInfinite() -> real;
            case Double real -> {
                double rounded = new BigDecimal(real).setScale(precision, mode).doubleValue();
                yield Math.copySign(rounded, real);
            }
            default -> throw Values.wrongType(value, "is no number");
        };
    }
}
