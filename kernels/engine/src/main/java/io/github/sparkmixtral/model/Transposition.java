package io.github.sparkmixtral.model;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.memory.AvailableMemory;
import io.github.sparkmixtral.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * Writes transposed matrices into memory of the model's own, with all processors.
 *
 * @param model for error messages
 * @param arena owns what is written
 */
record Transposition(String model, Arena arena) implements UnaryOperator<Tensor> {
    /** Rows and columns that are moved together, for the sake of cache lines. */
    private static final int BLOCK = 64;

    /** A matrix of the transposed one's shape without its values, which is all that a description needs. */
    static Tensor shape(Tensor tensor) {
        return new Tensor(tensor.name(), tensor.type(), tensor.columns(), tensor.rows(), tensor.data());
    }

    /** @param tensor {@code [rows, columns]} of a type that is not quantized */
    @Override
    public Tensor apply(Tensor tensor) {
        long bytes = tensor.data().byteSize();
        long free = new AvailableMemory().bytes();
        if (bytes > free) {
            throw new ModelException(
                    "%s has experts' w2 transposed, which takes memory to turn around: %d MiB for %s, but only %d MiB are free; take the model in Hugging Face's layout"
                            .formatted(model, bytes >> 20, tensor.name(), free >> 20));
        }
        MemorySegment out = arena.allocate(bytes, 64);
        IntStream.range(0, Math.ceilDiv(tensor.columns(), BLOCK)).parallel().forEach(block -> {
            int end = Math.min((block + 1) * BLOCK, tensor.columns());
            for (int rows = 0; rows < tensor.rows(); rows += BLOCK) {
                move(tensor, out, rows, Math.min(rows + BLOCK, tensor.rows()), block * BLOCK, end);
            }
        });
        return new Tensor(tensor.name(), tensor.type(), tensor.columns(), tensor.rows(), out);
    }

    private static void move(Tensor from, MemorySegment to, int firstRow, int endRow, int firstColumn, int endColumn) {
        int size = from.type().blockBytes();
        for (int column = firstColumn; column < endColumn; column++) {
            for (int row = firstRow; row < endRow; row++) {
                long source = ((long) row * from.columns() + column) * size;
                long target = ((long) column * from.rows() + row) * size;
                MemorySegment.copy(from.data(), source, to, target, size);
            }
        }
    }
}
