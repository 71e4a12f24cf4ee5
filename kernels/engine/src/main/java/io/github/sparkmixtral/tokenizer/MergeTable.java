package io.github.sparkmixtral.tokenizer;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * The symbols that single characters start as, and the pairs of symbols that merge. A symbol is the id of a piece; or an id past
 * the pieces, for a character that is no piece but part of one; or {@code -1 - character} where the character is not known at all.
 */
final class MergeTable {
    private static final int NONE = -1;

    /** Characters are looked up in pages of 256, of which most are this one. */
    private static final int[] EMPTY_PAGE = new int[1 << 8];

    static {
        Arrays.fill(EMPTY_PAGE, NONE);
    }

    private final int pieces;
    private final int[][] symbolPages = new int[Character.MAX_CODE_POINT + 1 >> 8][];
    private int[] extraCharacters = new int[16];
    private int extraSymbols;

    private long[] pairs = new long[1 << 10];
    private int[] slots = new int[1 << 10];
    private int[] ranks = new int[1 << 8];
    private int[] merged = new int[1 << 8];
    private int size;
    private boolean mergesIntoWord;

    /** A table over {@code pieces} pieces, without merges. */
    MergeTable(int pieces) {
        this.pieces = pieces;
        Arrays.fill(symbolPages, EMPTY_PAGE);
        Arrays.fill(slots, NONE);
    }

    /** Merges by score, as SentencePiece does it: two symbols merge if together they are a piece. */
    static MergeTable ofScores(Vocabulary vocabulary) {
        String[] pieces = vocabulary.pieces();
        Map<String, Integer> ids = HashMap.newHashMap(pieces.length);
        for (int id = 0; id < pieces.length; id++) {
            int kind = vocabulary.kind(id);
            if (kind == Vocabulary.NORMAL || kind == Vocabulary.UNUSED) {
                ids.put(pieces[id], id);
            }
        }
        float[] scores = sortedScores(vocabulary.scores());
        MergeTable table = new MergeTable(pieces.length);
        ids.forEach((piece, id) -> table.addSymbol(piece, id));
        for (int id = 0; id < pieces.length; id++) {
            if (ids.containsKey(pieces[id])) {
                int rank = scores.length
                        - 1
                        - Arrays.binarySearch(scores, vocabulary.scores()[id] + 0f);
                table.addSplits(pieces[id], id, rank, ids);
            }
        }
        return table;
    }

    /** Adding 0 makes -0 and 0 the same score. */
    private static float[] sortedScores(float[] scores) {
        float[] sorted = scores.clone();
        for (int i = 0; i < sorted.length; i++) {
            sorted[i] += 0f;
        }
        Arrays.sort(sorted);
        int distinct = 0;
        for (int i = 0; i < sorted.length; i++) {
            if (i == 0 || sorted[i] != sorted[i - 1]) {
                sorted[distinct++] = sorted[i];
            }
        }
        return Arrays.copyOf(sorted, distinct);
    }

    private void addSplits(String piece, int id, int rank, Map<String, Integer> ids) {
        int cut = piece.offsetByCodePoints(0, 1);
        for (; cut < piece.length(); cut = piece.offsetByCodePoints(cut, 1)) {
            int left = symbolOf(piece.substring(0, cut), ids);
            int right = symbolOf(piece.substring(cut), ids);
            if (left != NONE && right != NONE) {
                add(left, right, rank, id, piece);
            }
        }
    }

    private int symbolOf(String part, Map<String, Integer> ids) {
        Integer id = ids.get(part);
        if (id != null) {
            return id;
        }
        int character = part.codePointAt(0);
        if (Character.charCount(character) != part.length()) {
            return NONE;
        }
        int known = symbol(character);
        return known >= 0 ? known : addExtraSymbol(character);
    }

    private int addExtraSymbol(int character) {
        if (extraSymbols == extraCharacters.length) {
            extraCharacters = Arrays.copyOf(extraCharacters, 2 * extraSymbols);
        }
        extraCharacters[extraSymbols] = character;
        int symbol = pieces + extraSymbols++;
        putSymbol(character, symbol);
        return symbol;
    }

    /** Lets a piece of one character be what that character starts as; does nothing for longer pieces. */
    void addSymbol(String piece, int id) {
        int character = piece.codePointAt(0);
        if (Character.charCount(character) == piece.length()) {
            putSymbol(character, id);
        }
    }

    private void putSymbol(int character, int symbol) {
        int page = character >> 8;
        if (symbolPages[page] == EMPTY_PAGE) {
            symbolPages[page] = EMPTY_PAGE.clone();
        }
        symbolPages[page][character & 0xFF] = symbol;
    }

    /** Adds a merge of two symbols into a piece; a later one for the same pair takes its place. */
    void add(int left, int right, int rank, int piece, String text) {
        int index = find(left, right);
        if (index == NONE) {
            if (2 * (size + 1) > slots.length) {
                growSlots();
            }
            if (size == ranks.length) {
                ranks = Arrays.copyOf(ranks, 2 * size);
                merged = Arrays.copyOf(merged, 2 * size);
            }
            index = size++;
            int slot = freeSlot(pair(left, right));
            pairs[slot] = pair(left, right);
            slots[slot] = index;
        }
        ranks[index] = rank;
        merged[index] = piece;
        for (int i = 1; i < text.length(); i++) {
            mergesIntoWord |= text.charAt(i) == Spacing.ESCAPED_SPACE && text.charAt(i - 1) != Spacing.ESCAPED_SPACE;
        }
    }

    private void growSlots() {
        long[] oldPairs = pairs;
        int[] oldSlots = slots;
        pairs = new long[2 * oldPairs.length];
        slots = new int[2 * oldSlots.length];
        Arrays.fill(slots, NONE);
        for (int i = 0; i < oldSlots.length; i++) {
            if (oldSlots[i] != NONE) {
                int slot = freeSlot(oldPairs[i]);
                pairs[slot] = oldPairs[i];
                slots[slot] = oldSlots[i];
            }
        }
    }

    private int freeSlot(long pair) {
        int slot = hash(pair);
        while (slots[slot] != NONE) {
            slot = slot + 1 & slots.length - 1;
        }
        return slot;
    }

    private int hash(long pair) {
        long mixed = pair * 0x9E3779B97F4A7C15L;
        return (int) (mixed >>> 32 ^ mixed >>> 48) & slots.length - 1;
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    /** Index of the merge of two symbols, or -1. */
    int find(int left, int right) {
        if (left < 0 || right < 0) {
            return NONE;
        }
        long pair = pair(left, right);
        for (int slot = hash(pair); slots[slot] != NONE; slot = slot + 1 & slots.length - 1) {
            if (pairs[slot] == pair) {
                return slots[slot];
            }
        }
        return NONE;
    }

    /** When the merge at this index is done: lower ranks first. */
    int rank(int index) {
        return ranks[index];
    }

    /** The piece that the merge at this index gives. */
    int merged(int index) {
        return merged[index];
    }

    /** The symbol that a character starts as. */
    int symbol(int character) {
        int symbol = symbolPages[character >> 8][character & 0xFF];
        return symbol >= 0 ? symbol : -1 - character;
    }

    /** Whether the symbol is a piece, and not a character without one. */
    boolean isPiece(int symbol) {
        return symbol >= 0 && symbol < pieces;
    }

    /** The character of a symbol that is no piece. */
    int character(int symbol) {
        return symbol < 0 ? -1 - symbol : extraCharacters[symbol - pieces];
    }

    /** Whether some piece has a space after another character, so that a text must not be cut into words before merging. */
    boolean mergesAcrossWords() {
        return mergesIntoWord;
    }
}
