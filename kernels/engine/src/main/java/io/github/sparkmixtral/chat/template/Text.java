package io.github.sparkmixtral.chat.template;

import java.util.BitSet;

/**
 * A Python string that knows where its characters come from. Immutable.
 *
 * @param value the characters
 * @param template which of them, as indices of {@code char}s, the template itself wrote; do not change
 */
public record Text(String value, BitSet template) {
    static final Text EMPTY = ofValue("");

    /** A text of the conversation, in which nothing is the template's. */
    public static Text ofValue(String value) {
        return new Text(value, new BitSet());
    }

    /** A text that the template, or the model's own files, bring. */
    public static Text ofTemplate(String value) {
        BitSet template = new BitSet();
        template.set(0, value.length());
        return new Text(value, template);
    }

    boolean isEmpty() {
        return value.isEmpty();
    }

    /** Number of code points, as Python counts. */
    int length() {
        return value.codePointCount(0, value.length());
    }

    /** The part between two indices of {@code char}s. */
    public Text substring(int from, int to) {
        return from == 0 && to == value.length() ? this : new Text(value.substring(from, to), template.get(from, to));
    }

    /** Another spelling of the same characters; where their number changed, none of them counts as the template's. */
    Text respelled(String other) {
        return other.length() == value.length() ? new Text(other, template) : ofValue(other);
    }

    /** Python's {@code strip}, {@code lstrip} and {@code rstrip}; null for white space. */
    public Text strip(String characters, boolean left, boolean right) {
        int from = 0;
        int to = value.length();
        while (left && from < to && isStripped(value.codePointAt(from), characters)) {
            from += Character.charCount(value.codePointAt(from));
        }
        while (right && to > from && isStripped(value.codePointBefore(to), characters)) {
            to -= Character.charCount(value.codePointBefore(to));
        }
        return substring(from, to);
    }

    private static boolean isStripped(int character, String characters) {
        return characters == null ? isSpace(character) : characters.indexOf(character) >= 0;
    }

    /** Python's {@code str.isspace} for one character. */
    static boolean isSpace(int c) {
        return c >= 9 && c <= 13
                || c >= 0x1c && c <= 0x20
                || c == 0x85
                || c == 0xa0
                || c == 0x1680
                || c >= 0x2000 && c <= 0x200a
                || c == 0x2028
                || c == 0x2029
                || c == 0x202f
                || c == 0x205f
                || c == 0x3000;
    }

    /** Puts texts together, up to a length. */
    static final class Builder {
        private final StringBuilder value = new StringBuilder();
        private final BitSet template = new BitSet();
        private final Budget budget;

        Builder(Budget budget) {
            this.budget = budget;
        }

        Builder append(Text text) {
            budget.write((long) value.length() + text.value.length(), text.value.length());
            int offset = value.length();
            value.append(text.value);
            for (int from = text.template.nextSetBit(0); from >= 0; ) {
                int to = text.template.nextClearBit(from);
                template.set(offset + from, offset + to);
                from = text.template.nextSetBit(to);
            }
            return this;
        }

        Text text() {
            return new Text(value.toString(), (BitSet) template.clone());
        }
    }

    @Override
    public String toString() {
        return value;
    }
}
