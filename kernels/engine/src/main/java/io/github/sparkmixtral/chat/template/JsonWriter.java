package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Python's {@code json.dumps}, as transformers' filter {@code tojson} calls it. */
final class JsonWriter {
    private final StringBuilder output = new StringBuilder();
    private final Budget budget;
    private final boolean ascii;
    private final boolean sorted;
    private final String indent;
    private final String itemSeparator;
    private final String keySeparator;

    private JsonWriter(
            Budget budget, boolean ascii, boolean sorted, String indent, String itemSeparator, String keySeparator) {
        this.budget = budget;
        this.ascii = ascii;
        this.sorted = sorted;
        this.indent = indent;
        this.itemSeparator = itemSeparator;
        this.keySeparator = keySeparator;
    }

    /** The JSON of a value; none of it counts as the template's. */
    static Text write(Object value, Callable.Arguments a, Budget budget) {
        boolean ascii = Values.isTrue(a.optional(0, "ensure_ascii", false));
        String indent = indent(a.optional(1, "indent", None.NONE));
        Object separators = a.optional(2, "separators", None.NONE);
        boolean sorted = Values.isTrue(a.optional(3, "sort_keys", false));
        a.end();
        String items = indent == null ? ", " : ",";
        String keys = ": ";
        if (separators != None.NONE) {
            if (!(separators instanceof Sequence.Items pair) || pair.items().size() != 2) {
                throw Values.failure("tojson's separators must be two strings");
            }
            items = Values.text(pair.items().get(0)).value();
            keys = Values.text(pair.items().get(1)).value();
        }
        JsonWriter writer = new JsonWriter(budget, ascii, sorted, indent, items, keys);
        writer.write(value, 0);
        return Text.ofValue(writer.output.toString());
    }

    private static String indent(Object indent) {
        return switch (Values.number(indent)) {
            case None _ -> null;
            case Text text -> text.value();
            case BigInteger _ -> {
                int width = Math.max(0, Values.index(indent));
                if (width > 100) {
                    throw TemplateException.unsupported("an indent of more than 100");
                }
                yield " ".repeat(width);
            }
            default -> throw Values.failure("tojson's indent must be a number or a string");
        };
    }

    private void write(Object value, int depth) {
        budget.enter();
        switch (value) {
            case None _ -> append("null");
            case Boolean truth -> append(truth ? "true" : "false");
            case BigInteger number -> append(number.toString());
            case Double number -> append(PythonFloat.json(number));
            case Text text -> string(text.value());
            case Sequence.Items items
            when items.kind() == Sequence.Kind.LIST || items.kind() == Sequence.Kind.TUPLE -> list(items, depth);
            case Dict dict -> dict(dict, depth);
            default -> throw Values.failure("Object of type " + Values.typeName(value) + " is not JSON serializable");
        }
        budget.leave();
    }

    private void append(String text) {
        output.append(text);
        budget.write(output.length(), text.length());
    }

    private void newLine(int depth) {
        if (indent != null) {
            append("\n");
            for (int i = 0; i < depth; i++) {
                append(indent);
            }
        }
    }

    private void list(Sequence.Items items, int depth) {
        append("[");
        String separator = "";
        for (Object item : items.items()) {
            append(separator);
            newLine(depth + 1);
            write(item, depth + 1);
            separator = itemSeparator;
        }
        if (!items.items().isEmpty()) {
            newLine(depth);
        }
        append("]");
    }

    private void dict(Dict dict, int depth) {
        List<Map.Entry<Object, Object>> entries = new ArrayList<>();
        dict.entries().forEach(entries::add);
        if (sorted) {
            entries.sort((left, right) -> Values.compare("<", left.getKey(), right.getKey()));
        }
        append("{");
        String separator = "";
        for (Map.Entry<Object, Object> entry : entries) {
            append(separator);
            newLine(depth + 1);
            string(key(entry.getKey()));
            append(keySeparator);
            write(entry.getValue(), depth + 1);
            separator = itemSeparator;
        }
        if (!entries.isEmpty()) {
            newLine(depth);
        }
        append("}");
    }

    private static String key(Object key) {
        return switch (key) {
            case Text text -> text.value();
            case None _ -> "null";
            case Boolean truth -> truth ? "true" : "false";
            case BigInteger number -> number.toString();
            case Double number -> PythonFloat.json(number);
            default -> throw Values.failure("keys must be str, int, float, bool or None, not " + Values.typeName(key));
        };
    }

    private void string(String text) {
        output.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> output.append("\\\"");
                case '\\' -> output.append("\\\\");
                case '\n' -> output.append("\\n");
                case '\r' -> output.append("\\r");
                case '\t' -> output.append("\\t");
                case '\b' -> output.append("\\b");
                case '\f' -> output.append("\\f");
                default -> {
                    if (c < ' ' || ascii && c > '~') {
                        output.append(String.format("\\u%04x", (int) c));
                    } else {
                        output.append(c);
                    }
                }
            }
        }
        output.append('"');
        budget.write(output.length(), text.length());
    }
}
