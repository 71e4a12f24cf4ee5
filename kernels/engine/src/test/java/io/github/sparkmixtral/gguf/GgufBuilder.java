package io.github.sparkmixtral.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Writes GGUF files, sound ones and lying ones. Shapes are in the file's order, the innermost dimension first. */
public final class GgufBuilder {
    private final ByteArrayOutputStream metadata = new ByteArrayOutputStream();
    private final ByteArrayOutputStream headers = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private int version = 3;
    private int alignment = 32;
    private long pairs;
    private long tensors;

    public GgufBuilder version(int version) {
        this.version = version;
        return this;
    }

    /** How the data is aligned; does not write the metadata that says so. */
    public GgufBuilder alignment(int alignment) {
        this.alignment = alignment;
        return this;
    }

    /** A pair of the value type that fits the value: String, Integer (as uint32), Float, Boolean, List of String, float[] or int[]. */
    public GgufBuilder with(String key, Object value) {
        switch (value) {
            case String text -> raw(key, 8, string(text));
            case Integer number -> raw(key, 4, int32(number));
            case Float number -> raw(key, 6, int32(Float.floatToIntBits(number)));
            case Boolean flag -> raw(key, 7, new byte[] {(byte) (flag ? 1 : 0)});
            case List<?> texts -> {
                ByteArrayOutputStream all = array(8, texts.size());
                texts.forEach(text -> all.writeBytes(string((String) text)));
                raw(key, 9, all.toByteArray());
            }
            case float[] numbers -> {
                ByteArrayOutputStream all = array(6, numbers.length);
                for (float number : numbers) {
                    all.writeBytes(int32(Float.floatToIntBits(number)));
                }
                raw(key, 9, all.toByteArray());
            }
            case int[] numbers -> {
                ByteArrayOutputStream all = array(5, numbers.length);
                for (int number : numbers) {
                    all.writeBytes(int32(number));
                }
                raw(key, 9, all.toByteArray());
            }
            default -> throw new IllegalArgumentException(key);
        }
        return this;
    }

    /** A pair of any value type with any bytes. */
    public GgufBuilder raw(String key, int type, byte[] value) {
        metadata.writeBytes(string(key));
        metadata.writeBytes(int32(type));
        metadata.writeBytes(value);
        pairs++;
        return this;
    }

    public GgufBuilder tensor(String name, int type, byte[] bytes, long... shape) {
        header(name, type, data.size(), shape);
        data.writeBytes(bytes);
        pad(data, data.size());
        return this;
    }

    /** A tensor's header without its data. */
    public GgufBuilder header(String name, int type, long offset, long... shape) {
        headers.writeBytes(string(name));
        headers.writeBytes(int32(shape.length));
        for (long dimension : shape) {
            headers.writeBytes(int64(dimension));
        }
        headers.writeBytes(int32(type));
        headers.writeBytes(int64(offset));
        tensors++;
        return this;
    }

    public byte[] build() {
        return build(tensors, pairs);
    }

    /** With counts that may lie. */
    public byte[] build(long statedTensors, long statedPairs) {
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        file.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        file.writeBytes(int32(version));
        file.writeBytes(int64(statedTensors));
        file.writeBytes(int64(statedPairs));
        file.writeBytes(metadata.toByteArray());
        file.writeBytes(headers.toByteArray());
        pad(file, file.size());
        file.writeBytes(data.toByteArray());
        return file.toByteArray();
    }

    private void pad(ByteArrayOutputStream out, int size) {
        out.writeBytes(new byte[Math.floorMod(-size, alignment)]);
    }

    private static ByteArrayOutputStream array(int type, int count) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(int32(type));
        out.writeBytes(int64(count));
        return out;
    }

    static byte[] string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + bytes.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(bytes.length)
                .put(bytes)
                .array();
    }

    static byte[] int32(int value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array();
    }

    static byte[] int64(long value) {
        return ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
    }
}
