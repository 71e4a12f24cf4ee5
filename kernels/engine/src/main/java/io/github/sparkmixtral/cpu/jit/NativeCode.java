package io.github.sparkmixtral.cpu.jit;

import io.github.sparkmixtral.memory.AnonymousMemory;
import io.github.sparkmixtral.memory.AnonymousMemory.Access;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Whether this process may write machine code here, and the memory for it, which is never writable and executable at once. */
public final class NativeCode {

    /** What kernels need of a processor, by its name in {@code /proc/cpuinfo}: there only if the system saves the registers, too. */
    private static final String FLAG = "avx512f";

    /** What products of integers need besides. */
    private static final String INTEGER_FLAG = "avx512_vnni";

    private static final Path PROCESSORS = Path.of("/proc/cpuinfo");

    /** {@code ret} */
    private static final byte[] NOTHING = {(byte) 0xC3};

    private NativeCode() {}

    /**
     * The reason why there can be no native code, found once.
     *
     * @param integers whether products of integers are wanted, too
     */
    public static Optional<String> unavailable(boolean integers) {
        if (integers && Availability.REASON.isEmpty() && !Availability.INTEGERS) {
            return Optional.of("it needs a processor with " + INTEGER_FLAG);
        }
        return Availability.REASON;
    }

    private static final class Availability {
        static final boolean INTEGERS = flags().contains(INTEGER_FLAG);
        static final Optional<String> REASON = find();

        private static Optional<String> find() {
            String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
            if (!system.equals("Linux amd64")) {
                return Optional.of("it needs Linux on x86-64, not " + system);
            }
            if (!flags().contains(FLAG)) {
                return Optional.of("it needs a processor with " + FLAG);
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
        MemorySegment memory = AnonymousMemory.map(code.length, Arena.global());
        memory.copyFrom(MemorySegment.ofArray(code));
        if (!AnonymousMemory.protect(memory, Access.READ_AND_EXECUTE)) {
            throw new IllegalStateException("the system does not make it executable");
        }
        return memory;
    }
}
