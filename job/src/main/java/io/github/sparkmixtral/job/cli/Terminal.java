package io.github.sparkmixtral.job.cli;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import java.util.Map;

/**
 * A stream of this process that may be a terminal. The C library is asked: Java tells neither whether standard error is one nor how
 * wide it is. If it cannot be asked, the stream counts as none.
 */
enum Terminal {
    STANDARD_OUTPUT(1),
    STANDARD_ERROR(2);

    /** The request that fills a {@code struct winsize}: rows and columns, and two more numbers of 16 bits. */
    private static final long WINDOW_SIZE =
            System.getProperty("os.name").toLowerCase(Locale.ROOT).contains("mac") ? 0x40087468L : 0x5413L;

    private final int descriptor;

    Terminal(int descriptor) {
        this.descriptor = descriptor;
    }

    boolean isTerminal() {
        try {
            return isCallable()
                    && (int) function("isatty", ValueLayout.JAVA_INT).invokeExact(descriptor) == 1;
        } catch (Throwable t) {
            return false;
        }
    }

    /**
     * How many columns a line may have.
     *
     * @param environment its {@code COLUMNS} wins
     * @param otherwise for a stream that is no terminal, or does not say
     */
    int columns(Map<String, String> environment, int otherwise) {
        String wanted = environment.getOrDefault("COLUMNS", "");
        if (wanted.matches("[1-9]\\d{0,4}")) {
            return Integer.parseInt(wanted);
        }
        int found = windowColumns();
        return found > 0 ? found : otherwise;
    }

    private int windowColumns() {
        if (!isTerminal()) {
            return 0;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(4 * ValueLayout.JAVA_SHORT.byteSize());
            MethodHandle ioctl = Linker.nativeLinker()
                    .downcallHandle(
                            Linker.nativeLinker().defaultLookup().findOrThrow("ioctl"),
                            FunctionDescriptor.of(
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.JAVA_LONG,
                                    ValueLayout.ADDRESS),
                            Linker.Option.firstVariadicArg(2));
            int failed = (int) ioctl.invokeExact(descriptor, WINDOW_SIZE, size);
            return failed != 0 ? 0 : Short.toUnsignedInt(size.getAtIndex(ValueLayout.JAVA_SHORT, 1));
        } catch (Throwable t) {
            return 0;
        }
    }

    /** Lets the stream lead where another descriptor does; it stays as it is if there is no such descriptor. */
    void leadTo(int other) {
        try {
            if (isCallable()) {
                int _ = (int) function("dup2", ValueLayout.JAVA_INT, ValueLayout.JAVA_INT)
                        .invokeExact(other, descriptor);
            }
        } catch (Throwable t) {
            // What is printed goes through the launcher's filter, then.
        }
    }

    /** Without the flag of conf/spark-defaults.conf the JVM would print warnings. */
    private static boolean isCallable() {
        return Terminal.class.getModule().isNativeAccessEnabled();
    }

    private static MethodHandle function(String name, ValueLayout... arguments) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }
}
