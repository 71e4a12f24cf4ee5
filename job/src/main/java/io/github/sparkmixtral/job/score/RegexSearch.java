package io.github.sparkmixtral.job.score;

import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression of a row's own, looked for in an answer. It comes with the data, so that it must not be able to keep a task
 * busy for ever: Java's search goes back and tries again, and is given a number of steps.
 */
final class RegexSearch {
    private static final int MOST_STEPS = 20_000_000;

    private final Pattern pattern;

    /** @throws IllegalArgumentException if it is none, saying why */
    RegexSearch(String regex) {
        try {
            pattern = Pattern.compile(regex);
        } catch (PatternSyntaxException e) {
            throw new IllegalArgumentException(
                    "no regular expression: " + e.getDescription() + " near index " + Math.max(0, e.getIndex()), e);
        } catch (StackOverflowError e) {
            throw new IllegalArgumentException("a regular expression that nests too deeply", e);
        }
    }

    /** @throws IllegalArgumentException if the search takes too many steps */
    boolean isIn(String text) {
        try {
            return pattern.matcher(new Counted(text)).find();
        } catch (StackOverflowError e) {
            throw new IllegalArgumentException("a regular expression that nests too deeply in an answer", e);
        }
    }

    /** A text that can be looked at so many times. */
    private static final class Counted implements CharSequence {
        private final String text;
        private int left = MOST_STEPS;

        Counted(String text) {
            this.text = text;
        }

        @Override
        public char charAt(int index) {
            if (left-- == 0) {
                throw new IllegalArgumentException("a regular expression that takes too long in an answer");
            }
            return text.charAt(index);
        }

        @Override
        public int length() {
            return text.length();
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return text.subSequence(start, end);
        }

        @Override
        public String toString() {
            return text;
        }
    }
}
