package io.github.sparkmixtral.tokenizer;

import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.file.ModelException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Faults of a {@code tokenizer.model}, each in a small model that is right in everything else. */
class SentencePieceModelTest {
    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int BYTE = 6;

    @TempDir
    private Path directory;

    private final ByteArrayOutputStream model = new ByteArrayOutputStream();

    private static void varint(ByteArrayOutputStream output, long value) {
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            output.write((int) (rest & 0x7F | 0x80));
            rest >>>= 7;
        }
        output.write((int) rest);
    }

    private static void varintField(ByteArrayOutputStream output, int field, long value) {
        varint(output, (long) field << 3);
        varint(output, value);
    }

    private static void bytesField(ByteArrayOutputStream output, int field, byte[] bytes) {
        varint(output, (long) field << 3 | 2);
        varint(output, bytes.length);
        output.writeBytes(bytes);
    }

    private static byte[] piece(byte[] text, float score, long type) {
        ByteArrayOutputStream piece = new ByteArrayOutputStream();
        bytesField(piece, 1, text);
        varint(piece, 2 << 3 | 5);
        piece.writeBytes(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(score)
                .array());
        varintField(piece, 3, type);
        return piece.toByteArray();
    }

    private SentencePieceModelTest piece(String text, float score, long type) {
        bytesField(model, 1, piece(text.getBytes(StandardCharsets.UTF_8), score, type));
        return this;
    }

    private SentencePieceModelTest specialPieces() {
        return piece("<unk>", 0, UNKNOWN).piece("<s>", 0, CONTROL).piece("</s>", 0, CONTROL);
    }

    /** A flag or number of the trainer (2), the normalizer (3) or the denormalizer (5). */
    private SentencePieceModelTest setting(int message, int field, long value) {
        ByteArrayOutputStream settings = new ByteArrayOutputStream();
        varintField(settings, field, value);
        bytesField(model, message, settings.toByteArray());
        return this;
    }

    private SentencePieceModelTest bpe() {
        return setting(2, 3, 2);
    }

    private void isRefused(String message) throws IOException {
        isRefused(model.toByteArray(), message);
    }

    private void isRefused(byte[] bytes, String message) throws IOException {
        Path file = directory.resolve("tokenizer.model");
        Files.write(file, bytes);
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> Tokenizer.ofSentencePiece(file))
                .withMessageContaining(file.toString())
                .withMessageContaining(message);
    }

    @Test
    void refusesAMissingFile() {
        Path file = directory.resolve("none.model");

        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> Tokenizer.ofSentencePiece(file))
                .withMessage("there is no tokenizer file " + file);
    }

    @Test
    void refusesAnEmptyFile() throws IOException {
        isRefused(new byte[0], "it has no pieces");
    }

    @Test
    void refusesAFileOfAnotherKind() throws IOException {
        isRefused("{\"version\": \"1.0\"}".getBytes(StandardCharsets.UTF_8), "is no SentencePiece model or is damaged");
    }

    @Test
    void refusesATruncatedFile() throws IOException {
        byte[] whole = Files.readAllBytes(Tokenizers.V1_FILE);

        isRefused(
                Arrays.copyOf(whole, whole.length / 2),
                "is no SentencePiece model or is damaged: in ModelProto, at byte");
    }

    @Test
    void refusesLengthsPastTheEndAndNegativeOnes() throws IOException {
        varint(model, 1 << 3 | 2);
        varint(model, Integer.MAX_VALUE);
        isRefused("in ModelProto, at byte 6: it ends in the middle of a field: 2147483647 bytes wanted, 0 left");

        model.reset();
        varint(model, 1 << 3 | 2);
        varint(model, -1);
        isRefused("18446744073709551615 bytes wanted");
    }

    @Test
    void refusesWrongWireTypes() throws IOException {
        varintField(model, 1, 7);
        isRefused("field pieces has wire type 0, not 2");

        model.reset();
        model.write(1 << 3 | 7);
        isRefused("field pieces has wire type 7, not 2");

        model.reset();
        model.write(9 << 3 | 7);
        isRefused("wire type 7");
    }

    @Test
    void refusesAnotherModelType() throws IOException {
        specialPieces().isRefused("trainer_spec.model_type is 1 (unigram), where Mixtral's tokenizers are 2 (BPE)");
    }

    @Test
    void refusesPiecesThatAreNoUtf8() throws IOException {
        bytesField(model, 1, piece(new byte[] {(byte) 0xFF}, 0, NORMAL));

        isRefused("in pieces, at byte 3: field piece is not valid UTF-8");
    }

    @Test
    void refusesAVocabularyWithoutUnknownOrControlPieces() throws IOException {
        piece("<s>", 0, CONTROL).piece("</s>", 0, CONTROL).bpe().isRefused("no piece is of type 2 (unknown)");
        model.reset();
        piece("<unk>", 0, UNKNOWN)
                .piece("</s>", 0, CONTROL)
                .bpe()
                .isRefused("trainer_spec.bos_piece is \"<s>\", but there is no control piece of that name");
        model.reset();
        piece("<unk>", 0, UNKNOWN)
                .piece("<s>", 0, CONTROL)
                .piece("</s>", 0, NORMAL)
                .bpe()
                .isRefused("trainer_spec.eos_piece is \"</s>\", but there is no control piece of that name");
        model.reset();
        specialPieces().piece("<unk2>", 0, UNKNOWN).bpe().isRefused("pieces 0 and 3 are both of type 2 (unknown)");
    }

    @Test
    void refusesBadPieces() throws IOException {
        specialPieces().piece("a", -1, NORMAL).piece("a", -2, NORMAL).bpe().isRefused("pieces 3 and 4 are both \"a\"");
        model.reset();
        specialPieces().piece("", -1, NORMAL).bpe().isRefused("piece 3 is empty");
        model.reset();
        specialPieces().piece("a", Float.NaN, NORMAL).bpe().isRefused("the score of piece 3 is not a number");
        model.reset();
        specialPieces().piece("a", 0, 9).bpe().isRefused("the type of piece 3 is 9");
        model.reset();
        specialPieces().piece("a", 0, -1).bpe().isRefused("the type of piece 3 is -1");
        model.reset();
        specialPieces().piece("a".repeat(1025), 0, NORMAL).bpe().isRefused("piece 3 is 1025 characters long");
    }

    @Test
    void refusesAnIncompleteByteFallback() throws IOException {
        specialPieces()
                .piece("<0x00>", 0, BYTE)
                .bpe()
                .isRefused("1 byte pieces, where byte fallback needs all 256 from <0x00> to <0xFF>");
        model.reset();
        specialPieces().piece("<0xZZ>", 0, BYTE).bpe().isRefused("byte piece 3 is \"<0xZZ>\", not like <0x0A>");
        model.reset();
        specialPieces()
                .setting(2, 35, 1)
                .bpe()
                .isRefused("trainer_spec.byte_fallback is true, but there are no byte pieces");
    }

    @Test
    void refusesWhatWouldChangeTheResult() throws IOException {
        specialPieces().bpe().setting(2, 24, 1).isRefused("trainer_spec.treat_whitespace_as_suffix is set");
        model.reset();
        ByteArrayOutputStream charsmap = new ByteArrayOutputStream();
        bytesField(charsmap, 2, new byte[] {1, 2, 3});
        specialPieces().bpe();
        bytesField(model, 3, charsmap.toByteArray());
        isRefused("normalizer_spec.precompiled_charsmap is set");
        model.reset();
        specialPieces().bpe();
        bytesField(model, 5, charsmap.toByteArray());
        isRefused("denormalizer_spec.precompiled_charsmap is set");
    }
}
