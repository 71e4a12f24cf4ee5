package io.github.sparkmixtral.tensor;

import io.github.sparkmixtral.file.ModelException;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * A matrix {@code [rows, columns]}, row-major; a vector has one row. The data is a view (mapped file
 * or off-heap buffer) owned by the model, read-only, and exactly {@code type.bytes(rows * columns)} bytes long. It
 * need not be aligned: read with unaligned value layouts. Where the file has another layout, there is no data but a source of rows:
 * matrices are to be read by a {@link RowReader}, which knows both.
 *
 * @param data empty where there is a {@code source}
 */
public record Tensor(
        String name, TensorType type, int rows, int columns, MemorySegment data, Optional<RowSource> source) {

    public Tensor {
        if (columns % type.blockSize() != 0) {
            throw new ModelException("tensor " + name + " has rows of " + columns
                    + " elements, which is no multiple of " + type + "'s block of " + type.blockSize());
        }
        long bytes = source.isPresent() ? 0 : type.bytes((long) rows * columns);
        if (data.byteSize() != bytes) {
            throw new ModelException("tensor " + name + " [" + rows + ", " + columns + "] of type " + type + " needs "
                    + bytes + " bytes, not " + data.byteSize());
        }
    }

    /** A matrix that lies in memory as it is. */
    public Tensor(String name, TensorType type, int rows, int columns, MemorySegment data) {
        this(name, type, rows, columns, data, Optional.empty());
    }

    /** A matrix whose rows are made when they are read. */
    public Tensor(String name, TensorType type, int rows, int columns, RowSource source) {
        this(name, type, rows, columns, MemorySegment.NULL, Optional.of(source));
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
