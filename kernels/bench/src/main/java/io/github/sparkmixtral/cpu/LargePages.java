package io.github.sparkmixtral.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory as the CPU backend takes it for weights: what is measured as a limit must not read from a worse kind. */
public final class LargePages {

    private LargePages() {}

    /**
     * Memory full of zeros, in large pages where the system gives them.
     *
     * @param arena closing it gives the memory back
     */
    public static MemorySegment allocate(long bytes, Arena arena) {
        return HugePages.allocate(bytes, arena);
    }
}
