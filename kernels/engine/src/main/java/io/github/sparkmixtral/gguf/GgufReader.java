package io.github.sparkmixtral.gguf;

import io.github.sparkmixtral.file.ModelException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.function.LongConsumer;

/** A cursor over a GGUF file that checks every length against what is left of the file before it reads or allocates. */
final class GgufReader {
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String file;
    private final MemorySegment content;
    private final LongConsumer needed;
    private long position;

    GgufReader(String file, MemorySegment content, long position) {
        this(file, content, position, _ -> {});
    }

    /** @param needed told how many bytes of the file must be there, before they are read */
    GgufReader(String file, MemorySegment content, long position, LongConsumer needed) {
        this.file = file;
        this.content = content;
        this.position = position;
        this.needed = needed;
    }

    String file() {
        return file;
    }

    long position() {
        return position;
    }

    /** Bytes not read yet. */
    long remaining() {
        return content.byteSize() - position;
    }

    byte int8(String what) {
        return content.get(BYTE, advance(1, what));
    }

    short int16(String what) {
        return content.get(SHORT, advance(2, what));
    }

    int int32(String what) {
        return content.get(INT, advance(4, what));
    }

    long int64(String what) {
        return content.get(LONG, advance(8, what));
    }

    float float32(String what) {
        return content.get(FLOAT, advance(4, what));
    }

    double float64(String what) {
        return content.get(DOUBLE, advance(8, what));
    }

    /** An unsigned 64-bit count of at most {@code most}. */
    long count(String what, long most) {
        long count = int64(what);
        if (count < 0 || count > most) {
            throw new ModelException(
                    "%s: %s is %s, more than the %d that fit: the file is truncated or damaged; fetch it again"
                            .formatted(file, what, Long.toUnsignedString(count), most));
        }
        return count;
    }

    /** A string of at most {@code most} bytes; malformed UTF-8 becomes replacement characters. */
    String string(String what, int most) {
        int length = (int) count("the length of " + what, Math.min(most, Math.max(0, remaining() - 8)));
        byte[] bytes = new byte[length];
        MemorySegment.copy(content, BYTE, advance(length, what), bytes, 0, length);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    void skipString(String what) {
        skip(count("the length of " + what, Math.max(0, remaining() - 8)), what);
    }

    void skip(long bytes, String what) {
        advance(bytes, what);
    }

    private long advance(long bytes, String what) {
        if (bytes > remaining()) {
            throw new ModelException("%s ends in the middle of %s: the file is truncated or damaged; fetch it again"
                    .formatted(file, what));
        }
        long at = position;
        position += bytes;
        needed.accept(position);
        return at;
    }
}
