package io.github.sparkmixtral.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Memory between two pages that may not be touched: whoever reads or writes past its end, or before its beginning, ends the process. */
final class GuardedMemory {

    private static final long PAGE = 4096;
    private static final int PROT_NONE = 0;
    private static final int PROT_READ_WRITE = 1 | 2;
    private static final int MAP_PRIVATE_ANONYMOUS = 2 | 0x20;

    private GuardedMemory() {}

    /** Memory whose first byte, or whose last one, lies beside a page that may not be touched. */
    static MemorySegment allocate(long bytes, boolean atEnd, Arena arena) {
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
        MethodHandle mprotect = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("mprotect"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
        MethodHandle munmap = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("munmap"),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
        long inside = Math.ceilDiv(bytes, PAGE) * PAGE;
        long mapped = inside + 2 * PAGE;
        try {
            MemorySegment all = ((MemorySegment)
                            mmap.invokeExact(MemorySegment.NULL, mapped, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0L))
                    .reinterpret(mapped, arena, segment -> {
                        try {
                            int _ = (int) munmap.invokeExact(segment, mapped);
                        } catch (Throwable e) {
                            throw new AssertionError(e);
                        }
                    });
            int refused = (int) mprotect.invokeExact(all.asSlice(PAGE), inside, PROT_READ_WRITE);
            if (refused != 0) {
                throw new AssertionError("the system does not open memory");
            }
            return all.asSlice(atEnd ? PAGE + inside - bytes : PAGE, bytes);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
