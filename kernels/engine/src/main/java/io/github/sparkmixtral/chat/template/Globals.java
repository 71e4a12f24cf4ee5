package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Functions that every template may call. */
final class Globals {
    /** The sandbox's bound. */
    private static final int LONGEST_RANGE = 100_000;

    private static final Map<Character, String> DATE_FIELDS = Map.ofEntries(
            Map.entry('Y', "uuuu"),
            Map.entry('y', "uu"),
            Map.entry('m', "MM"),
            Map.entry('d', "dd"),
            Map.entry('H', "HH"),
            Map.entry('I', "hh"),
            Map.entry('M', "mm"),
            Map.entry('S', "ss"),
            Map.entry('j', "DDD"),
            Map.entry('b', "MMM"),
            Map.entry('B', "MMMM"),
            Map.entry('a', "EEE"),
            Map.entry('A', "EEEE"),
            Map.entry('p', "a"));

    private final Clock clock;

    Globals(Clock clock) {
        this.clock = clock;
    }

    void putInto(Scope scope) {
        scope.set("range", (Callable) Globals::range);
        scope.set("dict", (Callable) arguments -> named(arguments));
        scope.set("namespace", (Callable) arguments -> new Namespace(named(arguments)));
        scope.set("raise_exception", (Callable) arguments -> {
            Object message = arguments.required(0, "message");
            arguments.end();
            throw new TemplateException("the chat template refuses the conversation: "
                    + (message instanceof Text text ? text.value() : Values.typeName(message)));
        });
        scope.set("strftime_now", (Callable) arguments -> {
            String format = Values.text(arguments.required(0, "format")).value();
            arguments.end();
            return Text.ofValue(now(format));
        });
        for (String name : List.of("cycler", "joiner", "lipsum")) {
            scope.set(name, (Callable) _ -> {
                throw TemplateException.unsupported("the function '" + name + "'");
            });
        }
    }

    private static Dict named(Callable.Arguments arguments) {
        Dict dict = new Dict();
        for (Object given : arguments.positional()) {
            if (!(given instanceof Dict other)) {
                throw TemplateException.unsupported("a dict or namespace made of another value than a dict");
            }
            other.entries().forEach(entry -> dict.put(entry.getKey(), entry.getValue()));
        }
        arguments.named().forEach((name, value) -> dict.put(Text.ofTemplate(name), value));
        return dict;
    }

    private static Object range(Callable.Arguments arguments) {
        List<Object> bounds = arguments.positional();
        if (bounds.isEmpty() || bounds.size() > 3 || !arguments.named().isEmpty()) {
            throw Values.failure("range() takes 1 to 3 numbers");
        }
        long start = bounds.size() == 1 ? 0 : Values.index(bounds.getFirst());
        long stop = Values.index(bounds.get(bounds.size() == 1 ? 0 : 1));
        long step = bounds.size() < 3 ? 1 : Values.index(bounds.get(2));
        if (step == 0) {
            throw Values.failure("range() arg 3 must not be zero");
        }
        long size = Math.max(0, (stop - start + step - Long.signum(step)) / step);
        if (size > LONGEST_RANGE) {
            throw Values.failure("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
        }
        List<Object> items = new ArrayList<>();
        for (long i = 0; i < size; i++) {
            items.add(BigInteger.valueOf(start + i * step));
        }
        return new Sequence.Items(Sequence.Kind.RANGE, items);
    }

    private String now(String format) {
        LocalDateTime now = LocalDateTime.now(clock);
        StringBuilder date = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%') {
                date.append(c);
                continue;
            }
            boolean plain = i + 2 < format.length() && format.charAt(i + 1) == '-';
            i += plain ? 2 : 1;
            char field = i < format.length() ? format.charAt(i) : ' ';
            if (field == '%') {
                date.append('%');
                continue;
            }
            String pattern = DATE_FIELDS.get(field);
            if (pattern == null) {
                throw TemplateException.unsupported("the format '" + format + "' of a date");
            }
            DateTimeFormatter formatter =
                    new DateTimeFormatterBuilder().appendPattern(pattern).toFormatter(Locale.US);
            String text = now.format(formatter);
            date.append(plain ? text.replaceFirst("^0+(?=.)", "") : text);
        }
        return date.toString();
    }
}
