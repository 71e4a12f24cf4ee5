package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;

/** jinja2's filters, and {@code tojson} as transformers replaces it. */
final class Filters {
    private static final Set<String> OTHERS = Set.of(
            "attr",
            "batch",
            "center",
            "filesizeformat",
            "format",
            "groupby",
            "pprint",
            "random",
            "slice",
            "striptags",
            "truncate",
            "urlencode",
            "urlize",
            "wordcount",
            "wordwrap",
            "xmlattr");

    private final Budget budget;
    private final Printer printer;
    private final Members members;
    private final Tests tests;
    private final TextMethods texts;

    Filters(Budget budget, Printer printer, Members members, Tests tests) {
        this.budget = budget;
        this.printer = printer;
        this.members = members;
        this.tests = tests;
        this.texts = new TextMethods(budget, printer);
    }

    Object apply(String name, Object value, Callable.Arguments a) {
        budget.step();
        if (value instanceof Markup
                && !Set.of("safe", "escape", "e", "default", "d").contains(name)) {
            throw TemplateException.unsupported("the filter '" + name + "' on an escaped string");
        }
        return switch (name) {
            case "default", "d" -> {
                Object otherwise = a.optional(0, "default_value", Text.EMPTY);
                boolean falsy = Values.isTrue(a.optional(1, "boolean", false));
                a.end();
                yield value instanceof Undefined || falsy && !Values.isTrue(value) ? otherwise : value;
            }
            case "trim" -> {
                Object characters = a.optional(0, "chars", None.NONE);
                a.end();
                yield printer.text(value)
                        .strip(
                                characters == None.NONE
                                        ? null
                                        : Values.text(characters).value(),
                                true,
                                true);
            }
            case "upper" -> TextMethods.upper(printed(value, a));
            case "lower" -> TextMethods.lower(printed(value, a));
            case "capitalize" -> TextMethods.capitalize(printed(value, a));
            case "title" -> title(printed(value, a));
            case "string" -> printed(value, a);
            case "safe" -> value instanceof Markup ? value : new Markup(printed(value, a));
            case "escape", "e" -> value instanceof Markup ? value : new Markup(escaped(printed(value, a)));
            case "forceescape" -> new Markup(escaped(printed(value, a)));
            case "replace" -> {
                Text old = printer.text(a.required(0, "old"));
                Text replacement = printer.text(a.required(1, "new"));
                Object count = a.optional(2, "count", None.NONE);
                a.end();
                yield texts.replace(
                        printer.text(value), old, replacement, count == None.NONE ? -1 : Values.index(count));
            }
            case "indent" -> indent(value, a);
            case "join" -> {
                Object separator = a.optional(0, "d", Text.EMPTY);
                Function<Object, Object> item = item(a.optional(1, "attribute", None.NONE));
                a.end();
                yield texts.joinPrinted(printer.text(separator), mapped(value, item));
            }
            case "length", "count" -> {
                a.end();
                yield BigInteger.valueOf(Values.length(value));
            }
            case "first" -> {
                a.end();
                Iterator<Object> items = Values.iterator(value);
                yield items.hasNext() ? items.next() : new Undefined("No first item, sequence was empty.");
            }
            case "last" -> {
                a.end();
                if (value instanceof Sequence.Generator) {
                    throw Values.failure("'generator' object is not reversible");
                }
                List<Object> items = Values.list(value, budget);
                yield items.isEmpty() ? new Undefined("No last item, sequence was empty.") : items.getLast();
            }
            case "list" -> {
                a.end();
                yield Sequence.list(Values.list(value, budget));
            }
            case "reverse" -> reverse(value, a);
            case "sort" -> sort(value, a);
            case "unique" -> unique(value, a);
            case "min" -> extreme(value, a, 1);
            case "max" -> extreme(value, a, -1);
            case "sum" -> {
                Function<Object, Object> item = item(a.optional(0, "attribute", None.NONE));
                Object sum = a.optional(1, "start", BigInteger.ZERO);
                a.end();
                Operators operators = new Operators(budget);
                for (Iterator<Object> items = mapped(value, item); items.hasNext(); ) {
                    sum = operators.binary("+", sum, items.next());
                }
                yield sum;
            }
            case "map" -> map(value, a);
            case "select" -> selected(value, 0, true, a);
            case "reject" -> selected(value, 0, false, a);
            case "selectattr" -> selected(value, 1, true, a);
            case "rejectattr" -> selected(value, 1, false, a);
            case "items" -> {
                a.end();
                yield switch (value) {
                    case Undefined _ -> new Sequence.Generator(Values.iterator(value));
                    case Dict dict -> new Sequence.Generator(dict.pairs().iterator());
                    default -> throw Values.failure("Can only get item pairs from a mapping.");
                };
            }
            case "dictsort" -> dictSort(value, a);
            case "tojson" -> JsonWriter.write(value, a, budget);
            case "int", "float", "abs", "round" -> NumberFilters.apply(name, value, a);
            default ->
                throw OTHERS.contains(name)
                        ? TemplateException.unsupported("the filter '" + name + "'")
                        : Values.failure("No filter named '" + name + "'.");
        };
    }

    private Text printed(Object value, Callable.Arguments arguments) {
        arguments.end();
        Text text = printer.text(value);
        budget.write(0, text.value().length());
        return text;
    }

    /** Words begin after white space, hyphens and opening brackets; the rest of a word becomes small. */
    private static Text title(Text text) {
        StringBuilder title = new StringBuilder();
        int begin = 0;
        for (int i = 0; i <= text.value().length(); i++) {
            boolean separator = i == text.value().length()
                    || Text.isSpace(text.value().charAt(i))
                    || "-({[<".indexOf(text.value().charAt(i)) >= 0;
            if (separator) {
                title.append(titleWord(text.value().substring(begin, i)));
                title.append(text.value(), i, Math.min(i + 1, text.value().length()));
                begin = i + 1;
            }
        }
        return text.respelled(title.toString());
    }

    private static String titleWord(String word) {
        int first = word.isEmpty() ? 0 : Character.charCount(word.codePointAt(0));
        return TextMethods.upper(Text.ofValue(word.substring(0, first))).value()
                + TextMethods.lower(Text.ofValue(word.substring(first))).value();
    }

    private Text escaped(Text text) {
        Text escaped = text;
        for (String[] pair :
                new String[][] {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"'", "&#39;"}, {"\"", "&#34;"}}) {
            escaped = texts.replace(escaped, Text.ofValue(pair[0]), Text.ofValue(pair[1]), -1);
        }
        return escaped;
    }

    private Text indent(Object value, Callable.Arguments a) {
        Text text = Values.text(value);
        Object width = a.optional(0, "width", BigInteger.valueOf(4));
        boolean first = Values.isTrue(a.optional(1, "first", false));
        boolean blank = Values.isTrue(a.optional(2, "blank", false));
        a.end();
        Text indention = width instanceof Text given
                ? given
                : (Text) new Operators(budget).binary("*", Text.ofTemplate(" "), width);
        Text.Builder builder = new Text.Builder(budget);
        Text newline = Text.ofTemplate("\n");
        List<Text> lines = TextMethods.lines(
                new Text.Builder(budget).append(text).append(newline).text(), false);
        for (int i = 0; i < lines.size(); i++) {
            budget.step();
            boolean indented = i == 0 ? first : blank || !lines.get(i).isEmpty();
            builder.append(i == 0 ? Text.EMPTY : newline)
                    .append(indented ? indention : Text.EMPTY)
                    .append(lines.get(i));
        }
        return builder.text();
    }

    /** What an {@code attribute} argument picks of an item: names and numbers with dots between them. */
    private Function<Object, Object> item(Object attribute) {
        List<Object> path = new ArrayList<>();
        switch (attribute) {
            case None _ -> {}
            case Text text -> {
                for (String part : text.value().split("\\.", -1)) {
                    boolean number = !part.isEmpty() && part.chars().allMatch(Character::isDigit);
                    path.add(number ? new BigInteger(part) : Text.ofTemplate(part));
                }
            }
            default -> path.add(attribute);
        }
        return item -> {
            Object result = item;
            for (Object part : path) {
                result = members.item(result, part);
            }
            return result;
        };
    }

    private static Iterator<Object> mapped(Object value, Function<Object, Object> function) {
        Iterator<Object> items = Values.iterator(value);
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return items.hasNext();
            }

            @Override
            public Object next() {
                return function.apply(items.next());
            }
        };
    }

    private Object map(Object value, Callable.Arguments a) {
        if (a.positional().isEmpty() && a.named().containsKey("attribute")) {
            Function<Object, Object> item = item(a.named().remove("attribute"));
            Object otherwise = a.named().remove("default");
            a.end();
            return new Sequence.Generator(mapped(value, one -> {
                Object picked = item.apply(one);
                return picked instanceof Undefined && otherwise != null && otherwise != None.NONE ? otherwise : picked;
            }));
        }
        String name = Values.text(a.required(0, "name")).value();
        return new Sequence.Generator(mapped(value, one -> apply(name, one, rest(name, a, 1))));
    }

    private static Callable.Arguments rest(String function, Callable.Arguments a, int from) {
        return new Callable.Arguments(
                function, a.positional().subList(from, a.positional().size()), a.named());
    }

    private Object selected(Object value, int attributes, boolean wanted, Callable.Arguments a) {
        Function<Object, Object> item = attributes == 0 ? one -> one : item(a.required(0, "attribute"));
        Predicate<Object> test;
        if (a.positional().size() > attributes) {
            String name = Values.text(a.positional().get(attributes)).value();
            test = one -> tests.holds(name, item.apply(one), rest(name, a, attributes + 1));
        } else {
            a.end();
            test = one -> Values.isTrue(item.apply(one));
        }
        return new Sequence.Generator(new Selection(Values.iterator(value), test, wanted, budget));
    }

    private Object reverse(Object value, Callable.Arguments a) {
        a.end();
        if (value instanceof Text text) {
            return members.slice(text, null, null, BigInteger.ONE.negate());
        }
        List<Object> items = Values.list(value, budget).reversed();
        return value instanceof Sequence.Generator ? Sequence.list(items) : new Sequence.Generator(items.iterator());
    }

    /** The key that sorting compares: without case, unless it is asked for. */
    private static Object key(Object value, boolean caseSensitive) {
        return !caseSensitive && value instanceof Text text ? TextMethods.lower(text) : value;
    }

    private Object sort(Object value, Callable.Arguments a) {
        boolean reverse = Values.isTrue(a.optional(0, "reverse", false));
        boolean caseSensitive = Values.isTrue(a.optional(1, "case_sensitive", false));
        Object attribute = a.optional(2, "attribute", None.NONE);
        a.end();
        List<Function<Object, Object>> keys = new ArrayList<>();
        if (attribute instanceof Text text) {
            for (String one : text.value().split(",", -1)) {
                keys.add(item(Text.ofTemplate(one)));
            }
        } else {
            keys.add(item(attribute));
        }
        List<Object> items = Values.list(value, budget);
        sort(
                items,
                reverse,
                one -> Sequence.list(keys.stream()
                        .map(key -> key(key.apply(one), caseSensitive))
                        .toList()));
        return Sequence.list(items);
    }

    private void sort(List<Object> items, boolean reverse, Function<Object, Object> key) {
        Comparator<Object> order = (left, right) -> {
            budget.step(8);
            return Values.compare("<", key.apply(left), key.apply(right));
        };
        items.sort(reverse ? order.reversed() : order);
    }

    private Object unique(Object value, Callable.Arguments a) {
        boolean caseSensitive = Values.isTrue(a.optional(0, "case_sensitive", false));
        Function<Object, Object> item = item(a.optional(1, "attribute", None.NONE));
        a.end();
        Set<Object> seen = new HashSet<>();
        return new Sequence.Generator(new Selection(
                Values.iterator(value),
                one -> seen.add(Values.hashKey(key(item.apply(one), caseSensitive))),
                true,
                budget));
    }

    private Object extreme(Object value, Callable.Arguments a, int sign) {
        boolean caseSensitive = Values.isTrue(a.optional(0, "case_sensitive", false));
        Function<Object, Object> item = item(a.optional(1, "attribute", None.NONE));
        a.end();
        Object best = null;
        for (Iterator<Object> items = Values.iterator(value); items.hasNext(); ) {
            Object one = items.next();
            budget.step();
            boolean better = best == null
                    || sign
                                    * Values.compare(
                                            "<",
                                            key(item.apply(one), caseSensitive),
                                            key(item.apply(best), caseSensitive))
                            < 0;
            best = better ? one : best;
        }
        return best == null ? new Undefined("No aggregated item, sequence was empty.") : best;
    }

    private Object dictSort(Object value, Callable.Arguments a) {
        boolean caseSensitive = Values.isTrue(a.optional(0, "case_sensitive", false));
        String by = Values.text(a.optional(1, "by", Text.ofTemplate("key"))).value();
        boolean reverse = Values.isTrue(a.optional(2, "reverse", false));
        a.end();
        if (!(value instanceof Dict dict)) {
            throw Values.wrongType(value, "has no items");
        }
        if (!by.equals("key") && !by.equals("value")) {
            throw Values.failure("You can only sort by either \"key\" or \"value\"");
        }
        List<Object> pairs = new ArrayList<>(dict.pairs());
        int part = by.equals("key") ? 0 : 1;
        sort(pairs, reverse, pair -> key(((Sequence.Items) pair).items().get(part), caseSensitive));
        return Sequence.list(pairs);
    }
}
