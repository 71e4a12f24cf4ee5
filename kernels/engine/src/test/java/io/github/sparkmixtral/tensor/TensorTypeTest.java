package io.github.sparkmixtral.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Decoding and quantizing held to gguf-py and to bitsandbytes' rule; {@code tensor_types.py} and {@code nf4.py} made the golden values. */
class TensorTypeTest {
    private static final Map<String, Golden> GOLDEN = golden("tensor-types", "nf4");

    private record Golden(byte[] blocks, float[] floats) {}

    @ParameterizedTest
    @EnumSource
    void decodesAsTheReferenceDoes(TensorType type) {
        Golden golden = GOLDEN.get(type.name());
        float[] out = new float[golden.floats().length];
        type.decode(MemorySegment.ofArray(golden.blocks()), 0, out, 0, out.length);
        assertSame(out, golden.floats());
    }

    @ParameterizedTest
    @EnumSource
    void decodesAPartToAnywhereFromAnUnalignedOffset(TensorType type) {
        Golden golden = GOLDEN.get(type.name());
        byte[] shifted = new byte[golden.blocks().length + 3];
        System.arraycopy(golden.blocks(), 0, shifted, 3, golden.blocks().length);
        int block = type.blockSize();
        float[] out = new float[5 + 2 * block + 1];
        Arrays.fill(out, 7);
        type.decode(MemorySegment.ofArray(shifted).asReadOnly(), 3 + 3L * type.blockBytes(), out, 5, 2 * block);
        assertSame(
                Arrays.copyOfRange(out, 5, 5 + 2 * block), Arrays.copyOfRange(golden.floats(), 3 * block, 5 * block));
        assertThat(Arrays.copyOf(out, 5)).containsOnly(7);
        assertThat(out[out.length - 1]).isEqualTo(7);
    }

    @ParameterizedTest
    @EnumSource
    void readsAndWritesNothingOutOfBounds(TensorType type) {
        MemorySegment block = MemorySegment.ofArray(new byte[type.blockBytes()]);
        int size = type.blockSize();
        assertThatThrownBy(() -> type.decode(block, 1, new float[size], 0, size))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> type.decode(block, -1, new float[size], 0, size))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> type.decode(block, 0, new float[size], 1, size))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> type.decode(block, 0, new float[size], 0, -size))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void refusesAPartOfABlock() {
        assertThatThrownBy(
                        () -> TensorType.Q4_K.decode(MemorySegment.ofArray(new byte[144]), 0, new float[256], 0, 128))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("128 elements are no whole number of Q4_K blocks of 256");
    }

    @Test
    void quantizesTo8BitsAsTheReferenceDoes() {
        Golden golden = GOLDEN.get("quantize Q8_0");
        byte[] out = new byte[golden.blocks().length];
        TensorType.Q8_0.encode(golden.floats(), MemorySegment.ofArray(out), 0);
        assertThat(Arrays.mismatch(out, golden.blocks()))
                .as("first byte that differs")
                .isEqualTo(-1);
    }

    @Test
    void quantizesTo4BitsAsTheReferenceDoes() {
        Golden golden = GOLDEN.get("quantize Q4_0");
        byte[] out = new byte[golden.blocks().length];
        TensorType.Q4_0.encode(golden.floats(), MemorySegment.ofArray(out), 0);
        assertThat(Arrays.mismatch(out, golden.blocks()))
                .as("first byte that differs")
                .isEqualTo(-1);
    }

    @Test
    void quantizesToLevelsAsBitsAndBytesDoes() {
        Golden golden = GOLDEN.get("quantize NF4");
        byte[] out = new byte[golden.blocks().length];
        TensorType.NF4.encode(golden.floats(), MemorySegment.ofArray(out), 0);
        assertThat(Arrays.mismatch(out, golden.blocks()))
                .as("first byte that differs")
                .isEqualTo(-1);
    }

    @ParameterizedTest
    @EnumSource(names = {"Q8_0", "Q4_0", "NF4"})
    void quantizesWholeRowsWithinBoundsOnly(TensorType type) {
        byte[] out = new byte[2 * type.blockBytes()];
        MemorySegment segment = MemorySegment.ofArray(out);
        float[] row = new float[64];
        Arrays.fill(row, 1);
        assertThatThrownBy(() -> type.encode(row, segment, 1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> type.encode(new float[33], segment, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("33 elements are no whole number of %s blocks of 32", type);
        assertThat(out).containsOnly(0);
    }

    @Test
    void quantizesToNoTypeWithoutAnEncoder() {
        assertThatThrownBy(() -> TensorType.Q6_K.encode(new float[256], MemorySegment.ofArray(new byte[210]), 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("nothing is quantized to Q6_K");
    }

    /** Equal as numbers, to the last bit: only the sign of a zero may differ. */
    private static void assertSame(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < actual.length; i++) {
            assertThat(actual[i] == expected[i])
                    .as("element %d: %s, expected %s", i, actual[i], expected[i])
                    .isTrue();
        }
    }

    private static Map<String, Golden> golden(String... files) {
        Map<String, Golden> golden = new LinkedHashMap<>();
        for (String file : files) {
            read("/golden/" + file + ".gz", golden);
        }
        return golden;
    }

    private static void read(String file, Map<String, Golden> golden) {
        try (InputStream resource = TensorTypeTest.class.getResourceAsStream(file);
                DataInputStream in = new DataInputStream(new GZIPInputStream(resource))) {
            for (int length = in.read(); length >= 0; length = in.read()) {
                String name = new String(in.readNBytes(length), StandardCharsets.US_ASCII);
                ByteBuffer counts = little(in.readNBytes(8));
                float[] floats = new float[counts.getInt()];
                byte[] blocks = in.readNBytes(counts.getInt());
                little(in.readNBytes(4 * floats.length)).asFloatBuffer().get(floats);
                golden.put(name, new Golden(blocks, floats));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ByteBuffer little(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
