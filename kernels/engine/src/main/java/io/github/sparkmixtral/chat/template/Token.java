package io.github.sparkmixtral.chat.template;

import java.math.BigInteger;

/**
 * A piece of a template's source.
 *
 * @param text what {@code DATA}, {@code NAME}, {@code STRING} and {@code OPERATOR} say
 * @param number a {@link BigInteger} or a {@link Double}
 */
record Token(Kind kind, String text, Object number, int line) {

    enum Kind {
        DATA,
        BLOCK_BEGIN,
        BLOCK_END,
        VARIABLE_BEGIN,
        VARIABLE_END,
        NAME,
        STRING,
        NUMBER,
        OPERATOR,
        END
    }

    boolean is(Kind wanted) {
        return kind == wanted;
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    /** For error messages. */
    String shown() {
        return switch (kind) {
            case END -> "the end of the template";
            case BLOCK_END -> "the end of a block";
            case VARIABLE_END -> "the end of an expression";
            case NUMBER -> number.toString();
            default -> "'" + (text.length() > 40 ? text.substring(0, 40) + "…" : text) + "'";
        };
    }
}
