package io.github.sparkmixtral.tokenizer;

import io.github.sparkmixtral.file.ModelException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Walks over the fields of one protobuf message in memory (protobuf.dev, "Encoding"). Call {@link #next}, then the method for
 * the field's type, or {@link #skip}. Every fault is a {@link ModelException} that names the source and the message.
 */
final class ProtobufReader {
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int LENGTH_DELIMITED = 2;
    private static final int FIXED32 = 5;

    private final String source;
    private final String message;
    private final ByteBuffer data;
    private int wireType;

    ProtobufReader(String source, String message, ByteBuffer data) {
        this.source = source;
        this.message = message;
        this.data = data.order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Number of the next field, or 0 at the end of the message. */
    int next() {
        if (!data.hasRemaining()) {
            return 0;
        }
        long tag = readVarint();
        wireType = (int) (tag & 7);
        long field = tag >>> 3;
        if (field < 1 || field > (1 << 29) - 1) {
            throw fault("field number " + field);
        }
        return (int) field;
    }

    long varint(String field) {
        requireType(field, VARINT);
        return readVarint();
    }

    boolean bool(String field) {
        return varint(field) != 0;
    }

    float fixed32AsFloat(String field) {
        requireType(field, FIXED32);
        requireBytes(Float.BYTES);
        return data.getFloat();
    }

    String string(String field) {
        ByteBuffer bytes = bytes(field);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            throw fault("field " + field + " is not valid UTF-8", e);
        }
    }

    ProtobufReader message(String field) {
        return new ProtobufReader(source, field, bytes(field));
    }

    int length(String field) {
        return bytes(field).remaining();
    }

    void skip() {
        switch (wireType) {
            case VARINT -> readVarint();
            case FIXED64 -> skipBytes(Long.BYTES);
            case LENGTH_DELIMITED -> skipBytes(readVarint());
            case FIXED32 -> skipBytes(Integer.BYTES);
            default -> throw fault("wire type " + wireType);
        }
    }

    private ByteBuffer bytes(String field) {
        requireType(field, LENGTH_DELIMITED);
        long length = readVarint();
        requireBytes(length);
        ByteBuffer slice = data.slice(data.position(), (int) length);
        data.position(data.position() + (int) length);
        return slice;
    }

    private void skipBytes(long count) {
        requireBytes(count);
        data.position(data.position() + (int) count);
    }

    private long readVarint() {
        long value = 0;
        for (int shift = 0; shift < Long.SIZE; shift += 7) {
            requireBytes(1);
            byte next = data.get();
            value |= (next & 0x7FL) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw fault("a number of more than 64 bits");
    }

    private void requireType(String field, int expected) {
        if (wireType != expected) {
            throw fault("field " + field + " has wire type " + wireType + ", not " + expected);
        }
    }

    private void requireBytes(long count) {
        if (count < 0 || count > data.remaining()) {
            throw fault("it ends in the middle of a field: " + Long.toUnsignedString(count) + " bytes wanted, "
                    + data.remaining() + " left");
        }
    }

    private ModelException fault(String what) {
        return fault(what, null);
    }

    private ModelException fault(String what, Throwable cause) {
        return new ModelException(
                source + " is no SentencePiece model or is damaged: in " + message + ", at byte " + data.position()
                        + ": " + what,
                cause);
    }
}
