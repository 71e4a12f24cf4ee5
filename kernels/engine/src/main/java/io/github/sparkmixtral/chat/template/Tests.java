package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;
import java.util.Set;

/** jinja2's tests, which stand behind {@code is}. */
final class Tests {
    private static final Set<String> OTHERS = Set.of("callable", "filter", "test", "escaped");

    private final Operators operators;
    private final Printer printer;

    Tests(Operators operators, Printer printer) {
        this.operators = operators;
        this.printer = printer;
    }

    boolean holds(String name, Object value, Callable.Arguments a) {
        if (value instanceof Markup) {
            throw TemplateException.unsupported("the test '" + name + "' on an escaped string");
        }
        return switch (name) {
            case "defined" -> plain(a, !(value instanceof Undefined));
            case "undefined" -> plain(a, value instanceof Undefined);
            case "none" -> plain(a, value == None.NONE);
            case "string" -> plain(a, value instanceof Text);
            case "mapping" -> plain(a, value instanceof Dict);
            case "number" -> plain(a, Values.isNumber(value));
            case "integer" -> plain(a, value instanceof BigInteger);
            case "float" -> plain(a, value instanceof Double);
            case "boolean" -> plain(a, value instanceof Boolean);
            case "true" -> plain(a, Boolean.TRUE.equals(value));
            case "false" -> plain(a, Boolean.FALSE.equals(value));
            case "iterable" ->
                plain(
                        a,
                        value instanceof Text
                                || value instanceof Sequence
                                || value instanceof Dict
                                || value instanceof Loop
                                || value instanceof Undefined);
            case "sequence" ->
                plain(
                        a,
                        value instanceof Text
                                || value instanceof Dict
                                || value instanceof Undefined
                                || value instanceof Sequence.Items items
                                        && items.kind().hasIndices());
            case "odd" -> plain(a, remainder(value, BigInteger.TWO).equals(BigInteger.ONE));
            case "even" -> plain(a, remainder(value, BigInteger.TWO).signum() == 0);
            case "divisibleby" -> {
                Object divisor = a.required(0, "num");
                a.end();
                yield remainder(value, divisor).signum() == 0;
            }
            case "lower" -> plain(a, TextMethods.isCased(printer.text(value), Character::isLowerCase));
            case "upper" -> plain(a, TextMethods.isCased(printer.text(value), Character::isUpperCase));
            case "in" -> compared("in", value, a);
            case "equalto", "eq", "==" -> compared("==", value, a);
            case "ne", "!=" -> compared("!=", value, a);
            case "lt", "lessthan", "<" -> compared("<", value, a);
            case "le", "<=" -> compared("<=", value, a);
            case "gt", "greaterthan", ">" -> compared(">", value, a);
            case "ge", ">=" -> compared(">=", value, a);
            case "sameas" -> {
                Object other = a.required(0, "other");
                a.end();
                if (!isSingleton(value) && !isSingleton(other)) {
                    throw TemplateException.unsupported("the test 'sameas' on other values than true, false and none");
                }
                yield value.equals(other);
            }
            default ->
                throw OTHERS.contains(name)
                        ? TemplateException.unsupported("the test '" + name + "'")
                        : Values.failure("No test named '" + name + "'.");
        };
    }

    private static boolean isSingleton(Object value) {
        return value instanceof Boolean || value instanceof None;
    }

    private static boolean plain(Callable.Arguments arguments, boolean holds) {
        arguments.end();
        return holds;
    }

    private boolean compared(String operator, Object value, Callable.Arguments a) {
        Object other = a.required(0, "other");
        a.end();
        return operators.compare(operator, value, other);
    }

    private BigInteger remainder(Object value, Object divisor) {
        Object remainder = operators.binary("%", value, divisor);
        return remainder instanceof BigInteger whole
                ? whole
                : BigInteger.valueOf(remainder.equals(0.0) ? 0 : remainder.equals(1.0) ? 1 : -1);
    }
}
