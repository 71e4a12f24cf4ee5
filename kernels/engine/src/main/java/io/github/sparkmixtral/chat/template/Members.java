package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** {@code object.name}, {@code object[index]} and slices, as jinja2's sandbox resolves them. */
final class Members {
    private static final Set<String> OTHER_DICT_METHODS =
            Set.of("clear", "copy", "fromkeys", "pop", "popitem", "setdefault", "update");
    private static final Set<String> OTHER_SEQUENCE_METHODS = Set.of(
            "append",
            "clear",
            "copy",
            "extend",
            "insert",
            "pop",
            "remove",
            "reverse",
            "sort",
            "start",
            "stop",
            "step",
            "isdisjoint",
            "mapping",
            "send",
            "throw",
            "close",
            "gi_frame",
            "gi_code");
    private static final Set<String> NUMBER_MEMBERS = Set.of(
            "real",
            "imag",
            "numerator",
            "denominator",
            "conjugate",
            "bit_length",
            "bit_count",
            "to_bytes",
            "from_bytes",
            "as_integer_ratio",
            "is_integer",
            "hex",
            "fromhex");

    private final Budget budget;
    private final TextMethods textMethods;

    Members(Budget budget, Printer printer) {
        this.budget = budget;
        this.textMethods = new TextMethods(budget, printer);
    }

    /** {@code object.name}: an attribute, else an item. */
    Object attribute(Object object, String name) {
        Object attribute = pythonAttribute(object, name);
        if (attribute == null && object instanceof Dict dict) {
            attribute = dict.get(name);
        }
        return attribute == null ? Undefined.ofMember(object, name) : attribute;
    }

    /** {@code object[index]}: an item, else an attribute. */
    Object item(Object object, Object index) {
        if (object instanceof Undefined undefined) {
            throw undefined.failure();
        }
        Object item = itemOrNull(object, index);
        if (item == null && index instanceof Text name) {
            item = pythonAttribute(object, name.value());
        }
        return item == null ? new Undefined("'" + Values.typeName(object) + " object' has no such element") : item;
    }

    private Object itemOrNull(Object object, Object index) {
        if (object instanceof Dict dict) {
            boolean hashable = !(index instanceof Undefined || index instanceof Dict)
                    && !(index instanceof Sequence.Items items && items.kind() != Sequence.Kind.TUPLE);
            return hashable ? dict.get(index) : null;
        }
        if (!(Values.number(index) instanceof BigInteger)) {
            return null;
        }
        int position = Values.index(index);
        return switch (object) {
            case Text text -> {
                int size = text.length();
                int at = position < 0 ? position + size : position;
                yield at < 0 || at >= size ? null : codePoints(text, at, at + 1);
            }
            case Sequence.Items items
            when items.kind().hasIndices() -> {
                int at = position < 0 ? position + items.items().size() : position;
                yield at < 0 || at >= items.items().size()
                        ? null
                        : items.items().get(at);
            }
            default -> null;
        };
    }

    private static Text codePoints(Text text, int from, int to) {
        int begin = text.value().offsetByCodePoints(0, from);
        return text.substring(begin, text.value().offsetByCodePoints(begin, to - from));
    }

    /** {@code object[from:to:step]}; a part that is null is absent. */
    Object slice(Object object, Object from, Object to, Object step) {
        if (object instanceof Undefined undefined) {
            throw undefined.failure();
        }
        boolean sliceable = object instanceof Text
                || object instanceof Sequence.Items items && items.kind().hasIndices();
        if (!sliceable) {
            return new Undefined("'" + Values.typeName(object) + " object' has no slices");
        }
        int by = step == null || step == None.NONE ? 1 : Values.index(step);
        if (by == 0) {
            throw Values.failure("slice step cannot be zero");
        }
        int size = Values.length(object);
        int begin = bound(from, by < 0 ? size - 1 : 0, size, by);
        int end = bound(to, by < 0 ? -1 : size, size, by);
        budget.step(size);
        if (object instanceof Text text) {
            return slice(text, begin, end, by);
        }
        Sequence.Items items = (Sequence.Items) object;
        List<Object> slice = new ArrayList<>();
        for (long i = begin; by > 0 ? i < end : i > end; i += by) {
            slice.add(items.items().get((int) i));
        }
        return new Sequence.Items(items.kind(), slice);
    }

    private static int bound(Object part, int absent, int size, int step) {
        if (part == null || part == None.NONE) {
            return absent;
        }
        int index = Values.index(part);
        index = index < 0 ? index + size : index;
        int lowest = step < 0 ? -1 : 0;
        return Math.clamp(index, lowest, step < 0 ? size - 1 : size);
    }

    private Text slice(Text text, int begin, int end, int step) {
        if (step == 1) {
            return begin >= end ? Text.EMPTY : codePoints(text, begin, end);
        }
        List<Object> characters = Values.list(text, budget);
        Text.Builder builder = new Text.Builder(budget);
        for (long i = begin; step > 0 ? i < end : i > end; i += step) {
            builder.append((Text) characters.get((int) i));
        }
        return builder.text();
    }

    /** What Python's {@code getattr} finds, or null. */
    private Object pythonAttribute(Object object, String name) {
        if (object instanceof Undefined undefined) {
            throw undefined.failure();
        }
        if (name.startsWith("__")) {
            throw TemplateException.unsupported("the attribute '" + name + "'");
        }
        return switch (object) {
            case Text text -> textMethods.method(text, name);
            case Dict dict -> dictMethod(dict, name);
            case Sequence.Items items -> sequenceMethod(items, name);
            case Sequence.Generator _ -> refused(OTHER_SEQUENCE_METHODS, object, name);
            case Namespace namespace -> namespace.values().get(name);
            case Loop loop -> loop.attribute(name);
            case Boolean _, BigInteger _, Double _ -> refused(NUMBER_MEMBERS, object, name);
            case None _ -> null;
            default ->
                throw TemplateException.unsupported(
                        "an attribute of a value of type '" + Values.typeName(object) + "'");
        };
    }

    private static Object refused(Set<String> members, Object object, String name) {
        if (members.contains(name)) {
            throw TemplateException.unsupported("'" + name + "' of a value of type '" + Values.typeName(object) + "'");
        }
        return null;
    }

    private Object dictMethod(Dict dict, String name) {
        return switch (name) {
            case "get" ->
                (Callable) arguments -> {
                    Object key = arguments.required(0, "key");
                    Object otherwise = arguments.optional(1, "default", None.NONE);
                    arguments.end();
                    Object value = key instanceof Undefined ? null : dict.get(key);
                    return value == null ? otherwise : value;
                };
            case "keys" -> view(Sequence.Kind.KEYS, dict);
            case "values" -> view(Sequence.Kind.VALUES, dict);
            case "items" -> view(Sequence.Kind.PAIRS, dict);
            default -> refused(OTHER_DICT_METHODS, dict, name);
        };
    }

    private Callable view(Sequence.Kind kind, Dict dict) {
        return arguments -> {
            arguments.end();
            budget.items(dict.size());
            return new Sequence.Items(
                    kind,
                    switch (kind) {
                        case KEYS -> dict.keys();
                        case VALUES -> dict.values();
                        default -> dict.pairs();
                    });
        };
    }

    private Object sequenceMethod(Sequence.Items items, String name) {
        boolean searchable = items.kind().hasIndices();
        if (searchable && name.equals("count")) {
            return (Callable) arguments -> {
                Object wanted = arguments.required(0, "value");
                arguments.end();
                budget.step(items.items().size());
                return BigInteger.valueOf(items.items().stream()
                        .filter(item -> Values.areEqual(item, wanted))
                        .count());
            };
        }
        if (searchable && name.equals("index")) {
            return (Callable) arguments -> {
                Object wanted = arguments.required(0, "value");
                arguments.end();
                budget.step(items.items().size());
                for (int i = 0; i < items.items().size(); i++) {
                    if (Values.areEqual(items.items().get(i), wanted)) {
                        return BigInteger.valueOf(i);
                    }
                }
                throw Values.failure("the value is not in the list");
            };
        }
        return refused(OTHER_SEQUENCE_METHODS, items, name);
    }
}
