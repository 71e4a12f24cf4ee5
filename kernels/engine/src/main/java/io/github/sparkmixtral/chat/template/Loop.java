package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** The variable {@code loop}. Looks one item ahead only where it is asked to, as jinja2's does. */
final class Loop {
    private Iterator<Object> items;
    private int length;
    private final int depth0;
    private int index0 = -1;
    private Object before;
    private Object current;
    private Object after;
    private List<Object> lastChanged;

    /** @param length -1 where it is not known before the end */
    Loop(Iterator<Object> items, int length) {
        this.items = items;
        this.length = length;
        this.depth0 = 0;
    }

    boolean hasNext() {
        return after != null || items.hasNext();
    }

    Object next() {
        Object item = after != null ? after : items.next();
        after = null;
        index0++;
        before = current;
        current = item;
        return item;
    }

    int length() {
        if (length < 0) {
            List<Object> rest = new ArrayList<>();
            items.forEachRemaining(rest::add);
            items = rest.iterator();
            length = rest.size() + index0 + 1 + (after == null ? 0 : 1);
        }
        return length;
    }

    private Object peek() {
        if (after == null && items.hasNext()) {
            after = items.next();
        }
        return after;
    }

    /** An attribute, or null. */
    Object attribute(String name) {
        return switch (name) {
            case "index" -> BigInteger.valueOf(index0 + 1L);
            case "index0" -> BigInteger.valueOf(index0);
            case "revindex" -> BigInteger.valueOf((long) length() - index0);
            case "revindex0" -> BigInteger.valueOf((long) length() - index0 - 1);
            case "first" -> index0 == 0;
            case "last" -> peek() == null;
            case "length" -> BigInteger.valueOf(length());
            case "depth" -> BigInteger.valueOf(depth0 + 1L);
            case "depth0" -> BigInteger.valueOf(depth0);
            case "previtem" -> index0 == 0 ? new Undefined("there is no previous item") : before;
            case "nextitem" -> peek() == null ? new Undefined("there is no next item") : after;
            case "cycle" -> (Callable) this::cycle;
            case "changed" -> (Callable) this::changed;
            default -> null;
        };
    }

    private Object cycle(Callable.Arguments arguments) {
        List<Object> values = arguments.positional();
        if (values.isEmpty() || !arguments.named().isEmpty()) {
            throw Values.failure("cycle() needs values");
        }
        return values.get(index0 % values.size());
    }

    private Object changed(Callable.Arguments arguments) {
        List<Object> values = arguments.positional();
        boolean same = lastChanged != null && Values.areEqual(Sequence.list(lastChanged), Sequence.list(values));
        lastChanged = same ? lastChanged : values;
        return !same;
    }
}
