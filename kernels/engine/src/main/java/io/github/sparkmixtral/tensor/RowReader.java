package io.github.sparkmixtral.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Reads a tensor's rows, whether they lie in memory or are made by a {@link RowSource}: then some at a time, because layouts in
 * which the elements of a row are far apart have those of its neighbours close by. For one thread.
 */
public final class RowReader {
    /** Rows that are made together: as many as a backend packs into one panel. */
    private static final int TOGETHER = 32;

    private final Tensor tensor;
    private MemorySegment made = MemorySegment.NULL;
    private int first;
    private int count;

    public RowReader(Tensor tensor) {
        this.tensor = tensor;
    }

    /** The row's bytes, in the tensor's type; valid until another row is read. */
    public MemorySegment row(int row) {
        long bytes = tensor.rowBytes();
        if (tensor.source().isEmpty()) {
            return tensor.data().asSlice(row * bytes, bytes);
        }
        if (row < first || row >= first + count) {
            int start = row / TOGETHER * TOGETHER;
            int rows = Math.min(TOGETHER, tensor.rows() - start);
            if (made.byteSize() == 0) {
                made = MemorySegment.ofArray(new byte[Math.toIntExact(Math.min(TOGETHER, tensor.rows()) * bytes)]);
            }
            count = 0;
            tensor.source().get().read(start, rows, made);
            first = start;
            count = rows;
        }
        return made.asSlice((row - first) * bytes, bytes);
    }
}
