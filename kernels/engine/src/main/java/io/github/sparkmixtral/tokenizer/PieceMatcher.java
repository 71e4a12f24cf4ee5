package io.github.sparkmixtral.tokenizer;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Finds pieces in a text: at each place the longest one. */
final class PieceMatcher {

    /**
     * A piece that is looked for.
     *
     * @param control found only where the text may have control tokens
     * @param stripsLeft takes the white space before it, too
     * @param stripsRight takes the white space behind it, too
     * @param wholeWord only where no letter or digit is next to it
     */
    record Piece(String text, int id, boolean control, boolean stripsLeft, boolean stripsRight, boolean wholeWord) {

        Piece(String text, int id) {
            this(text, id, false, false, false, false);
        }

        static Piece ofControl(String text, int id) {
            return new Piece(text, id, true, false, false, false);
        }

        private boolean isAt(String whole, int index) {
            return whole.startsWith(text, index)
                    && (!wholeWord || !isWord(whole, index - 1) && !isWord(whole, index + text.length()));
        }

        private static boolean isWord(String whole, int index) {
            return index >= 0
                    && index < whole.length()
                    && (Character.isLetterOrDigit(whole.charAt(index)) || whole.charAt(index) == '_');
        }
    }

    private final Map<Character, List<Piece>> piecesByFirstChar = new HashMap<>();

    PieceMatcher(List<Piece> pieces) {
        for (Piece piece : pieces) {
            piecesByFirstChar
                    .computeIfAbsent(piece.text().charAt(0), c -> new ArrayList<>())
                    .add(piece);
        }
        for (List<Piece> sameFirstChar : piecesByFirstChar.values()) {
            sameFirstChar.sort(
                    Comparator.comparingInt((Piece p) -> p.text().length()).reversed());
        }
    }

    /** The same without control tokens. */
    PieceMatcher withoutControls() {
        return new PieceMatcher(piecesByFirstChar.values().stream()
                .flatMap(List::stream)
                .filter(piece -> !piece.control())
                .toList());
    }

    boolean isEmpty() {
        return piecesByFirstChar.isEmpty();
    }

    /**
     * The longest piece that begins at {@code index}, or null.
     *
     * @param controls the characters of which control tokens may be made
     */
    Piece at(String text, int index, BitSet controls) {
        List<Piece> candidates = piecesByFirstChar.get(text.charAt(index));
        if (candidates != null) {
            for (Piece piece : candidates) {
                boolean allowed = !piece.control()
                        || controls.nextClearBit(index) >= index + piece.text().length();
                if (allowed && piece.isAt(text, index)) {
                    return piece;
                }
            }
        }
        return null;
    }
}
