package io.github.sparkmixtral.testkit;

import io.github.sparkmixtral.tensor.TensorType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes GGUF files, sound ones and lying ones, after the
 * <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">specification</a>. Shapes are in the file's order, the innermost
 * dimension first. Tensors are not copied before they are written, so that files may be larger than the heap.
 */
public final class GgufWriter {
    private static final long MOST_AT_ONCE = 1 << 30;

    private final ByteArrayOutputStream metadata = new ByteArrayOutputStream();
    private final ByteArrayOutputStream headers = new ByteArrayOutputStream();
    private final List<MemorySegment> data = new ArrayList<>();
    private int version = 3;
    private int alignment = 32;
    private long pairs;
    private long tensors;
    private long dataBytes;

    /** The version that the file states: 3 otherwise. */
    public GgufWriter version(int version) {
        this.version = version;
        return this;
    }

    /** How the data of the tensors that follow is aligned: to 32 bytes otherwise. Does not write the metadata that says so. */
    public GgufWriter alignment(int alignment) {
        this.alignment = alignment;
        return this;
    }

    /** A pair of the value type that fits the value: String, Integer (as uint32), Float, Boolean, List of String, float[] or int[]. */
    public GgufWriter with(String key, Object value) {
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
    public GgufWriter raw(String key, int type, byte[] value) {
        metadata.writeBytes(string(key));
        metadata.writeBytes(int32(type));
        metadata.writeBytes(value);
        pairs++;
        return this;
    }

    /** A tensor of any type with any bytes. */
    public GgufWriter tensor(String name, int type, byte[] bytes, long... shape) {
        return tensor(name, type, List.of(MemorySegment.ofArray(bytes)), shape);
    }

    /** A tensor of matrices that follow one another; their memory is read when the file is written. */
    public GgufWriter tensor(String name, TensorType type, List<MemorySegment> parts, long... shape) {
        return tensor(name, number(type), parts, shape);
    }

    private GgufWriter tensor(String name, int type, List<MemorySegment> parts, long... shape) {
        header(name, type, dataBytes, shape);
        parts.forEach(this::data);
        data(padding(dataBytes));
        return this;
    }

    private void data(MemorySegment bytes) {
        data.add(bytes);
        dataBytes += bytes.byteSize();
    }

    /** A tensor's header without its data. */
    public GgufWriter header(String name, int type, long offset, long... shape) {
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

    /** The file's bytes. */
    public byte[] build() {
        return build(tensors, pairs);
    }

    /** The file's bytes, with counts that may lie. */
    public byte[] build(long statedTensors, long statedPairs) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            write(Channels.newChannel(bytes), statedTensors, statedPairs);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** Writes the file, or writes it anew. */
    public void write(Path file) throws IOException {
        try (FileChannel out = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            write(out, tensors, pairs);
        }
    }

    private void write(WritableByteChannel out, long statedTensors, long statedPairs) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        head.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        head.writeBytes(int32(version));
        head.writeBytes(int64(statedTensors));
        head.writeBytes(int64(statedPairs));
        head.writeBytes(metadata.toByteArray());
        head.writeBytes(headers.toByteArray());
        write(out, MemorySegment.ofArray(head.toByteArray()));
        write(out, padding(head.size()));
        for (MemorySegment bytes : data) {
            write(out, bytes);
        }
    }

    /** A buffer has no more than two billion bytes, a matrix may have. */
    private static void write(WritableByteChannel out, MemorySegment bytes) throws IOException {
        for (long at = 0; at < bytes.byteSize(); at += MOST_AT_ONCE) {
            ByteBuffer part = bytes.asSlice(at, Math.min(MOST_AT_ONCE, bytes.byteSize() - at))
                    .asByteBuffer();
            while (part.hasRemaining()) {
                out.write(part);
            }
        }
    }

    private MemorySegment padding(long size) {
        return MemorySegment.ofArray(new byte[Math.floorMod(-size, alignment)]);
    }

    /** The number that the format gives a type ({@code ggml_type}). */
    private static int number(TensorType type) {
        return switch (type) {
            case F32 -> 0;
            case F16 -> 1;
            case Q4_0 -> 2;
            case Q4_1 -> 3;
            case Q5_0 -> 6;
            case Q5_1 -> 7;
            case Q8_0 -> 8;
            case Q2_K -> 10;
            case Q3_K -> 11;
            case Q4_K -> 12;
            case Q5_K -> 13;
            case Q6_K -> 14;
            case IQ4_NL -> 20;
            case IQ4_XS -> 23;
            case BF16 -> 30;
            case TQ1_0 -> 34;
            case TQ2_0 -> 35;
            case MXFP4 -> 39;
            case NF4 -> throw new IllegalArgumentException("no GGUF file has the type " + type);
        };
    }

    private static ByteArrayOutputStream array(int type, int count) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(int32(type));
        out.writeBytes(int64(count));
        return out;
    }

    private static byte[] string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + bytes.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(bytes.length)
                .put(bytes)
                .array();
    }

    private static byte[] int32(int value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array();
    }

    /** A number of 64 bits as the file holds it. */
    public static byte[] int64(long value) {
        return ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
    }
}
