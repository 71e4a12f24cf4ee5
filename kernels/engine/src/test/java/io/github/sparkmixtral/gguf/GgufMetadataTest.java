package io.github.sparkmixtral.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.testkit.GgufWriter;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class GgufMetadataTest {

    @Test
    void readsIntegersOfEveryWidth() {
        GgufMetadata metadata = metadata(new GgufWriter()
                .raw("u8", 0, little(1).put((byte) 0xFF).array())
                .raw("i8", 1, little(1).put((byte) 0xFF).array())
                .raw("u16", 2, little(2).putShort((short) 0xFFFF).array())
                .raw("i16", 3, little(2).putShort((short) 0xFFFF).array())
                .raw("u32", 4, little(4).putInt(77).array())
                .raw("i32", 5, little(4).putInt(-77).array())
                .raw("u64", 10, little(8).putLong(Integer.MAX_VALUE).array())
                .raw("i64", 11, little(8).putLong(Integer.MIN_VALUE).array()));
        assertThat(metadata.integer("u8")).hasValue(255);
        assertThat(metadata.integer("i8")).hasValue(-1);
        assertThat(metadata.integer("u16")).hasValue(65535);
        assertThat(metadata.integer("i16")).hasValue(-1);
        assertThat(metadata.integer("u32")).hasValue(77);
        assertThat(metadata.integer("i32")).hasValue(-77);
        assertThat(metadata.integer("u64")).hasValue(Integer.MAX_VALUE);
        assertThat(metadata.integer("i64")).hasValue(Integer.MIN_VALUE);
        assertThat(metadata.integer("absent")).isEmpty();
    }

    @Test
    void readsNumbersFlagsAndTexts() {
        GgufMetadata metadata = metadata(new GgufWriter()
                .with("f32", 0.5f)
                .raw("f64", 12, little(8).putDouble(1e300).array())
                .with("int", 3)
                .with("yes", true)
                .with("no", false)
                .with("text", "né\u0000e"));
        assertThat(metadata.number("f32")).hasValue(0.5);
        assertThat(metadata.number("f64")).hasValue(1e300);
        assertThat(metadata.number("int")).hasValue(3);
        assertThat(metadata.number("absent")).isEmpty();
        assertThat(metadata.flag("yes")).contains(true);
        assertThat(metadata.flag("no")).contains(false);
        assertThat(metadata.flag("absent")).isEmpty();
        assertThat(metadata.string("text")).contains("né\u0000e");
        assertThat(metadata.string("absent")).isEmpty();
    }

    @Test
    void readsArrays() {
        GgufMetadata metadata = metadata(new GgufWriter()
                .with("texts", List.of("one", "", "▁three"))
                .with("floats", new float[] {1.5f, -2})
                .with("ints", new int[] {1, -2, 3})
                .raw(
                        "bytes",
                        9,
                        little(15)
                                .putInt(0)
                                .putLong(3)
                                .put(new byte[] {1, 2, (byte) 200})
                                .array())
                .with("none", List.of()));
        assertThat(metadata.strings("texts")).containsExactly("one", "", "▁three");
        assertThat(metadata.strings("none")).isEmpty();
        assertThat(metadata.floats("floats")).containsExactly(1.5f, -2);
        assertThat(metadata.floats("ints")).containsExactly(1, -2, 3);
        assertThat(metadata.integers("ints")).containsExactly(1, -2, 3);
        assertThat(metadata.integers("bytes")).containsExactly(1, 2, 200);
    }

    @Test
    void namesAKeyOfAnotherType() {
        GgufMetadata metadata = metadata(new GgufWriter()
                .with("text", "x")
                .with("number", 1.5f)
                .with("list", List.of("x"))
                .with("floats", new float[] {1})
                .raw("long", 10, little(8).putLong(1L << 31).array())
                .raw("huge", 10, little(8).putLong(-1).array()));
        assertRefused(() -> metadata.integer("text"), "metadata text is x, but must be a whole number below 2^31");
        assertRefused(() -> metadata.integer("number"), "metadata number is 1.5, but must be a whole number");
        assertRefused(() -> metadata.integer("list"), "metadata list is an array, but must be a whole number");
        assertRefused(() -> metadata.integer("long"), "metadata long is 2147483648, but must be a whole number below");
        assertRefused(() -> metadata.number("text"), "metadata text is x, but must be a number");
        assertRefused(() -> metadata.flag("text"), "metadata text is x, but must be true or false");
        assertRefused(() -> metadata.string("number"), "metadata number is 1.5, but must be a text");
        assertRefused(() -> metadata.strings("text"), "metadata text is x, but must be an array of texts");
        assertRefused(() -> metadata.strings("floats"), "metadata floats is an array, but must be an array of texts");
        assertRefused(() -> metadata.floats("list"), "metadata list is an array, but must be an array of numbers");
        assertRefused(() -> metadata.integers("floats"), "but must be an array of whole numbers below 2^31");
        assertRefused(
                () -> metadata.integer("huge"), "metadata huge is 9223372036854775807, but must be a whole number");
    }

    @Test
    void namesAMissingKey() {
        GgufMetadata metadata = metadata(new GgufWriter());
        String message = "has no metadata llama.x, which the model needs; convert the model again";
        assertRefused(() -> metadata.requiredInteger("llama.x"), message);
        assertRefused(() -> metadata.strings("llama.x"), message);
        assertRefused(() -> metadata.floats("llama.x"), message);
        assertRefused(() -> metadata.integers("llama.x"), message);
    }

    private static void assertRefused(ThrowingCallable call, String message) {
        assertThatThrownBy(call)
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("x.gguf")
                .hasMessageContaining(message);
    }

    private static GgufMetadata metadata(GgufWriter builder) {
        return GgufFile.read("x.gguf", MemorySegment.ofArray(builder.build())).metadata();
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
