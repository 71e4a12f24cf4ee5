package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.function.IntPredicate;

/** Python's methods of {@code str}. */
final class TextMethods {
    private static final Set<String> OTHERS = Set.of(
            "casefold",
            "center",
            "encode",
            "expandtabs",
            "format",
            "format_map",
            "isidentifier",
            "isprintable",
            "istitle",
            "ljust",
            "maketrans",
            "rjust",
            "swapcase",
            "translate",
            "isascii",
            "isnumeric");

    private final Budget budget;
    private final Printer printer;

    TextMethods(Budget budget, Printer printer) {
        this.budget = budget;
        this.printer = printer;
    }

    /** The method, bound to the text, or null where Python has none of that name. */
    Callable method(Text text, String name) {
        return switch (name) {
            case "strip" -> a -> strip(text, a, true, true);
            case "lstrip" -> a -> strip(text, a, true, false);
            case "rstrip" -> a -> strip(text, a, false, true);
            case "upper" -> a -> respelled(a, upper(text));
            case "lower" -> a -> respelled(a, lower(text));
            case "capitalize" -> a -> respelled(a, capitalize(text));
            case "title" -> a -> respelled(a, title(text));
            case "startswith" -> a -> isAtEdge(text, a, true);
            case "endswith" -> a -> isAtEdge(text, a, false);
            case "removeprefix" ->
                a -> {
                    String prefix = only(a, "prefix").value();
                    return text.value().startsWith(prefix)
                            ? text.substring(prefix.length(), text.value().length())
                            : text;
                };
            case "removesuffix" ->
                a -> {
                    String suffix = only(a, "suffix").value();
                    return text.value().endsWith(suffix)
                            ? text.substring(0, text.value().length() - suffix.length())
                            : text;
                };
            case "replace" ->
                a -> {
                    Text old = Values.text(a.required(0, "old"));
                    Text replacement = Values.text(a.required(1, "new"));
                    int count = Values.index(a.optional(2, "count", BigInteger.ONE.negate()));
                    a.end();
                    return replace(text, old, replacement, count);
                };
            case "split" -> a -> split(text, a, false);
            case "rsplit" -> a -> split(text, a, true);
            case "splitlines" ->
                a -> {
                    Object keep = a.optional(0, "keepends", false);
                    a.end();
                    return Sequence.list(new ArrayList<>(lines(text, Values.isTrue(keep))));
                };
            case "partition" -> a -> partition(text, only(a, "sep"), false);
            case "rpartition" -> a -> partition(text, only(a, "sep"), true);
            case "join" ->
                a -> {
                    Object items = a.required(0, "iterable");
                    a.end();
                    return join(text, Values.iterator(items));
                };
            case "find" -> a -> find(text, only(a, "sub"), false, false);
            case "rfind" -> a -> find(text, only(a, "sub"), true, false);
            case "index" -> a -> find(text, only(a, "sub"), false, true);
            case "rindex" -> a -> find(text, only(a, "sub"), true, true);
            case "count" -> a -> count(text, only(a, "sub"));
            case "isdigit", "isdecimal" -> a -> all(a, text, Character::isDigit);
            case "isalpha" -> a -> all(a, text, Character::isLetter);
            case "isalnum" -> a -> all(a, text, Character::isLetterOrDigit);
            case "isspace" -> a -> all(a, text, Text::isSpace);
            case "islower" -> a -> isCased(a, text, Character::isLowerCase);
            case "isupper" -> a -> isCased(a, text, Character::isUpperCase);
            case "zfill" ->
                a -> {
                    int width = Values.index(a.required(0, "width"));
                    a.end();
                    return zeroFilled(text, width);
                };
            default -> {
                if (OTHERS.contains(name)) {
                    throw TemplateException.unsupported("the method '" + name + "' of a string");
                }
                yield null;
            }
        };
    }

    private static Text only(Callable.Arguments arguments, String name) {
        Text text = Values.text(arguments.required(0, name));
        arguments.end();
        return text;
    }

    private static Text strip(Text text, Callable.Arguments arguments, boolean left, boolean right) {
        Object characters = arguments.optional(0, "chars", None.NONE);
        arguments.end();
        return text.strip(
                characters == None.NONE ? null : Values.text(characters).value(), left, right);
    }

    private Text respelled(Callable.Arguments arguments, Text text) {
        arguments.end();
        budget.write(0, text.value().length());
        return text;
    }

    static Text upper(Text text) {
        return text.respelled(text.value().toUpperCase(java.util.Locale.ROOT));
    }

    static Text lower(Text text) {
        return text.respelled(text.value().toLowerCase(java.util.Locale.ROOT));
    }

    static Text capitalize(Text text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = Character.charCount(text.value().codePointAt(0));
        return text.respelled(titleCase(text.value().substring(0, first))
                + text.value().substring(first).toLowerCase(java.util.Locale.ROOT));
    }

    private static String titleCase(String character) {
        String upper = character.toUpperCase(java.util.Locale.ROOT);
        if (upper.codePointCount(0, upper.length()) > 1) {
            int first = Character.charCount(upper.codePointAt(0));
            return upper.substring(0, first) + upper.substring(first).toLowerCase(java.util.Locale.ROOT);
        }
        return Character.toString(Character.toTitleCase(character.codePointAt(0)));
    }

    private static Text title(Text text) {
        StringBuilder title = new StringBuilder();
        boolean inWord = false;
        for (int i = 0; i < text.value().length(); ) {
            int c = text.value().codePointAt(i);
            String character = Character.toString(c);
            boolean cased = Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
            title.append(inWord ? character.toLowerCase(java.util.Locale.ROOT) : titleCase(character));
            inWord = cased;
            i += character.length();
        }
        return text.respelled(title.toString());
    }

    private static boolean isAtEdge(Text text, Callable.Arguments arguments, boolean start) {
        Object wanted = arguments.required(0, start ? "prefix" : "suffix");
        arguments.end();
        List<Object> candidates = wanted instanceof Sequence.Items items && items.kind() == Sequence.Kind.TUPLE
                ? items.items()
                : List.of(wanted);
        return candidates.stream().anyMatch(candidate -> {
            String edge = Values.text(candidate).value();
            return start ? text.value().startsWith(edge) : text.value().endsWith(edge);
        });
    }

    /** @param count most replacements; negative for all */
    Text replace(Text text, Text old, Text replacement, int count) {
        budget.search(text.value().length(), old.value().length());
        Text.Builder builder = new Text.Builder(budget);
        String value = text.value();
        int from = 0;
        for (int done = 0; count < 0 || done < count; done++) {
            budget.step();
            int at = old.isEmpty() ? done == 0 ? 0 : next(value, from) : value.indexOf(old.value(), from);
            if (at < 0) {
                break;
            }
            builder.append(text.substring(from, at)).append(replacement);
            from = at + old.value().length();
        }
        return builder.append(text.substring(from, value.length())).text();
    }

    private static int next(String value, int from) {
        return from >= value.length() ? -1 : from + Character.charCount(value.codePointAt(from));
    }

    private Object split(Text text, Callable.Arguments arguments, boolean fromRight) {
        Object separator = arguments.optional(0, "sep", None.NONE);
        int most = Values.index(arguments.optional(1, "maxsplit", BigInteger.ONE.negate()));
        arguments.end();
        most = most < 0 ? Integer.MAX_VALUE : most;
        List<Object> parts;
        if (separator == None.NONE) {
            parts = fromRight ? wordsFromRight(text, most) : words(text, most);
        } else {
            String wanted = Values.text(separator).value();
            if (wanted.isEmpty()) {
                throw Values.failure("empty separator");
            }
            budget.search(text.value().length(), wanted.length());
            parts = fromRight ? splitFromRight(text, wanted, most) : split(text, wanted, most);
        }
        budget.items(parts.size());
        return Sequence.list(parts);
    }

    private static List<Object> split(Text text, String separator, int most) {
        List<Object> parts = new ArrayList<>();
        int from = 0;
        for (int at = text.value().indexOf(separator);
                at >= 0 && parts.size() < most;
                at = text.value().indexOf(separator, from)) {
            parts.add(text.substring(from, at));
            from = at + separator.length();
        }
        parts.add(text.substring(from, text.value().length()));
        return parts;
    }

    private static List<Object> splitFromRight(Text text, String separator, int most) {
        List<Object> parts = new ArrayList<>();
        int to = text.value().length();
        while (parts.size() < most) {
            int at = to < separator.length() ? -1 : text.value().lastIndexOf(separator, to - separator.length());
            if (at < 0) {
                break;
            }
            parts.add(text.substring(at + separator.length(), to));
            to = at;
        }
        parts.add(text.substring(0, to));
        return parts.reversed().stream().toList();
    }

    private static List<Object> words(Text text, int most) {
        List<Object> words = new ArrayList<>();
        Text trimmed = text.strip(null, true, false);
        String value = trimmed.value();
        for (int from = 0; from < value.length(); ) {
            int end = from;
            while (end < value.length() && (words.size() >= most || !Text.isSpace(value.charAt(end)))) {
                end++;
            }
            words.add(trimmed.substring(from, end));
            from = end;
            while (from < value.length() && Text.isSpace(value.charAt(from))) {
                from++;
            }
        }
        return words;
    }

    private static List<Object> wordsFromRight(Text text, int most) {
        List<Object> words = new ArrayList<>();
        Text trimmed = text.strip(null, false, true);
        String value = trimmed.value();
        for (int to = value.length(); to > 0; ) {
            int begin = to;
            while (begin > 0 && (words.size() >= most || !Text.isSpace(value.charAt(begin - 1)))) {
                begin--;
            }
            words.add(trimmed.substring(begin, to));
            to = begin;
            while (to > 0 && Text.isSpace(value.charAt(to - 1))) {
                to--;
            }
        }
        return words.reversed().stream().toList();
    }

    /** Python's {@code splitlines}. */
    static List<Text> lines(Text text, boolean keepEnds) {
        List<Text> lines = new ArrayList<>();
        String value = text.value();
        int from = 0;
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            boolean ends = c >= '\n' && c <= '\r' || c >= 0x1c && c <= 0x1e || c == 0x85 || c == 0x2028 || c == 0x2029;
            if (ends) {
                int after = c == '\r' && i + 1 < value.length() && value.charAt(i + 1) == '\n' ? i + 2 : i + 1;
                lines.add(text.substring(from, keepEnds ? after : i));
                from = after;
                i = after - 1;
            }
        }
        if (from < value.length()) {
            lines.add(text.substring(from, value.length()));
        }
        return lines;
    }

    private static Object partition(Text text, Text separator, boolean fromRight) {
        if (separator.isEmpty()) {
            throw Values.failure("empty separator");
        }
        int at = fromRight
                ? text.value().lastIndexOf(separator.value())
                : text.value().indexOf(separator.value());
        if (at < 0) {
            return fromRight
                    ? Sequence.tuple(Text.EMPTY, Text.EMPTY, text)
                    : Sequence.tuple(text, Text.EMPTY, Text.EMPTY);
        }
        int after = at + separator.value().length();
        return Sequence.tuple(
                text.substring(0, at),
                separator,
                text.substring(after, text.value().length()));
    }

    private Text join(Text separator, Iterator<Object> items) {
        Text.Builder builder = new Text.Builder(budget);
        for (boolean first = true; items.hasNext(); first = false) {
            budget.step();
            builder.append(first ? Text.EMPTY : separator).append(Values.text(items.next()));
        }
        return builder.text();
    }

    /** As jinja2's filter joins: items are printed first. */
    Text joinPrinted(Text separator, Iterator<Object> items) {
        Text.Builder builder = new Text.Builder(budget);
        for (boolean first = true; items.hasNext(); first = false) {
            budget.step();
            builder.append(first ? Text.EMPTY : separator).append(printer.text(items.next()));
        }
        return builder.text();
    }

    private Object find(Text text, Text wanted, boolean last, boolean required) {
        budget.search(text.value().length(), wanted.value().length());
        int at = last ? text.value().lastIndexOf(wanted.value()) : text.value().indexOf(wanted.value());
        if (at < 0 && required) {
            throw Values.failure("substring not found");
        }
        return BigInteger.valueOf(at < 0 ? -1 : text.value().codePointCount(0, at));
    }

    private Object count(Text text, Text wanted) {
        budget.search(text.value().length(), wanted.value().length());
        if (wanted.isEmpty()) {
            return BigInteger.valueOf(text.length() + 1L);
        }
        return BigInteger.valueOf(split(text, wanted.value(), Integer.MAX_VALUE).size() - 1L);
    }

    private static Object all(Callable.Arguments arguments, Text text, IntPredicate predicate) {
        arguments.end();
        return !text.isEmpty() && text.value().codePoints().allMatch(predicate);
    }

    private static Object isCased(Callable.Arguments arguments, Text text, IntPredicate wanted) {
        arguments.end();
        return isCased(text, wanted);
    }

    static boolean isCased(Text text, IntPredicate wanted) {
        IntPredicate cased = c -> Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
        return text.value().codePoints().anyMatch(wanted)
                && text.value().codePoints().filter(cased).allMatch(wanted);
    }

    private Text zeroFilled(Text text, int width) {
        int missing = width - text.length();
        if (missing <= 0) {
            return text;
        }
        budget.write(width, missing);
        boolean signed = text.value().startsWith("-") || text.value().startsWith("+");
        int sign = signed ? 1 : 0;
        return new Text.Builder(budget)
                .append(text.substring(0, sign))
                .append(Text.ofValue("0".repeat(missing)))
                .append(text.substring(sign, text.value().length()))
                .text();
    }
}
