package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class StreamDecoderTest {
    private static final int FIRST_BYTE = 3;
    private static final int A_WORD = Tokenizers.V1.encode("word")[0];

    private final StreamDecoder decoder = Tokenizers.V1.decoder(LeadingSpace.STRIP);

    private void appendBytes(String text) {
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            appendByte(b & 0xFF);
        }
    }

    private void appendByte(int value) {
        decoder.append(FIRST_BYTE + value);
    }

    private String stable() {
        return decoder.text().toString().substring(0, decoder.stableLength());
    }

    @Test
    void givesTheTextOfAnOrdinaryTokenAtOnce() {
        decoder.append(A_WORD);

        assertThat(stable()).isEqualTo("word");
    }

    @Test
    void dropsOnlyTheFirstSpace() {
        decoder.append(A_WORD);
        decoder.append(A_WORD);

        assertThat(decoder.finish()).isEqualTo("word word");
    }

    @Test
    void showsNoHalfCharacter() {
        appendByte(0xF0);
        appendByte(0x9F);
        appendByte(0x98);
        assertThat(decoder.text()).isEmpty();

        appendByte(0x80);

        assertThat(decoder.text()).hasToString("😀");
        assertThat(stable()).isEmpty();
    }

    @Test
    void makesARunOfBytesStableWhenItEnds() {
        appendBytes("é\n");
        assertThat(stable()).isEmpty();

        decoder.append(A_WORD);

        assertThat(stable()).isEqualTo("é\n word");
    }

    @Test
    void findsAStopStringInsideARunOfBytes() {
        decoder.append(A_WORD);
        int stableBefore = decoder.stableLength();
        appendBytes("\n\n");

        assertThat(decoder.indexOf("\n\n", stableBefore)).isEqualTo(4);
        assertThat(decoder.text().subSequence(0, 4)).hasToString("word");
    }

    @Test
    void turnsTheWholeRunIntoReplacementCharactersWhenAByteMakesItInvalid() {
        decoder.append(A_WORD);
        appendBytes("é\n");
        appendByte(0xFF);

        assertThat(stable()).isEqualTo("word" + "\uFFFD".repeat(4));

        appendByte('a');
        assertThat(stable()).isEqualTo("word" + "\uFFFD".repeat(5));
        assertThat(decoder.finish()).isEqualTo("word" + "\uFFFD".repeat(5));
    }

    @Test
    void beginsANewRunAfterAnInvalidOne() {
        appendByte(0xFF);
        decoder.append(A_WORD);
        appendBytes("é");

        assertThat(decoder.finish()).isEqualTo("\uFFFD wordé");
    }

    @Test
    void replacesACharacterThatIsNeverCompleted() {
        appendByte('a');
        appendByte(0xE2);
        appendByte(0x96);
        assertThat(decoder.text()).hasToString("a");

        assertThat(decoder.finish()).isEqualTo("\uFFFD".repeat(3));
    }

    @Test
    void dropsALeadingSpaceThatIsAByteUnlessItsRunIsInvalid() {
        appendByte(' ');
        assertThat(decoder.text()).isEmpty();
        appendByte('x');
        assertThat(decoder.text()).hasToString("x");
        appendByte(0x80);
        assertThat(decoder.text()).hasToString("\uFFFD".repeat(3));
        decoder.append(A_WORD);

        assertThat(decoder.finish()).isEqualTo("\uFFFD".repeat(3) + " word");
    }

    /** Every first and second byte, with as many more as there may be: the JDK's strict decoder is the judge. */
    @Test
    void takesForUtf8WhatTheJdkTakesForIt() {
        for (int first = 0x70; first <= 0xFF; first++) {
            for (int second = 0; second <= 0xFF; second++) {
                for (int length = 1; length <= 4; length++) {
                    byte[] bytes =
                            Arrays.copyOf(new byte[] {(byte) first, (byte) second, (byte) 0x80, (byte) 0xBF}, length);
                    int[] ids = new int[length];
                    Arrays.setAll(ids, i -> FIRST_BYTE + (bytes[i] & 0xFF));
                    assertThat(Tokenizers.V1.decode(ids)).isEqualTo(strictly(bytes));
                }
            }
        }
    }

    private static String strictly(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            return "\uFFFD".repeat(bytes.length);
        }
    }

    @Test
    void isNotInterruptedByControlTokensOrUnknownIds() {
        appendByte(0xC3);
        decoder.append(Tokenizers.V1.eosTokenId());
        decoder.append(40_000);
        decoder.append(-5);
        appendByte(0xA9);

        assertThat(decoder.finish()).isEqualTo("é");
    }

    @Test
    void refusesTokensAfterTheEnd() {
        decoder.finish();

        assertThatThrownBy(() -> decoder.append(A_WORD))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the decoder is finished");
    }

    @Test
    @Timeout(20)
    void takesTimeInProportionToTheText() {
        int n = 1_000_000;
        for (int i = 0; i < n; i++) {
            int stableBefore = decoder.stableLength();
            decoder.append(A_WORD);
            assertThat(decoder.indexOf("stop", stableBefore - 3)).isEqualTo(-1);
        }
        for (int i = 0; i < n; i++) {
            appendByte('x');
        }
        appendByte(0xFF);
        assertThat(decoder.finish()).hasSize(5 * n - 1 + n + 1);
    }
}
