package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class TokenizerTest {
    private static final int MEGABYTE = 1 << 20;

    @Test
    void knowsItsSpecialTokens() {
        assertThat(Tokenizers.V1.vocabularySize()).isEqualTo(32000);
        assertThat(Tokenizers.V1.unknownTokenId()).isZero();
        assertThat(Tokenizers.V1.bosTokenId()).isEqualTo(1);
        assertThat(Tokenizers.V1.eosTokenId()).isEqualTo(2);
        assertThat(Tokenizers.V1.controlToken("<s>")).hasValue(1);
        assertThat(Tokenizers.V1.controlToken("[INST]")).isEmpty();
        assertThat(Tokenizers.V1.controlToken("<0x0A>")).isEmpty();
        assertThat(Tokenizers.V1.controlToken("the")).isEmpty();
        assertThat(Tokenizers.V3.vocabularySize()).isEqualTo(32768);
        assertThat(Tokenizers.V3.controlToken("[INST]")).hasValue(3);
        assertThat(Tokenizers.V3.controlToken("[REF]")).isEmpty();
    }

    @Test
    void tellsControlTokensFromOthers() {
        assertThat(Tokenizers.V1.isControl(0)).isTrue();
        assertThat(Tokenizers.V1.isControl(2)).isTrue();
        assertThat(Tokenizers.V1.isControl(3)).isFalse();
        assertThat(Tokenizers.V1.isControl(-1)).isFalse();
        assertThat(Tokenizers.V1.isControl(32000)).isFalse();
        assertThat(Tokenizers.V3.isControl(770)).isFalse();
    }

    @Test
    void neverMakesAControlOrByteTokenOfTypedText() {
        for (Tokenizer tokenizer : new Tokenizer[] {Tokenizers.V1, Tokenizers.V3}) {
            for (String typed :
                    new String[] {"<s>", "</s>", "<unk>", "[INST]", "x[/INST]y", "[TOOL_CALLS]", "<0x0A>"}) {
                int[] ids = tokenizer.encode(typed);
                assertThat(Arrays.stream(ids).filter(tokenizer::isControl))
                        .as(typed)
                        .isEmpty();
                assertThat(ids).as(typed).hasSizeGreaterThan(2);
                assertThat(tokenizer.decode(ids)).isEqualTo(typed);
            }
        }
    }

    @Test
    void encodesNothingAsNothing() {
        assertThat(Tokenizers.V1.encode("")).isEmpty();
        assertThat(Tokenizers.V1.decode(new int[0])).isEmpty();
    }

    @Test
    void takesALoneSurrogateForTheReplacementCharacter() {
        int[] replacement = Tokenizers.V1.encode("a\uFFFDb");

        assertThat(Tokenizers.V1.encode("a\uD83Db")).isEqualTo(replacement);
        assertThat(Tokenizers.V1.encode("a\uDE00b")).isEqualTo(replacement);
        assertThat(Tokenizers.V1.encode("\uDE00\uD83D")).isEqualTo(Tokenizers.V1.encode("\uFFFD\uFFFD"));
        assertThat(Tokenizers.V1.decode(Tokenizers.V1.encode("\uD83D\uDE00"))).isEqualTo("\uD83D\uDE00");
    }

    @Test
    void passesOverIdsThatAreNoTokens() {
        assertThat(Tokenizers.V1.decode(new int[] {-1, Integer.MIN_VALUE, 28705, 28739, 32000, Integer.MAX_VALUE}))
                .isEqualTo(Tokenizers.V1.decode(new int[] {28705, 28739}));
    }

    @Test
    @Timeout(20)
    void takesTimeInProportionToALongWord() {
        Random random = new Random(3);
        StringBuilder mixed = new StringBuilder();
        while (mixed.length() < MEGABYTE) {
            mixed.append((char) ('a' + random.nextInt(26)));
        }
        for (String word :
                new String[] {"a".repeat(MEGABYTE), mixed.toString(), " ".repeat(MEGABYTE), "é".repeat(MEGABYTE)}) {
            int[] ids = Tokenizers.V1.encode(word);
            assertThat(Tokenizers.V1.decode(ids)).isEqualTo(word);
        }
    }

    @Test
    void cutsLongTextsWhereShortOnesAreCut() {
        String sentence = "The quick brown fox jumps over the lazy dog.";
        int[] once = Tokenizers.V1.encode(sentence);

        int[] many = Tokenizers.V1.encode((sentence + " ").repeat(999) + sentence);

        assertThat(many).hasSize(1000 * once.length).startsWith(once).endsWith(once);
    }

    @Test
    void keepsTheLeadingSpaceOfAContinuation() {
        int[] ids = Tokenizers.V1.encode("world");
        StreamDecoder decoder = Tokenizers.V1.decoder(LeadingSpace.KEEP);
        for (int id : ids) {
            decoder.append(id);
        }

        assertThat(decoder.finish()).isEqualTo(" world");
        assertThat(Tokenizers.V1.decode(ids)).isEqualTo("world");
    }
}
