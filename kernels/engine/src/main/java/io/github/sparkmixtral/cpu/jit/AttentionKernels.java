package io.github.sparkmixtral.cpu.jit;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;

/**
 * The products of attention for one size of heads, in machine code, each written when it is first needed. They take some microseconds at
 * most, so that they may work on arrays of the heap, which the garbage collector does not move meanwhile. Thread-safe.
 */
public final class AttentionKernels {

    /** Most heads that a call takes. */
    public static final int HEADS = 4;

    /** Most blocks of keys that a call takes. */
    public static final int BLOCKS = 4;

    private static final Linker.Option ON_HEAP = Linker.Option.critical(true);
    private static final MethodHandle SCORES = Linker.nativeLinker()
            .downcallHandle(
                    FunctionDescriptor.ofVoid(
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.ADDRESS),
                    ON_HEAP);
    private static final MethodHandle VALUES = Linker.nativeLinker()
            .downcallHandle(
                    FunctionDescriptor.ofVoid(
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.ADDRESS,
                            ValueLayout.JAVA_LONG),
                    ON_HEAP);

    private final int size;
    private final int stride;
    private final int scoreBytes;
    private final float scale;
    private final AtomicReferenceArray<MemorySegment> scores = new AtomicReferenceArray<>(HEADS * BLOCKS);
    private final AtomicReferenceArray<MemorySegment> values = new AtomicReferenceArray<>(HEADS);

    /**
     * @param size of a head
     * @param stride floats from one token's value to the next one's
     * @param span floats from one head's scores to the next one's
     * @param scale of scores
     */
    public AttentionKernels(int size, int stride, int span, float scale) {
        this.size = size;
        this.stride = stride;
        this.scoreBytes = span * Float.BYTES;
        this.scale = scale;
    }

    /**
     * Writes scores {@code [heads, blocks * 16]}, a head's a span apart.
     *
     * @param queries of the heads, one behind the other, from the byte {@code query} on
     * @param keys addresses of blocks {@code [size, 16]}
     * @param score byte where scores begin
     */
    public void scores(
            MemorySegment queries,
            long query,
            int heads,
            MemorySegment keys,
            int blocks,
            MemorySegment out,
            long score) {
        MemorySegment code = get(
                scores,
                (heads - 1) * BLOCKS + blocks - 1,
                () -> AttentionWriter.scores(heads, blocks, size, scoreBytes, scale));
        try {
            SCORES.invokeExact(code, queries, query, out, score, keys);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /**
     * Adds weighted values to sums {@code [heads, stride]}.
     *
     * @param sums from the byte {@code sum} on
     * @param weights of the tokens, a head's a span apart, from the byte {@code weight} on
     * @param tokens for each block the address of the first value that counts, and how many do
     */
    public void values(
            MemorySegment sums,
            long sum,
            int heads,
            MemorySegment weights,
            long weight,
            MemorySegment tokens,
            int blocks) {
        MemorySegment code = get(values, heads - 1, () -> AttentionWriter.values(heads, stride, scoreBytes));
        try {
            VALUES.invokeExact(code, sums, sum, weights, weight, tokens, (long) blocks);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static IllegalStateException unexpected(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return new IllegalStateException(thrown);
    }

    private static MemorySegment get(AtomicReferenceArray<MemorySegment> kernels, int index, Supplier<byte[]> written) {
        MemorySegment kernel = kernels.getAcquire(index);
        if (kernel == null) {
            kernel = NativeCode.executable(written.get());
            kernels.setRelease(index, kernel);
        }
        return kernel;
    }
}
