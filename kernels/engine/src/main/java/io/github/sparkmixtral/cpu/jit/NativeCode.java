package io.github.sparkmixtral.cpu.jit;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Whether this process may write machine code here, and the memory for it, which is never writable and executable at once. */
public final class NativeCode {

    /** What kernels need of a processor, by the names of {@code /proc/cpuinfo}: there only if the system saves the registers, too. */
    private static final List<String> FLAGS = List.of("avx512f", "avx512bw");

    private static final Path PROCESSORS = Path.of("/proc/cpuinfo");
    private static final int PROT_READ_WRITE = 1 | 2;
    private static final int PROT_READ_EXECUTE = 1 | 4;
    private static final int MAP_PRIVATE_ANONYMOUS = 2 | 0x20;
    private static final long MAP_FAILED = -1;

    /** {@code ret} */
    private static final byte[] NOTHING = {(byte) 0xC3};

    private NativeCode() {}

    /** The reason why there can be no native code, found once. */
    public static Optional<String> unavailable() {
        return Availability.REASON;
    }

    private static final class Availability {
        static final Optional<String> REASON = find();

        private static Optional<String> find() {
            String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
            if (!system.equals("Linux amd64")) {
                return Optional.of("it needs Linux on x86-64, not " + system);
            }
            List<String> flags = flags();
            for (String flag : FLAGS) {
                if (!flags.contains(flag)) {
                    return Optional.of("it needs a processor with " + flag);
                }
            }
            try {
                executable(NOTHING);
                return Optional.empty();
            } catch (IllegalStateException | IllegalCallerException e) {
                return Optional.of("this process may not have memory for code: " + e.getMessage());
            }
        }

        private static List<String> flags() {
            try {
                return Files.readAllLines(PROCESSORS).stream()
                        .filter(line -> line.startsWith("flags"))
                        .findFirst()
                        .map(line -> Arrays.asList(line.split("\\s+")))
                        .orElse(List.of());
            } catch (IOException e) {
                return List.of();
            }
        }
    }

    /**
     * Puts code where it can be called, for as long as the process lives: there are few kernels, and any thread may be in one.
     *
     * @return where it begins
     * @throws IllegalStateException if the system refuses
     * @throws IllegalCallerException without {@code --enable-native-access}, if the JVM insists on that
     */
    static MemorySegment executable(byte[] code) {
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
        long bytes = code.length;
        try {
            MemorySegment memory = (MemorySegment)
                    mmap.invokeExact(MemorySegment.NULL, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
            if (memory.address() == MAP_FAILED) {
                throw new IllegalStateException("the system maps no memory");
            }
            MemorySegment mapped = memory.reinterpret(bytes, Arena.global(), null);
            mapped.copyFrom(MemorySegment.ofArray(code));
            int refused = (int) mprotect.invokeExact(mapped, bytes, PROT_READ_EXECUTE);
            if (refused != 0) {
                throw new IllegalStateException("the system does not make memory executable");
            }
            return mapped;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
