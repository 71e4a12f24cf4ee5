package io.github.sparkmixtral.cpu.jit;

import io.github.sparkmixtral.cpu.jit.FloatKernelWriter.Tile;
import io.github.sparkmixtral.cpu.jit.FloatKernelWriter.Use;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * A kernel over panels of weights, in machine code. It reads and writes memory by addresses that nobody checks. Any number of threads may
 * run it at once. A call takes some dozens of microseconds at most, so that it may read arrays of the heap, which the garbage collector does
 * not move meanwhile.
 */
public final class PanelKernel {

    /** Most rows of inputs that a kernel takes with weights that need scales. */
    public static final int QUANTIZED_ROWS = 12;

    /** Most rows of inputs that a kernel takes with other weights. */
    public static final int PLAIN_ROWS = 12;

    /** Most rows of integers that a kernel takes. */
    public static final int INTEGER_ROWS = 8;

    private static final MethodHandle CALL = Linker.nativeLinker()
            .downcallHandle(
                    FunctionDescriptor.ofVoid(
                            ValueLayout.JAVA_LONG,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG),
                    Linker.Option.critical(true));

    private final MemorySegment code;

    private PanelKernel(byte[] code) {
        this.code = NativeCode.executable(code);
    }

    /**
     * Writes the products of some rows with some panels: {@code out[panel, row, o] = sum over c of in[row, c] * panels[panel, c, o]}.
     *
     * @param panels at most {@link #panels(int)}
     * @param rows at most {@link #QUANTIZED_ROWS} or {@link #PLAIN_ROWS}
     * @param panelBytes from one panel to the next
     * @param rowBytes from one row of inputs to the next
     * @param table address of 16 floats, if the elements are indices
     */
    public static PanelKernel products(
            PanelLayout layout, int panels, int rows, int panelBytes, int rowBytes, long table) {
        return new PanelKernel(
                FloatKernelWriter.write(layout, Use.MULTIPLY, new Tile(panels, rows, panelBytes, rowBytes), table));
    }

    /** As {@link #products} of one panel, but adds to what is in {@code out}. */
    public static PanelKernel sums(PanelLayout layout, int rows, int rowBytes, long table) {
        return new PanelKernel(
                FloatKernelWriter.write(layout, Use.MULTIPLY_ADD, new Tile(1, rows, 0, rowBytes), table));
    }

    /**
     * As {@link #products}, but of rows of {@linkplain IntegerLayout integers}.
     *
     * @param rows at most {@link #INTEGER_ROWS}
     * @param askForNext whether the next panel is asked for meanwhile, and not what is left of this one, which is in the cache already
     */
    public static PanelKernel integerProducts(
            PanelLayout layout, int panels, int rows, int panelBytes, int rowBytes, boolean askForNext) {
        return new PanelKernel(IntegerKernelWriter.write(layout, panels, rows, panelBytes, rowBytes, askForNext));
    }

    /** Makes {@linkplain IntegerLayout integers} of a row of floats. Neither has panels; its groups are blocks. */
    public static PanelKernel integerRow() {
        return new PanelKernel(IntegerRowWriter.write());
    }

    /** Writes the weights of one panel as floats {@code [inputs, WIDTH]}. */
    public static PanelKernel decoder(PanelLayout layout, long table) {
        return new PanelKernel(FloatKernelWriter.write(layout, Use.DECODE, new Tile(1, 0, 0, 0), table));
    }

    /** How many panels are best worked on at once, so that enough sums are under way while each waits for its last addition. */
    public static int panels(int rows) {
        return rows == 1 ? 4 : rows == 2 ? 2 : 1;
    }

    /**
     * Runs the kernel over the inputs {@code [firstGroup * group, (firstGroup + groups) * group)} of its panels.
     *
     * @param panel address of the first panel
     * @param in rows of inputs, on the heap or off it
     * @param input byte in {@code in} of the first row's first of these inputs, as floats
     * @param out address of floats: {@code [panels, rows, WIDTH]}, or {@code [groups * group, WIDTH]} for decoded weights
     * @param groups at least one
     */
    public void run(long panel, MemorySegment in, long input, long out, long firstGroup, long groups) {
        try {
            CALL.invokeExact(code, panel, in, input, out, firstGroup, groups);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
