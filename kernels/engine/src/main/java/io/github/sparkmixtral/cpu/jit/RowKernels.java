package io.github.sparkmixtral.cpu.jit;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * What is done to whole rows of floats, in machine code. Rows are taken 16 elements at a time, at least once, and may lie on the heap: a call
 * takes some microseconds at most.
 */
public final class RowKernels {

    /** Elements of a vector. */
    public static final int LANES = 16;

    private static final MethodHandle CALL = Linker.nativeLinker()
            .downcallHandle(
                    FunctionDescriptor.ofVoid(
                            ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG),
                    Linker.Option.critical(true));

    private static final MemorySegment SWI_GLU = NativeCode.executable(RowWriter.swiGlu());
    private static final MemorySegment SQUARES = NativeCode.executable(RowWriter.squares());
    private static final MemorySegment SCALE = NativeCode.executable(RowWriter.scale());
    private static final MemorySegment SUMS = NativeCode.executable(RowWriter.sums());
    private static final MemorySegment EXPONENTIALS = NativeCode.executable(RowWriter.exponentials());
    private static final MemorySegment ACCUMULATE = NativeCode.executable(RowWriter.accumulate());

    private RowKernels() {}

    /** {@code gate = gate / (1 + exp(-gate)) * up}, with the exponential of the kernels on the Vector API. */
    public static void swiGlu(MemorySegment gate, MemorySegment up, int vectors) {
        call(SWI_GLU, gate, up, MemorySegment.NULL, 0, vectors);
    }

    /** {@code out[lane] = sum over i of in[16 i + lane]^2}, fused and in ascending order. */
    public static void squares(MemorySegment out, MemorySegment in, int vectors) {
        call(SQUARES, out, in, MemorySegment.NULL, 0, vectors);
    }

    /** {@code out[lane] = sum over i of in[16 i + lane]}, in ascending order. */
    public static void sums(MemorySegment out, MemorySegment in, int vectors) {
        call(SUMS, out, in, MemorySegment.NULL, 0, vectors);
    }

    /**
     * {@code row = exp(row - m)}, where {@code m} is the largest element, or {@code least} if that is larger.
     *
     * @param out receives {@code m} in each of 16 lanes; another number if one of the elements is none
     */
    public static void exponentials(MemorySegment row, MemorySegment out, float least, int vectors) {
        call(EXPONENTIALS, row, out, MemorySegment.NULL, least, vectors);
    }

    /** {@code out = in * scale * weight} */
    public static void scale(MemorySegment out, MemorySegment in, MemorySegment weight, float scale, int vectors) {
        call(SCALE, out, in, weight, scale, vectors);
    }

    /** {@code sum += weight * addend}, fused. */
    public static void accumulate(MemorySegment sum, MemorySegment addend, float weight, int vectors) {
        call(ACCUMULATE, sum, addend, MemorySegment.NULL, weight, vectors);
    }

    private static void call(
            MemorySegment code,
            MemorySegment first,
            MemorySegment second,
            MemorySegment third,
            float number,
            int vectors) {
        try {
            CALL.invokeExact(code, first, second, third, (long) Float.floatToRawIntBits(number), (long) vectors);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
