package io.github.sparkmixtral.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Pages that belong to no file, from Linux itself: mmap(2), mprotect(2) and madvise(2). On other systems the numbers mean something else:
 * nobody may call this there.
 */
public final class AnonymousMemory {

    private static final int MAP_PRIVATE_ANONYMOUS = 2 | 0x20;
    private static final long MAP_FAILED = -1;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_HUGEPAGE = 14;

    private static final MethodHandle MMAP = function(
            "mmap",
            FunctionDescriptor.of(
                    ValueLayout.ADDRESS,
                    ValueLayout.ADDRESS,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG));
    private static final MethodHandle MUNMAP =
            function("munmap", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
    private static final MethodHandle MPROTECT = function(
            "mprotect",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
    private static final MethodHandle MADVISE = function(
            "madvise",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

    /** What may be done with pages. */
    public enum Access {
        NONE(0),
        READ_AND_WRITE(1 | 2),
        READ_AND_EXECUTE(1 | 4);

        private final int flags;

        Access(int flags) {
            this.flags = flags;
        }
    }

    private AnonymousMemory() {}

    /** Null if this code may not call native functions: {@link #map} says so each time, which a failed initializer would not. */
    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
        Linker linker = Linker.nativeLinker();
        try {
            return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), descriptor);
        } catch (IllegalCallerException e) {
            return null;
        }
    }

    /**
     * Maps pages full of zeros, to read and to write; they are taken from the machine as they are written.
     *
     * @param arena closing it gives them back
     * @throws OutOfMemoryError if the address space, or what the system may promise, does not suffice
     * @throws IllegalCallerException if the JVM insists on {@code --enable-native-access}
     */
    public static MemorySegment map(long bytes, Arena arena) {
        if (MMAP == null) {
            throw new IllegalCallerException("it needs the JVM option --enable-native-access=ALL-UNNAMED");
        }
        MemorySegment memory;
        try {
            memory = (MemorySegment) MMAP.invokeExact(
                    MemorySegment.NULL, bytes, Access.READ_AND_WRITE.flags, MAP_PRIVATE_ANONYMOUS, -1, 0L);
        } catch (Throwable e) {
            throw unexpected(e);
        }
        if (memory.address() == MAP_FAILED) {
            throw new OutOfMemoryError("the system maps no " + bytes + " bytes of memory");
        }
        return memory.reinterpret(bytes, arena, AnonymousMemory::unmap);
    }

    private static void unmap(MemorySegment mapped) {
        try {
            int _ = (int) MUNMAP.invokeExact(mapped, mapped.byteSize());
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** Changes what may be done with whole pages; false if the system refuses. */
    public static boolean protect(MemorySegment pages, Access access) {
        try {
            return (int) MPROTECT.invokeExact(pages, pages.byteSize(), access.flags) == 0;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** Wishes for large pages, before any was touched; false if the system has none. */
    public static boolean wishForLargePages(MemorySegment pages) {
        try {
            return (int) MADVISE.invokeExact(pages, pages.byteSize(), MADV_HUGEPAGE) == 0;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /**
     * Gives the memory of whole pages of a private mapping back; they are then as when they were mapped. False if the system refuses, or
     * if this code may not call native functions.
     */
    public static boolean drop(MemorySegment pages) {
        try {
            return MADVISE != null && (int) MADVISE.invokeExact(pages, pages.byteSize(), MADV_DONTNEED) == 0;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static RuntimeException unexpected(Throwable thrown) {
        return switch (thrown) {
            case RuntimeException exception -> exception;
            case Error error -> throw error;
            default -> new IllegalStateException(thrown);
        };
    }
}
