package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;
import java.util.Iterator;
import java.util.Map;

/** Python's {@code str} and {@code repr}. */
final class Printer {
    private final Budget budget;

    Printer(Budget budget) {
        this.budget = budget;
    }

    /** {@code str(value)}. */
    Text text(Object value) {
        return switch (value) {
            case Text text -> text;
            case Markup markup -> markup.text();
            case Undefined _ -> Text.EMPTY;
            default -> {
                StringBuilder output = new StringBuilder();
                repr(value, output);
                yield Text.ofValue(output.toString());
            }
        };
    }

    /** {@code repr(value)}; none of it counts as the template's. */
    void repr(Object value, StringBuilder output) {
        budget.enter();
        budget.write(output.length(), 1);
        switch (value) {
            case Boolean truth -> output.append(truth ? "True" : "False");
            case None _ -> output.append("None");
            case Undefined _ -> output.append("Undefined");
            case BigInteger number -> output.append(number);
            case Double number -> output.append(PythonFloat.repr(number));
            case Text text -> {
                budget.write(
                        (long) output.length() + text.value().length(),
                        text.value().length());
                quote(text.value(), output);
            }
            case Sequence.Items items -> repr(items, output);
            case Dict dict -> repr(dict, output);
            case Namespace namespace -> {
                output.append("<Namespace ");
                repr(namespace.values(), output);
                output.append('>');
            }
            default ->
                throw TemplateException.unsupported("the printing of a value of type '" + Values.typeName(value) + "'");
        }
        budget.leave();
    }

    private void repr(Sequence.Items items, StringBuilder output) {
        switch (items.kind()) {
            case LIST -> join(items, "[", "]", output);
            case TUPLE -> join(items, "(", items.items().size() == 1 ? ",)" : ")", output);
            case KEYS, VALUES, PAIRS -> join(items, items.kind().typeName() + "([", "])", output);
            case RANGE -> throw TemplateException.unsupported("the printing of a range");
        }
    }

    private void join(Sequence.Items items, String begin, String end, StringBuilder output) {
        output.append(begin);
        for (Iterator<Object> i = items.items().iterator(); i.hasNext(); ) {
            repr(i.next(), output);
            output.append(i.hasNext() ? ", " : "");
        }
        output.append(end);
    }

    private void repr(Dict dict, StringBuilder output) {
        output.append('{');
        String separator = "";
        for (Map.Entry<Object, Object> entry : dict.entries()) {
            output.append(separator);
            repr(entry.getKey(), output);
            output.append(": ");
            repr(entry.getValue(), output);
            separator = ", ";
        }
        output.append('}');
    }

    private static void quote(String text, StringBuilder output) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        output.append(quote);
        text.codePoints().forEach(c -> {
            switch (c) {
                case '\n' -> output.append("\\n");
                case '\r' -> output.append("\\r");
                case '\t' -> output.append("\\t");
                case '\\' -> output.append("\\\\");
                default -> {
                    if (c == quote) {
                        output.append('\\').append(quote);
                    } else if (isPrintable(c)) {
                        output.appendCodePoint(c);
                    } else {
                        output.append(String.format(c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c));
                    }
                }
            }
        });
        output.append(quote);
    }

    private static boolean isPrintable(int c) {
        return c == ' '
                || switch (Character.getType(c)) {
                    case Character.CONTROL,
                            Character.FORMAT,
                            Character.SURROGATE,
                            Character.PRIVATE_USE,
                            Character.UNASSIGNED,
                            Character.LINE_SEPARATOR,
                            Character.PARAGRAPH_SEPARATOR,
                            Character.SPACE_SEPARATOR -> false;
                    default -> true;
                };
    }
}
