package io.github.sparkmixtral.chat.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/**
 * Python's rules for values: {@link Text} (str), {@link Boolean}, {@link BigInteger} (int), {@link Double}, {@link None}, {@link
 * Sequence}, {@link Dict}, {@link Undefined}, and {@link Callable}, {@link Namespace}, {@link Loop} and {@link Markup}.
 */
final class Values {
    private Values() {}

    static boolean isTrue(Object value) {
        return switch (value) {
            case Boolean truth -> truth;
            case None _, Undefined _ -> false;
            case Text text -> !text.isEmpty();
            case BigInteger number -> number.signum() != 0;
            case Double number -> number != 0;
            case Sequence.Items items -> !items.items().isEmpty();
            case Dict dict -> dict.size() > 0;
            default -> true;
        };
    }

    static String typeName(Object value) {
        return switch (value) {
            case Boolean _ -> "bool";
            case None _ -> "NoneType";
            case Undefined _ -> "Undefined";
            case Text _ -> "str";
            case BigInteger _ -> "int";
            case Double _ -> "float";
            case Sequence.Items items -> items.kind().typeName();
            case Sequence.Generator _ -> "generator";
            case Dict _ -> "dict";
            case Namespace _ -> "Namespace";
            case Loop _ -> "LoopContext";
            case Markup _ -> "Markup";
            default -> "function";
        };
    }

    static TemplateException failure(String message) {
        return new TemplateException("the chat template fails: " + message);
    }

    /** {@code 'x' object is not …}. */
    static TemplateException wrongType(Object value, String what) {
        return value instanceof Undefined undefined
                ? undefined.failure()
                : failure("'" + typeName(value) + "' object " + what);
    }

    /** A boolean is a number too. */
    static Object number(Object value) {
        return value instanceof Boolean truth ? truth ? BigInteger.ONE : BigInteger.ZERO : value;
    }

    static boolean isNumber(Object value) {
        return value instanceof Boolean || value instanceof BigInteger || value instanceof Double;
    }

    /** A whole number that fits into an {@code int}, for lengths, indices and counts. */
    static int index(Object value) {
        if (number(value) instanceof BigInteger number) {
            return number.max(BigInteger.valueOf(-Integer.MAX_VALUE))
                    .min(BigInteger.valueOf(Integer.MAX_VALUE))
                    .intValue();
        }
        throw wrongType(value, "cannot be interpreted as an integer");
    }

    static Text text(Object value) {
        if (value instanceof Text text) {
            return text;
        }
        throw value instanceof Undefined undefined
                ? undefined.failure()
                : failure("a string is wanted, not a value of type '" + typeName(value) + "'");
    }

    /** What a dict finds a key by: equal keys give equal objects. */
    static Object hashKey(Object key) {
        return switch (number(key)) {
            case Text text -> text.value();
            case BigInteger number -> number;
            case Double number ->
                number == Math.rint(number) && !Double.isInfinite(number)
                        ? new BigDecimal(number).toBigInteger()
                        : number;
            case None none -> none;
            case Sequence.Items items
            when items.kind() == Sequence.Kind.TUPLE ->
                items.items().stream().map(Values::hashKey).toList();
            case Undefined undefined -> throw undefined.failure();
            default -> throw failure("unhashable type: '" + typeName(key) + "'");
        };
    }

    static boolean areEqual(Object left, Object right) {
        Object a = number(left);
        Object b = number(right);
        return switch (a) {
            case Text text -> b instanceof Text other && text.value().equals(other.value());
            case None _ -> b == None.NONE;
            case Undefined _ -> b instanceof Undefined;
            case BigInteger _, Double _ ->
                (b instanceof BigInteger || b instanceof Double) && !isNaN(a) && !isNaN(b) && compareNumbers(a, b) == 0;
            case Sequence.Items items ->
                b instanceof Sequence.Items other && items.kind() == other.kind() && areEqual(items, other);
            case Dict dict -> b instanceof Dict other && areEqual(dict, other);
            case Markup _ -> throw TemplateException.unsupported("a comparison with an escaped string");
            default -> a == b;
        };
    }

    private static boolean areEqual(Sequence.Items left, Sequence.Items right) {
        if (left.kind() == Sequence.Kind.VALUES || left.kind() == Sequence.Kind.PAIRS) {
            throw TemplateException.unsupported("a comparison of views of a dict");
        }
        boolean equal = left.items().size() == right.items().size();
        for (int i = 0; equal && i < left.items().size(); i++) {
            equal = areEqual(left.items().get(i), right.items().get(i));
        }
        return equal;
    }

    private static boolean areEqual(Dict left, Dict right) {
        boolean equal = left.size() == right.size();
        for (Map.Entry<Object, Object> entry : left.entries()) {
            Object other = right.get(entry.getKey());
            equal = equal && other != null && areEqual(entry.getValue(), other);
        }
        return equal;
    }

    private static boolean isNaN(Object value) {
        return value instanceof Double number && number.isNaN();
    }

    private static int compareNumbers(Object left, Object right) {
        if (left instanceof BigInteger a && right instanceof BigInteger b) {
            return a.compareTo(b);
        }
        double a = left instanceof Double number ? number : 0;
        double b = right instanceof Double number ? number : 0;
        if (Double.isInfinite(a) || Double.isInfinite(b) || left instanceof Double && right instanceof Double) {
            return a == b ? 0 : a < b ? -1 : 1;
        }
        return decimal(left).compareTo(decimal(right));
    }

    private static BigDecimal decimal(Object number) {
        return number instanceof BigInteger whole ? new BigDecimal(whole) : new BigDecimal((Double) number);
    }

    /**
     * Python's order. {@code operator} is for the message.
     *
     * @return negative, 0 or positive; {@link Integer#MIN_VALUE} where one is not a number and nothing holds
     */
    static int compare(String operator, Object left, Object right) {
        Object a = number(left);
        Object b = number(right);
        if (a instanceof Text first && b instanceof Text second) {
            return compareCodePoints(first.value(), second.value());
        }
        if ((a instanceof BigInteger || a instanceof Double) && (b instanceof BigInteger || b instanceof Double)) {
            return isNaN(a) || isNaN(b) ? Integer.MIN_VALUE : compareNumbers(a, b);
        }
        if (a instanceof Sequence.Items first
                && b instanceof Sequence.Items second
                && first.kind() == second.kind()
                && (first.kind() == Sequence.Kind.LIST || first.kind() == Sequence.Kind.TUPLE)) {
            int size = Math.min(first.items().size(), second.items().size());
            for (int i = 0; i < size; i++) {
                if (!areEqual(first.items().get(i), second.items().get(i))) {
                    return compare(
                            operator, first.items().get(i), second.items().get(i));
                }
            }
            return Integer.compare(first.items().size(), second.items().size());
        }
        for (Object value : new Object[] {left, right}) {
            if (value instanceof Undefined undefined) {
                throw undefined.failure();
            }
        }
        throw failure("'" + operator + "' not supported between instances of '" + typeName(left) + "' and '"
                + typeName(right) + "'");
    }

    private static int compareCodePoints(String left, String right) {
        int[] a = left.codePoints().toArray();
        int[] b = right.codePoints().toArray();
        return java.util.Arrays.compare(a, b);
    }

    /** Python's {@code iter}. */
    static Iterator<Object> iterator(Object value) {
        return switch (value) {
            case Sequence.Items items -> items.items().iterator();
            case Sequence.Generator generator -> generator.items();
            case Dict dict -> dict.keys().iterator();
            case Undefined _ -> List.of().iterator();
            case Text text -> characters(text).iterator();
            default -> throw wrongType(value, "is not iterable");
        };
    }

    private static List<Object> characters(Text text) {
        List<Object> characters = new ArrayList<>();
        for (int i = 0; i < text.value().length(); ) {
            int next = i + Character.charCount(text.value().codePointAt(i));
            characters.add(text.substring(i, next));
            i = next;
        }
        return characters;
    }

    static List<Object> list(Object value, Budget budget) {
        if (value instanceof Text text) {
            budget.items(text.value().length());
        }
        List<Object> items = new ArrayList<>();
        for (Iterator<Object> iterator = iterator(value); iterator.hasNext(); ) {
            items.add(iterator.next());
            budget.items(1);
        }
        return items;
    }

    /** Python's {@code len}. */
    static int length(Object value) {
        return switch (value) {
            case Text text -> text.length();
            case Sequence.Items items -> items.items().size();
            case Dict dict -> dict.size();
            case Undefined _ -> 0;
            case Loop loop -> loop.length();
            default -> throw failure("object of type '" + typeName(value) + "' has no len()");
        };
    }
}
