package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.file.ModelException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Faults of the arrays that a GGUF file's metadata holds. */
class VocabularyTest {
    private final String[] pieces = {"<unk>", "<s>", "</s>", "a", "b", "ab"};
    private final float[] scores = {0, 0, 0, -2, -3, -1};
    private final int[] types = {2, 3, 3, 1, 1, 1};

    private Vocabulary vocabulary(int unknown, int bos, int eos) {
        return new Vocabulary("m.gguf", pieces, scores, types, unknown, bos, eos, false);
    }

    private void isRefused(String message) {
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> vocabulary(0, 1, 2))
                .withMessage("m.gguf: " + message);
    }

    @Test
    void encodesWithoutByteFallbackToTheUnknownToken() {
        Tokenizer tokenizer = Tokenizer.of(vocabulary(0, 1, 2));

        assertThat(tokenizer.encode("abxyab")).containsExactly(5, 0, 5);
        assertThat(tokenizer.decode(new int[] {5, 0, 5})).isEqualTo("abab");
    }

    @Test
    void takesSpecialTokensForControlTokensWhateverTheirType() {
        types[1] = Vocabulary.NORMAL;
        types[5] = Vocabulary.NORMAL;
        Tokenizer tokenizer = Tokenizer.of(vocabulary(0, 1, 5));

        assertThat(tokenizer.isControl(5)).isTrue();
        assertThat(tokenizer.encode("ab")).containsExactly(3, 4);
        assertThat(tokenizer.decode(new int[] {1, 3, 5})).isEqualTo("a");
    }

    @Test
    void refusesArraysOfDifferentLength() {
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> new Vocabulary("m.gguf", pieces, new float[2], types, 0, 1, 2, true))
                .withMessage("m.gguf: the vocabulary has 6 pieces, but 2 scores and 6 types");
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> new Vocabulary("m.gguf", new String[0], new float[0], new int[0], 0, 1, 2, true))
                .withMessage("m.gguf: the vocabulary has no pieces");
    }

    @Test
    void refusesIdsOutOfRange() {
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> vocabulary(-1, 1, 2))
                .withMessage("m.gguf: the id of the unknown token is -1, but there are 6 pieces");
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> vocabulary(0, 6, 2))
                .withMessage("m.gguf: the id of the beginning-of-sequence token is 6, but there are 6 pieces");
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> vocabulary(0, 1, Integer.MAX_VALUE))
                .withMessage("m.gguf: the id of the end-of-sequence token is 2147483647, but there are 6 pieces");
    }

    @Test
    void refusesBadPieces() {
        pieces[4] = "a";
        isRefused("pieces 3 and 4 are both \"a\"");
        pieces[4] = null;
        isRefused("piece 4 is empty");
        pieces[4] = "\n".repeat(50);
        types[4] = 7;
        isRefused("the type of piece 4 is 7, which is not 1 to 6");
        types[4] = Vocabulary.BYTE;
        isRefused("byte piece 4 is \"" + "\\u000a".repeat(40) + "…\", not like <0x0A>");
        pieces[4] = "<0x0A>";
        isRefused("1 byte pieces, where byte fallback needs all 256 from <0x00> to <0xFF>");
    }

    @Test
    void refusesAByteAsSpecialToken() {
        Arrays.fill(types, Vocabulary.BYTE);

        isRefused("the id of the unknown token is 0, which is a byte piece");
    }
}
