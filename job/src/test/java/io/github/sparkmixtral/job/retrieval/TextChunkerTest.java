package io.github.sparkmixtral.job.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TextChunkerTest {
    private static final String[] PIECES = {
        "word",
        "a",
        "Straße",
        "river.",
        "Is it?",
        "\n\n",
        "\n",
        " ",
        "  ",
        "\t",
        "日本語の文。",
        "🙂",
        "👩‍👩‍👧‍👦",
        "e\u0301",
        "x".repeat(30),
        "12.5",
        "\r\n\r\n",
        "end!",
        "\u00a0"
    };

    private static String text(Random random) {
        StringBuilder text = new StringBuilder();
        int pieces = random.nextInt(60);
        for (int i = 0; i < pieces; i++) {
            text.append(PIECES[random.nextInt(PIECES.length)]).append(random.nextInt(3) == 0 ? "" : " ");
        }
        return text.toString();
    }

    @ParameterizedTest
    @CsvSource({"1,0", "2,1", "7,3", "20,0", "20,19", "50,10", "1000,100"})
    void chunksAreWholeShortAndInOrder(int size, int overlap) {
        Random random = new Random(size);
        TextChunker chunker = TextChunker.ofCharacters(size, overlap);
        for (int i = 0; i < 200; i++) {
            String text = text(random);
            List<String> chunks = chunker.chunks(text);
            requireCovers(text, chunker);
            for (String chunk : chunks) {
                assertThat(chunk).isEqualTo(chunk.strip()).isNotEmpty();
                assertThat(StandardCharsets.UTF_8.newEncoder().canEncode(chunk)).isTrue();
                // One character of several code points may be longer than a piece.
                assertThat(chunk.codePointCount(0, chunk.length()))
                        .isLessThanOrEqualTo(Math.max(size, "👩‍👩‍👧‍👦".codePointCount(0, 11)));
            }
        }
    }

    /** Nothing but white space is between two chunks, each goes on where the one before ended, and begins behind its beginning. */
    private static void requireCovers(String text, TextChunker chunker) {
        int start = -1;
        int covered = 0;
        for (TextChunker.Span span : chunker.spans(text)) {
            assertThat(span.start()).isGreaterThan(start);
            assertThat(span.end()).isGreaterThan(covered);
            assertThat(text.substring(covered, Math.max(covered, span.start()))).isBlank();
            String repeated = text.substring(span.start(), Math.max(covered, span.start()));
            assertThat(chunker.length().applyAsInt(repeated.strip())).isLessThanOrEqualTo(chunker.overlap());
            start = span.start();
            covered = span.end();
        }
        assertThat(text.substring(covered)).isBlank();
    }

    @Test
    void cutsLieBetweenParagraphsThenSentencesThenWords() {
        String text = "One two three. Four five six.\n\nSeven eight nine ten. Eleven twelve thirteen fourteen fifteen";
        assertThat(TextChunker.ofCharacters(40, 0).chunks(text))
                .containsExactly(
                        "One two three. Four five six.",
                        "Seven eight nine ten.",
                        "Eleven twelve thirteen fourteen fifteen");
        assertThat(TextChunker.ofCharacters(16, 0).chunks("abc defg hijk lmnopq"))
                .containsExactly("abc defg hijk", "lmnopq");
        assertThat(TextChunker.ofCharacters(4, 0).chunks("abcdefghij")).containsExactly("abcd", "efgh", "ij");
    }

    @Test
    void chunksRepeatWholeWords() {
        // The word lmnop has no room among six characters with the blank before it.
        assertThat(TextChunker.ofCharacters(13, 6).chunks("abc defg hijk lmnop qrs"))
                .containsExactly("abc defg hijk", "hijk lmnop", "lmnop qrs");
        assertThat(TextChunker.ofCharacters(6, 0).chunks("🙂🙂🙂🙂🙂🙂🙂🙂")).containsExactly("🙂🙂🙂🙂🙂🙂", "🙂🙂");
    }

    @Test
    void blankTextsHaveNoChunks() {
        assertThat(TextChunker.ofCharacters(5, 1).chunks("")).isEmpty();
        assertThat(TextChunker.ofCharacters(5, 1).chunks(" \n\t ")).isEmpty();
        assertThatIllegalArgumentException().isThrownBy(() -> TextChunker.ofCharacters(5, 5));
    }

    @Test
    void tokensAreTheModels() {
        Tokenizer tokenizer =
                ModelLoader.describe(SparkFixture.MODEL, Quantization.NONE).tokenizer();
        TextChunker chunker = new TextChunker(12, 4, text -> tokenizer.encode(text).length);
        Random random = new Random(3);
        for (int i = 0; i < 50; i++) {
            String text = text(random);
            List<String> chunks = chunker.chunks(text);
            requireCovers(text, chunker);
            assertThat(chunks)
                    .filteredOn(chunk -> chunk.codePointCount(0, chunk.length()) > 11)
                    .allSatisfy(
                            chunk -> assertThat(tokenizer.encode(chunk).length).isLessThanOrEqualTo(12));
        }
    }
}
