package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.memory.AnonymousMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Memory for weights, keys and values in the kernel's large pages, where there are any: a decoding step streams through all of it, and
 * with pages of 4 KiB it waits for address translations. Only a wish is passed to the kernel ({@code madvise(MADV_HUGEPAGE)} of Linux, see madvise(2)),
 * before the memory is touched for the first time; where that is not possible, the memory is the same with small pages.
 */
public final class HugePages {

    private static final Logger LOG = LoggerFactory.getLogger(HugePages.class);

    private static final long PAGE = 2L << 20;

    private HugePages() {}

    /**
     * Memory full of zeros, which is taken from the machine as it is written.
     *
     * @param arena closing it gives the memory back
     * @throws OutOfMemoryError where the address space, or what the system may promise, does not suffice
     */
    public static MemorySegment allocate(long bytes, Arena arena) {
        String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
        if (system.equals("Linux amd64") || system.equals("Linux aarch64")) {
            try {
                return map(bytes, arena);
            } catch (IllegalCallerException e) {
                LOG.debug("No large pages without --enable-native-access", e);
            }
        }
        return arena.allocate(bytes, 64);
    }

    private static MemorySegment map(long bytes, Arena arena) {
        MemorySegment memory = AnonymousMemory.map(bytes + PAGE, arena);
        if (!AnonymousMemory.wishForLargePages(memory)) {
            LOG.debug("The system has no large pages");
        }
        return memory.asSlice(Math.ceilDiv(memory.address(), PAGE) * PAGE - memory.address(), bytes);
    }
}
