package io.github.sparkmixtral.tokenizer;

/**
 * One character of UTF-8, byte by byte. Strict as RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
 * A faulty byte is noticed as soon as it comes.
 */
final class Utf8Character {

    enum State {
        INCOMPLETE,
        COMPLETE,
        INVALID
    }

    private int codePoint;
    private int missing;
    private int lowest;
    private int highest;

    /** Takes the next byte, 0 to 255. After an invalid one, {@link #clear} before the next character. */
    State append(int value) {
        if (missing == 0) {
            return begin(value);
        }
        if (value < lowest || value > highest) {
            return State.INVALID;
        }
        codePoint = codePoint << 6 | value & 0x3F;
        lowest = 0x80;
        highest = 0xBF;
        return --missing == 0 ? State.COMPLETE : State.INCOMPLETE;
    }

    private State begin(int value) {
        if (value < 0x80) {
            codePoint = value;
            return State.COMPLETE;
        }
        if (value < 0xC2 || value > 0xF4) {
            return State.INVALID;
        }
        missing = value < 0xE0 ? 1 : value < 0xF0 ? 2 : 3;
        codePoint = value & 0x3F >> missing;
        // The second byte is what rules out overlong forms, surrogates and what lies above the last plane.
        lowest = value == 0xE0 ? 0xA0 : value == 0xF0 ? 0x90 : 0x80;
        highest = value == 0xED ? 0x9F : value == 0xF4 ? 0x8F : 0xBF;
        return State.INCOMPLETE;
    }

    /** The character, once it is complete. */
    int codePoint() {
        return codePoint;
    }

    /** Whether bytes are missing. */
    boolean isOpen() {
        return missing > 0;
    }

    void clear() {
        missing = 0;
    }
}
