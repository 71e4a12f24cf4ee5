package io.github.sparkmixtral.chat.template;

import java.util.Iterator;
import java.util.List;

/** What Python iterates over, beside texts and dicts. Immutable, as all values are in transformers' sandbox. */
sealed interface Sequence {

    /** A {@code list}, {@code tuple} or {@code range}, or a view of a dict, which has no indices. */
    record Items(Kind kind, List<Object> items) implements Sequence {}

    enum Kind {
        LIST("list"),
        TUPLE("tuple"),
        RANGE("range"),
        KEYS("dict_keys"),
        VALUES("dict_values"),
        PAIRS("dict_items");

        private final String typeName;

        Kind(String typeName) {
            this.typeName = typeName;
        }

        String typeName() {
            return typeName;
        }

        boolean hasIndices() {
            return this == LIST || this == TUPLE || this == RANGE;
        }
    }

    /** What can be iterated over once, item by item. */
    record Generator(Iterator<Object> items) implements Sequence {}

    static Items list(List<Object> items) {
        return new Items(Kind.LIST, items);
    }

    static Items tuple(Object... items) {
        return new Items(Kind.TUPLE, List.of(items));
    }
}
