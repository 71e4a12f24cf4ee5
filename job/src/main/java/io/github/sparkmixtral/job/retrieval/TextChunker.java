package io.github.sparkmixtral.job.retrieval;

import java.text.BreakIterator;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.function.ToIntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a text into pieces of bounded length that overlap. A cut lies at the end of a paragraph if there is one in the second half of
 * the piece, else of a sentence, else of a word, and never inside of a character, be it made of several code points.
 *
 * @param size of a piece at most, at least 1
 * @param overlap what a piece may repeat of the one before at most, less than {@code size}
 * @param length of a text, in the unit of the two
 */
record TextChunker(int size, int overlap, ToIntFunction<String> length) {
    private static final Pattern PARAGRAPH_END = Pattern.compile("\\R[^\\S\\r\\n]*\\R\\s*");

    TextChunker {
        if (size < 1 || overlap < 0 || overlap >= size) {
            throw new IllegalArgumentException("pieces of " + size + " cannot overlap by " + overlap);
        }
    }

    /** A chunker whose unit is the code point. */
    static TextChunker ofCharacters(int size, int overlap) {
        return new TextChunker(size, overlap, text -> text.codePointCount(0, text.length()));
    }

    /** The pieces in their order, without white space at their ends; none for a text of white space. */
    List<String> chunks(String text) {
        return spans(text).stream()
                .map(span -> text.substring(span.start(), span.end()))
                .toList();
    }

    /** A stretch of a text, as of {@link String#substring(int, int)}. */
    record Span(int start, int end) {}

    /** The places of the pieces. */
    List<Span> spans(String text) {
        List<Span> spans = new ArrayList<>();
        Boundaries boundaries = new Boundaries(text);
        int end = text.length();
        int start = skipSpace(text, 0);
        int done = start;
        while (done < end) {
            int cut = cut(text, start, done, boundaries);
            if (cut <= done) {
                // What is repeated leaves no room for more.
                start = done;
                continue;
            }
            spans.add(new Span(
                    start, start + text.substring(start, cut).stripTrailing().length()));
            done = skipSpace(text, cut);
            start = next(text, start, cut, boundaries);
        }
        return spans;
    }

    /** Where the boundaries of a text are. */
    private static final class Boundaries {
        private final List<Integer> paragraphs = new ArrayList<>();
        private final BreakIterator sentences = BreakIterator.getSentenceInstance(Locale.ROOT);
        private final BreakIterator words = BreakIterator.getLineInstance(Locale.ROOT);
        private final BreakIterator characters = BreakIterator.getCharacterInstance(Locale.ROOT);

        Boundaries(String text) {
            for (Matcher end = PARAGRAPH_END.matcher(text); end.find(); ) {
                paragraphs.add(end.end());
            }
            sentences.setText(text);
            words.setText(text);
            characters.setText(text);
        }

        /** The last paragraph's end up to a place; 0 if there is none. */
        int paragraph(int most) {
            int found = Collections.binarySearch(paragraphs, most);
            int index = found >= 0 ? found : -found - 2;
            return index < 0 ? 0 : paragraphs.get(index);
        }

        static int last(BreakIterator iterator, int most) {
            return iterator.isBoundary(most) ? most : iterator.preceding(most);
        }
    }

    /** @param done what pieces before hold already */
    private int cut(String text, int start, int done, Boundaries boundaries) {
        int limit = limit(text, start, boundaries);
        while (true) {
            int cut = limit == text.length() ? limit : preferred(start, done, limit, boundaries);
            if (measured(text, start, cut) <= size) {
                return cut;
            }
            // A longer text may have fewer tokens than a shorter one.
            int shorter = Boundaries.last(boundaries.characters, cut - 1);
            if (shorter <= start) {
                return cut;
            }
            limit = shorter;
        }
    }

    private static int preferred(int start, int done, int limit, Boundaries boundaries) {
        int half = Math.max(done, start + (limit - start) / 2);
        int paragraph = boundaries.paragraph(limit);
        if (paragraph > half) {
            return paragraph;
        }
        int sentence = Boundaries.last(boundaries.sentences, limit);
        if (sentence > half) {
            return sentence;
        }
        int word = Boundaries.last(boundaries.words, limit);
        return word > done ? word : limit;
    }

    /** The end of the longest piece that fits; one character, if not even that fits. */
    private int limit(String text, int start, Boundaries boundaries) {
        int fits = start;
        int beyond = (int) Math.min(text.length(), start + 4L * size);
        while (measured(text, start, beyond) <= size) {
            if (beyond == text.length()) {
                return beyond;
            }
            fits = beyond;
            beyond = (int) Math.min(text.length(), start + 2L * (beyond - start));
        }
        while (beyond - fits > 1) {
            int middle = (fits + beyond) >>> 1;
            if (measured(text, start, middle) <= size) {
                fits = middle;
            } else {
                beyond = middle;
            }
        }
        int character = Boundaries.last(boundaries.characters, fits);
        return character > start ? character : boundaries.characters.following(start);
    }

    private int measured(String text, int start, int end) {
        return length.applyAsInt(text.substring(start, end).strip());
    }

    /** Where the next piece begins: at a word, as far before the cut as the overlap allows. */
    private int next(String text, int start, int cut, Boundaries boundaries) {
        int next = cut;
        int candidate = boundaries.words.preceding(cut);
        while (overlap > 0 && candidate > start && measured(text, candidate, cut) <= overlap) {
            next = candidate;
            candidate = boundaries.words.preceding(candidate);
        }
        return skipSpace(text, next);
    }

    private static int skipSpace(String text, int place) {
        int next = place;
        while (next < text.length() && Character.isWhitespace(text.charAt(next))) {
            next++;
        }
        return next;
    }
}
