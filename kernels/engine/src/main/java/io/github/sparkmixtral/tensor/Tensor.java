package io.github.sparkmixtral.tensor;

import io.github.sparkmixtral.file.ModelException;
import java.lang.foreign.MemorySegment;

/**
 * A matrix {@code [rows, columns]}, row-major, in its file's format; a vector has one row. The data is a view (mapped file
 * or off-heap buffer) owned by the model, read-only, and exactly {@code type.bytes(rows * columns)} bytes long. It
 * need not be aligned: read with unaligned value layouts.
 */
public record Tensor(String name, TensorType type, int rows, int columns, MemorySegment data) {

    public Tensor {
        if (columns % type.blockSize() != 0) {
            throw new ModelException("tensor " + name + " has rows of " + columns
                    + " elements, which is no multiple of " + type + "'s block of " + type.blockSize());
        }
        long bytes = type.bytes((long) rows * columns);
        if (data.byteSize() != bytes) {
            throw new ModelException("tensor " + name + " [" + rows + ", " + columns + "] of type " + type + " needs "
                    + bytes + " bytes, not " + data.byteSize());
        }
    }

    /** Number of weights. */
    public long elements() {
        return (long) rows * columns;
    }

    /** Bytes from one row to the next. */
    public long rowBytes() {
        return type.bytes(columns);
    }

    /** {@code count} of the rows, from {@code first} on, as a matrix of their own: a view, and no copy. */
    public Tensor rows(String part, int first, int count) {
        return new Tensor(
                name + "." + part, type, count, columns, data.asSlice(first * rowBytes(), count * rowBytes()));
    }
}
