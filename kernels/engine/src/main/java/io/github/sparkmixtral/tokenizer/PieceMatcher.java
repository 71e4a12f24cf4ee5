package io.github.sparkmixtral.tokenizer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Finds user-defined pieces in a text: at each place the longest one. */
final class PieceMatcher {

    /** A piece that is looked for. */
    record Piece(String text, int id) {}

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

    boolean isEmpty() {
        return piecesByFirstChar.isEmpty();
    }

    /** The longest piece that begins at {@code index}, or null. */
    Piece at(String text, int index) {
        List<Piece> candidates = piecesByFirstChar.get(text.charAt(index));
        if (candidates != null) {
            for (Piece piece : candidates) {
                if (text.startsWith(piece.text(), index)) {
                    return piece;
                }
            }
        }
        return null;
    }
}
