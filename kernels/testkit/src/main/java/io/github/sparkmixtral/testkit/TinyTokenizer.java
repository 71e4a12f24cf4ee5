package io.github.sparkmixtral.testkit;

import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A vocabulary of {@value #SIZE} tokens: control tokens, all bytes, letters, and a few words. */
public final class TinyTokenizer {
    public static final int BOS = 1;
    public static final int EOS = 2;
    public static final int SIZE = 320;
    public static final Tokenizer INSTANCE = Tokenizer.of(vocabulary());

    private static final int FIRST_BYTE = 3;

    private TinyTokenizer() {}

    /** The token of a byte. */
    public static int ofByte(int value) {
        return FIRST_BYTE + value;
    }

    /** The token of a piece, with U+2581 for a space. */
    public static int of(String piece) {
        int id = Arrays.asList(pieces()).indexOf(piece);
        if (id < 0) {
            throw new IllegalArgumentException("no piece " + piece);
        }
        return id;
    }

    private static String[] pieces() {
        List<String> pieces = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        for (int value = 0; value < 256; value++) {
            pieces.add("<0x%02X>".formatted(value));
        }
        pieces.addAll(List.of("\u2581", ".", "\n", "\u2581the", "\u2581cat", "END", "EN", "D\u2581", "ab", "ba"));
        for (char letter = 'a'; letter <= 'z'; letter++) {
            pieces.add(String.valueOf(letter));
        }
        for (int i = 0; pieces.size() < SIZE; i++) {
            pieces.add("\u2581" + (char) ('A' + i));
        }
        return pieces.toArray(String[]::new);
    }

    public static Vocabulary vocabulary() {
        String[] pieces = pieces();
        float[] scores = new float[pieces.length];
        int[] types = new int[pieces.length];
        for (int id = 0; id < pieces.length; id++) {
            scores[id] = -id;
            types[id] = id == 0 ? 2 : id <= EOS ? 3 : id < FIRST_BYTE + 256 ? 6 : 1;
        }
        return new Vocabulary("tiny", pieces, scores, types, 0, BOS, EOS, true);
    }
}
