package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Holds every way to read a tokenizer to mistral-common and Hugging Face tokenizers; {@code tokenizer.py} made the golden file. */
class TokenizerGoldenTest {
    private static final int V3_SHIFT = 768;

    private record Text(String text, int[] v1, int[] v3, String decoded) {}

    private record Sequence(int[] ids, String decoded) {}

    private static final List<Text> TEXTS = new ArrayList<>();
    private static final List<Sequence> SEQUENCES = new ArrayList<>();
    private static String mergesHash;

    @BeforeAll
    static void readGoldenFile() {
        GoldenFile golden = new GoldenFile("/golden/tokenizer/strings.bin.gz");
        for (int n = golden.number(); n > 0; n--) {
            String text = golden.text();
            int[] v1 = golden.ids();
            int[] v3 =
                    golden.flag() ? Arrays.stream(v1).map(id -> id + V3_SHIFT).toArray() : golden.ids();
            TEXTS.add(new Text(text, v1, v3, golden.flag() ? text : golden.text()));
        }
        for (int n = golden.number(); n > 0; n--) {
            SEQUENCES.add(new Sequence(golden.ids(), golden.text()));
        }
        mergesHash = golden.text();
        assertThat(golden.atEnd()).isTrue();
        assertThat(TEXTS).hasSizeGreaterThan(10_000);
        assertThat(SEQUENCES).hasSizeGreaterThan(1_000);
    }

    @Test
    void encodesAsMistralsTokenizerV1() {
        for (Text text : TEXTS) {
            assertThat(Tokenizers.V1.encode(text.text())).as(text.text()).isEqualTo(text.v1());
        }
    }

    @Test
    void encodesAsMistralsTokenizerV3() {
        for (Text text : TEXTS) {
            assertThat(Tokenizers.V3.encode(text.text())).as(text.text()).isEqualTo(text.v3());
        }
    }

    @Test
    void encodesAndDecodesFromTokenizerJson(@TempDir Path directory) throws IOException {
        Vocabulary vocabulary = SentencePieceModel.vocabulary(Tokenizers.V1_FILE);
        assertThat(Tokenizers.sha256(Tokenizers.merges(vocabulary))).isEqualTo(mergesHash);
        Path file = directory.resolve("tokenizer.json");
        Files.writeString(file, Tokenizers.json(vocabulary).toString());
        Tokenizer tokenizer = Tokenizer.ofJson(file);

        for (Text text : TEXTS) {
            assertThat(tokenizer.encode(text.text())).as(text.text()).isEqualTo(text.v1());
            assertThat(tokenizer.decode(text.v1())).isEqualTo(text.decoded());
        }
        for (Sequence sequence : SEQUENCES) {
            assertThat(tokenizer.decode(sequence.ids()))
                    .as(Arrays.toString(sequence.ids()))
                    .isEqualTo(sequence.decoded());
        }
    }

    @Test
    void encodesFromTheArraysOfGgufMetadata() {
        Tokenizer tokenizer = Tokenizer.of(SentencePieceModel.vocabulary(Tokenizers.V1_FILE));

        for (Text text : TEXTS) {
            assertThat(tokenizer.encode(text.text())).as(text.text()).isEqualTo(text.v1());
        }
    }

    @Test
    void decodesAsHuggingFace() {
        for (Text text : TEXTS) {
            assertThat(Tokenizers.V1.decode(text.v1())).as(text.text()).isEqualTo(text.decoded());
        }
        for (Sequence sequence : SEQUENCES) {
            assertThat(Tokenizers.V1.decode(sequence.ids()))
                    .as(Arrays.toString(sequence.ids()))
                    .isEqualTo(sequence.decoded());
        }
    }

    @Test
    void decodesTokenByTokenWhatItDecodesAtOnce() {
        for (Sequence sequence : SEQUENCES) {
            StreamDecoder decoder = Tokenizers.V1.decoder(LeadingSpace.STRIP);
            String stable = "";
            for (int id : sequence.ids()) {
                decoder.append(id);
                String text = decoder.text().toString();
                assertThat(text).startsWith(stable);
                assertThat(decoder.stableLength()).isBetween(stable.length(), text.length());
                stable = text.substring(0, decoder.stableLength());
            }
            assertThat(decoder.finish())
                    .as(Arrays.toString(sequence.ids()))
                    .isEqualTo(sequence.decoded())
                    .startsWith(stable);
        }
    }
}
