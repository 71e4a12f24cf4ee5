package io.github.sparkmixtral.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Makes the rows of a {@link Tensor} that its file holds in a layout of its own. They are made anew whenever they are read, so that the
 * model takes no memory beside its file and what a backend packs. Any number of threads may read at once.
 */
@FunctionalInterface
public interface RowSource {
    /**
     * Makes the rows {@code [first, first + count)} in the tensor's type.
     *
     * @param out receives them from its first byte on
     * @throws io.github.sparkmixtral.file.ModelException where the file holds what cannot be
     */
    void read(int first, int count, MemorySegment out);
}
