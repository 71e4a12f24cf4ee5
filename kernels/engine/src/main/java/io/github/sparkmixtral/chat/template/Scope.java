package io.github.sparkmixtral.chat.template;

import java.util.HashMap;
import java.util.Map;

/** Variables of a block, within those of the blocks around it. */
final class Scope {
    private final Scope outer;
    private final Map<String, Object> variables = new HashMap<>();

    Scope(Scope outer) {
        this.outer = outer;
    }

    /** The value, or null. */
    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.outer) {
            Object value = scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return null;
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }
}
