package io.github.sparkmixtral.agent;

import com.ezylang.evalex.BaseException;
import com.ezylang.evalex.Expression;
import com.ezylang.evalex.config.ExpressionConfiguration;
import com.ezylang.evalex.config.MapBasedFunctionDictionary;
import com.ezylang.evalex.config.MapBasedOperatorDictionary;
import com.ezylang.evalex.data.EvaluationValue;
import com.ezylang.evalex.functions.FunctionIfc;
import com.ezylang.evalex.operators.OperatorIfc;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Lines of arithmetic in the manner of Python: assignments ({@code output = 7 * math.sqrt(512)}, also {@code +=} and the like), {@code + - *
 * / // % **}, functions and constants of {@code math} with or without their prefix, {@code import math}, comments, {@code print(…)}. The
 * value is that of {@code output}, else of the last line. Numbers are decimals of 68 digits, so that {@code 0.1 + 0.2} is 0.3 and {@code
 * 6 / 2} is 3; there are no texts, lists or loops, and no code is run. Names do not differ by case alone. Lines, nesting and numbers
 * are bounded.
 */
final class Arithmetic {
    private static final int MOST_CHARACTERS = 2_000;
    private static final int DEEPEST = 100;

    /** Digits of a whole number that are written out; others are rounded as floating point. */
    private static final int MOST_DIGITS = 40;

    private static final MathContext FLOATING_POINT = new MathContext(17, RoundingMode.HALF_EVEN);

    private static final Pattern ASSIGNMENT =
            Pattern.compile("([A-Za-z_][A-Za-z0-9_]*)\\s*(\\+|-|\\*\\*|\\*|//|/|%)?=(?!=)\\s*(.*)");
    private static final Pattern IMPORT = Pattern.compile("(import\\s+math|from\\s+math\\s+import\\b.*)");
    private static final Pattern PRINT = Pattern.compile("print\\s*\\((.*)\\)");
    private static final Pattern MODULE = Pattern.compile("\\bmath\\s*\\.\\s*(?=[A-Za-z_])");
    private static final Pattern SIGNED_EXPONENT = Pattern.compile("\\*\\*\\s*([+-])");
    private static final Pattern LONG_EXPONENT = Pattern.compile("\\d[eE][+-]?\\d{4}");
    private static final Pattern GROUPED_DIGITS = Pattern.compile("(?<=\\d)_(?=\\d)");

    private static final ExpressionConfiguration PYTHON = ExpressionConfiguration.builder()
            .operatorDictionary(
                    MapBasedOperatorDictionary.ofOperators(MathOperators.all().toArray(PythonEntries::operators)))
            .functionDictionary(
                    MapBasedFunctionDictionary.ofFunctions(MathFunctions.all().toArray(PythonEntries::functions)))
            .defaultConstants(Map.of())
            .mathContext(MathOperators.PRECISION)
            .arraysAllowed(false)
            .structuresAllowed(false)
            .implicitMultiplicationAllowed(false)
            .stripTrailingZeros(true)
            .maxRecursionDepth(DEEPEST * 20)
            .locale(Locale.ROOT)
            .build();

    private final Map<String, BigDecimal> variables = new LinkedHashMap<>(Map.of(
            "pi",
            new BigDecimal("3.14159265358979323846264338327950288419716939937510582097494459230782"),
            "e",
            new BigDecimal("2.71828182845904523536028747135266249775724709369995957496696762772408"),
            "tau",
            new BigDecimal("6.28318530717958647692528676655900576839433879875021164194988918461563")));

    /** Arrays of the library's entries, which are generic. */
    private static final class PythonEntries {
        @SuppressWarnings("unchecked")
        static Map.Entry<String, OperatorIfc>[] operators(int size) {
            return new Map.Entry[size];
        }

        @SuppressWarnings("unchecked")
        static Map.Entry<String, FunctionIfc>[] functions(int size) {
            return new Map.Entry[size];
        }
    }

    private Arithmetic() {}

    /**
     * Calculates.
     *
     * @return a number
     * @throws IllegalArgumentException naming the line and what is wrong with it
     */
    static String value(String lines) {
        if (lines.length() > MOST_CHARACTERS) {
            throw new IllegalArgumentException("there are more than " + MOST_CHARACTERS + " characters: write less");
        }
        Arithmetic arithmetic = new Arithmetic();
        BigDecimal last = null;
        for (String line : lines.split("[\\n;]")) {
            String statement = line.replaceFirst("#.*", "").strip();
            if (!statement.isEmpty() && !IMPORT.matcher(statement).matches()) {
                last = arithmetic.statement(statement);
            }
        }
        BigDecimal output = arithmetic.variables.getOrDefault("output", last);
        if (output == null) {
            throw new IllegalArgumentException("there is nothing to calculate: set output");
        }
        return text(output);
    }

    private BigDecimal statement(String statement) {
        Matcher assignment = ASSIGNMENT.matcher(statement);
        if (!assignment.matches()) {
            Matcher print = PRINT.matcher(statement);
            return expression(print.matches() ? print.group(1) : statement);
        }
        String name = assignment.group(1);
        variables.keySet().stream()
                .filter(other -> !other.equals(name) && other.equalsIgnoreCase(name))
                .findFirst()
                .ifPresent(other -> {
                    throw new IllegalArgumentException(
                            "the names " + other + " and " + name + " differ in case alone: take another one");
                });
        String operator = assignment.group(2);
        BigDecimal value =
                expression(operator == null ? assignment.group(3) : name + operator + "(" + assignment.group(3) + ")");
        variables.put(name, value);
        return value;
    }

    private BigDecimal expression(String written) {
        String digits =
                GROUPED_DIGITS.matcher(MODULE.matcher(written).replaceAll("")).replaceAll("");
        String expression = SIGNED_EXPONENT
                .matcher(digits)
                .replaceAll(sign -> sign.group(1).equals("-") ? MathOperators.NEGATIVE_POWER : "**");
        requireBounded(expression);
        try {
            Expression parsed = new Expression(expression, PYTHON);
            variables.forEach(parsed::with);
            EvaluationValue value = parsed.evaluate();
            if (!value.isNumberValue()) {
                throw new IllegalArgumentException("no number");
            }
            return MathOperators.bounded(value.getNumberValue());
        } catch (BaseException | IllegalArgumentException | ArithmeticException | StackOverflowError wrong) {
            String reason = wrong instanceof StackOverflowError ? "it is nested too deep" : wrong.getMessage();
            throw new IllegalArgumentException("cannot calculate '" + written.strip() + "': " + reason, wrong);
        }
    }

    private static void requireBounded(String expression) {
        int depth = 0;
        for (char c : expression.toCharArray()) {
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
            if (depth > DEEPEST) {
                throw new IllegalArgumentException("there are more than " + DEEPEST + " parentheses in each other");
            }
        }
        if (LONG_EXPONENT.matcher(expression).find()) {
            throw new IllegalArgumentException("a number has an exponent of more than three digits");
        }
    }

    /** A whole number with its digits, any other one as floating point of 64 bits in its shortest form. */
    private static String text(BigDecimal value) {
        BigDecimal plain = value.stripTrailingZeros();
        if (plain.scale() <= 0 && plain.precision() - plain.scale() <= MOST_DIGITS) {
            return plain.toPlainString();
        }
        double nearest = plain.doubleValue();
        BigDecimal rounded = Double.isFinite(nearest)
                ? new BigDecimal(Double.toString(nearest)).stripTrailingZeros()
                : plain.round(FLOATING_POINT);
        int exponent = rounded.precision() - rounded.scale() - 1;
        return exponent >= -5 && exponent < 16
                ? rounded.toPlainString()
                : rounded.toString().replace('E', 'e');
    }
}
