package io.github.sparkmixtral.chat.template;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A function, a method of a value, or a macro. */
interface Callable {
    Object call(Arguments arguments);

    /** Values that a call brings. Each one is taken by its position or by its name; what is left over is an error. */
    final class Arguments {
        private final String function;
        private final List<Object> positional;
        private final Map<String, Object> named;
        private int most;

        Arguments(String function, List<Object> positional, Map<String, Object> named) {
            this.function = function;
            this.positional = positional;
            this.named = new LinkedHashMap<>(named);
        }

        List<Object> positional() {
            return positional;
        }

        Map<String, Object> named() {
            return named;
        }

        /** The value, or null; the call may bring it by position or by name. */
        Object optional(int index, String name) {
            most = Math.max(most, index + 1);
            if (index < positional.size()) {
                return positional.get(index);
            }
            return named.remove(name);
        }

        Object optional(int index, String name, Object otherwise) {
            Object value = optional(index, name);
            return value == null ? otherwise : value;
        }

        Object required(int index, String name) {
            Object value = optional(index, name);
            if (value == null) {
                throw Values.failure(function + "() misses the argument '" + name + "'");
            }
            return value;
        }

        /** To be called when all that are known have been taken. */
        Arguments end() {
            if (positional.size() > most) {
                throw Values.failure(function + "() takes at most " + most + " arguments, not " + positional.size());
            }
            if (!named.isEmpty()) {
                throw Values.failure(function + "() takes no argument '"
                        + named.keySet().iterator().next() + "' here");
            }
            return this;
        }
    }
}
