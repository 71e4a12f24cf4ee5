package io.github.sparkmixtral.grammar;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Sets of characters as runs of bytes. */
final class Utf8 {
    private static final int[] LAST_OF_LENGTH = {0x7F, 0x7FF, 0xFFFF, Character.MAX_CODE_POINT};

    private Utf8() {}

    /** Takes runs of bytes, of which each lies between a least and a most one. */
    interface Runs {
        void run(byte[] least, byte[] most);
    }

    /** Gives runs that together are just the characters of the set. */
    static void runs(CodePoints set, Runs runs) {
        for (int i = 0; i < set.ranges().length; i += 2) {
            split(set.ranges()[i], set.ranges()[i + 1], runs);
        }
    }

    /** Cuts a range until every byte of its characters may be chosen without regard to the others. */
    private static void split(int first, int last, Runs runs) {
        for (int end : LAST_OF_LENGTH) {
            if (first <= end && end < last) {
                split(first, end, runs);
                split(end + 1, last, runs);
                return;
            }
        }
        for (int shift = 6; shift < 21; shift += 6) {
            int low = (1 << shift) - 1;
            if ((first & ~low) != (last & ~low)) {
                if ((first & low) != 0) {
                    split(first, first | low, runs);
                    split((first | low) + 1, last, runs);
                    return;
                }
                if ((last & low) != low) {
                    split(first, (last & ~low) - 1, runs);
                    split(last & ~low, last, runs);
                    return;
                }
            }
        }
        runs.run(bytes(first), bytes(last));
    }

    private static byte[] bytes(int codePoint) {
        return Character.toString(codePoint).getBytes(StandardCharsets.UTF_8);
    }

    /** Whether a text is whole: no surrogate without its partner. */
    static boolean isWhole(String text) {
        return Arrays.equals(
                text.codePoints().toArray(),
                new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8)
                        .codePoints()
                        .toArray());
    }
}
