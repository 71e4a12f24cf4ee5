package io.github.sparkmixtral.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
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
    private static final int MADV_HUGEPAGE = 14;
    private static final int PROT_READ_WRITE = 1 | 2;
    private static final int MAP_PRIVATE_ANONYMOUS = 2 | 0x20;

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
        Linker linker = Linker.nativeLinker();
        MethodHandle mmap = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("mmap"),
                FunctionDescriptor.of(
                        ValueLayout.ADDRESS,
                        ValueLayout.ADDRESS,
                        ValueLayout.JAVA_LONG,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_LONG));
        MethodHandle munmap = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("munmap"),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
        MethodHandle madvise = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("madvise"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
        long mapped = bytes + PAGE;
        try {
            MemorySegment memory = (MemorySegment)
                    mmap.invokeExact(MemorySegment.NULL, mapped, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
            if (memory.address() == -1) {
                throw new OutOfMemoryError("no " + bytes + " bytes of memory for weights");
            }
            MemorySegment owned = memory.reinterpret(mapped, arena, segment -> {
                try {
                    int _ = (int) munmap.invokeExact(segment, mapped);
                } catch (Throwable e) {
                    throw new IllegalStateException(e);
                }
            });
            int refused = (int) madvise.invokeExact(owned, mapped, MADV_HUGEPAGE);
            if (refused != 0) {
                LOG.debug("The system has no large pages");
            }
            return owned.asSlice(Math.ceilDiv(owned.address(), PAGE) * PAGE - owned.address(), bytes);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
