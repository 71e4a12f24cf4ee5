package io.github.sparkmixtral.tokenizer;

import io.github.sparkmixtral.file.ModelException;
import java.util.HashMap;
import java.util.Map;

/**
 * What a SentencePiece BPE model consists of, as GGUF metadata states it ({@code tokenizer.ggml.tokens}, {@code .scores},
 * {@code .token_type}, {@code .unknown_token_id}, {@code .bos_token_id}, {@code .eos_token_id}, {@code .add_space_prefix}).
 * The arrays are parallel, indexed by token id, and are not copied: do not change them afterwards. The constructor refuses,
 * with a {@link ModelException} that names the source and the field, arrays of different length, ids out of range, unknown
 * types, empty or duplicate pieces, scores that are no number, and an incomplete set of byte pieces.
 *
 * @param source the file, for error messages
 * @param pieces text of each token, with U+2581 for a space
 * @param scores merge priority of each token, the highest first
 * @param types kind of each token: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
 * @param unknownTokenId token of a character that is not in the vocabulary
 * @param bosTokenId beginning-of-sequence token
 * @param eosTokenId end-of-sequence token
 * @param addSpacePrefix whether a text is encoded as if a space stood before it
 */
public record Vocabulary(
        String source,
        String[] pieces,
        float[] scores,
        int[] types,
        int unknownTokenId,
        int bosTokenId,
        int eosTokenId,
        boolean addSpacePrefix) {

    static final int NORMAL = 1;
    static final int UNKNOWN = 2;
    static final int CONTROL = 3;
    static final int USER_DEFINED = 4;
    static final int UNUSED = 5;
    static final int BYTE = 6;

    /** Longest piece that may be merged, in characters: the table of merges takes a row per place where a piece can be cut. */
    static final int MAX_PIECE_LENGTH = 1024;

    /** Bytes that have a piece of their own. */
    static final int BYTES = 256;

    public Vocabulary {
        if (pieces.length == 0) {
            throw new ModelException(source + ": the vocabulary has no pieces");
        }
        if (scores.length != pieces.length || types.length != pieces.length) {
            throw new ModelException(source + ": the vocabulary has " + pieces.length + " pieces, but " + scores.length
                    + " scores and " + types.length + " types");
        }
        requireSpecial(source, "unknown", unknownTokenId, types);
        requireSpecial(source, "beginning-of-sequence", bosTokenId, types);
        requireSpecial(source, "end-of-sequence", eosTokenId, types);
        Map<String, Integer> ids = HashMap.newHashMap(pieces.length);
        int bytes = 0;
        for (int id = 0; id < pieces.length; id++) {
            checkPiece(source, id, pieces[id], scores[id], types[id]);
            Integer first = ids.putIfAbsent(pieces[id], id);
            if (first != null) {
                throw new ModelException(
                        source + ": pieces " + first + " and " + id + " are both " + quote(pieces[id]));
            }
            bytes += types[id] == BYTE ? 1 : 0;
        }
        if (bytes != 0 && bytes != BYTES) {
            throw new ModelException(source + ": " + bytes + " byte pieces, where byte fallback needs all 256 from "
                    + "<0x00> to <0xFF>");
        }
    }

    private static void requireSpecial(String source, String name, int id, int[] types) {
        if (id < 0 || id >= types.length) {
            throw new ModelException(source + ": the id of the " + name + " token is " + id + ", but there are "
                    + types.length + " pieces");
        }
        if (types[id] == BYTE) {
            throw new ModelException(
                    source + ": the id of the " + name + " token is " + id + ", which is a byte piece");
        }
    }

    /** The kind of a token, where the unknown token and those that begin and end a sequence or a turn are control tokens, whatever their type. */
    int kind(int id) {
        boolean special = id == unknownTokenId
                || id == bosTokenId
                || id == eosTokenId
                || types[id] == UNKNOWN
                || types[id] != BYTE && TurnTokens.contains(pieces[id]);
        return special ? CONTROL : types[id];
    }

    private static void checkPiece(String source, int id, String piece, float score, int type) {
        if (piece == null || piece.isEmpty()) {
            throw new ModelException(source + ": piece " + id + " is empty");
        }
        if (Float.isNaN(score)) {
            throw new ModelException(source + ": the score of piece " + id + " is not a number");
        }
        if (type < NORMAL || type > BYTE) {
            throw new ModelException(source + ": the type of piece " + id + " is " + type + ", which is not 1 to 6");
        }
        if (type == BYTE && byteValue(piece) < 0) {
            throw new ModelException(source + ": byte piece " + id + " is " + quote(piece) + ", not like <0x0A>");
        }
        if (piece.length() > MAX_PIECE_LENGTH) {
            throw new ModelException(source + ": piece " + id + " is " + piece.length()
                    + " characters long, the most is " + MAX_PIECE_LENGTH);
        }
    }

    /** The byte that a piece such as {@code <0x0A>} stands for, or -1. */
    static int byteValue(String piece) {
        if (piece.length() != 6 || !piece.startsWith("<0x") || piece.charAt(5) != '>') {
            return -1;
        }
        int high = hexDigit(piece.charAt(3));
        int low = hexDigit(piece.charAt(4));
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }

    private static int hexDigit(char c) {
        return c < 0x80 ? Character.digit(c, 16) : -1;
    }

    /** A piece as error messages show it: in quotes, shortened, without characters that would break the line. */
    static String quote(String piece) {
        StringBuilder quoted = new StringBuilder("\"");
        piece.codePoints().limit(40).forEach(c -> {
            if (Character.isISOControl(c) || Character.getType(c) == Character.SURROGATE) {
                quoted.append(String.format("\\u%04x", c));
            } else {
                quoted.appendCodePoint(c);
            }
        });
        return quoted.append(piece.codePointCount(0, piece.length()) > 40 ? "…\"" : "\"")
                .toString();
    }
}
