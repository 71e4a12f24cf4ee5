package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.jit.NativeCode;

/**
 * The arithmetic of a decoder layer. Every method works on one thread, on the rows and columns it is told, so that callers
 * may split the work as they like.
 *
 * <p>Contract: an element of a result depends on its own inputs only, bit for bit. How many rows are computed together, where
 * a row lies, how columns are split between calls and whether the code is interpreted or compiled make no difference.
 *
 * <p>Public, with the types of its arguments, for those who measure kernels: a backend is opened through its provider.
 */
public interface Kernels {

    /** What does the arithmetic. */
    enum Kind {
        /** Plain Java: the oracle of all others. */
        SCALAR,
        /** The JDK's Vector API. */
        VECTOR,
        /** As {@link #VECTOR}, but products with quants take integers of 16 bits, in plain Java. */
        VECTOR_INT16,
        /** Machine code that this process writes. */
        NATIVE_CODE,
        /** As {@link #NATIVE_CODE}, but products with quants take integers of 16 bits. */
        NATIVE_CODE_INT16,
        /** A native library, for products with weights that are rounded to bfloat16; for the rest what there is of the others. */
        BFLOAT16
    }

    /**
     * Kernels of a kind. All but the scalar ones need {@code --add-modules jdk.incubator.vector}.
     *
     * @throws IllegalStateException with the reason if this machine or process cannot run them
     */
    static Kernels of(Kind kind) {
        return switch (kind) {
            case SCALAR -> new ScalarKernels();
            case VECTOR -> new VectorKernels(Packing.FLOATS);
            case VECTOR_INT16 -> new VectorKernels(Packing.INTEGERS);
            case NATIVE_CODE -> new NativeKernels(Packing.FLOATS);
            case NATIVE_CODE_INT16 -> new NativeKernels(Packing.INTEGERS);
            case BFLOAT16 ->
                NativeCode.unavailable(false).isEmpty()
                        ? new NativeKernels(Packing.BFLOAT16)
                        : new VectorKernels(Packing.BFLOAT16);
        };
    }

    /** For the log: {@code scalar}, {@code vector 512}. */
    String name();

    /**
     * Root mean square normalization (Zhang and Sennrich 2019) of one row:
     * {@code out = in / sqrt(mean(in^2) + epsilon) * weight}.
     *
     * @param weight one per column, and zeros up to a multiple of {@link Matrix#LANES}
     */
    void rmsNorm(Matrix out, int outRow, Matrix in, int inRow, float[] weight, double epsilon);

    /** How {@link #gemm} wants its weights. */
    Packing packing();

    /** Zeros {@code [rows, columns]} for inputs of {@link #gemm}. */
    default Matrix inputs(int rows, int columns) {
        return Matrix.zeros(rows, columns);
    }

    /** Gets a row of {@link #inputs} ready for {@link #gemm}, whenever it has been written to. */
    default void prepare(Matrix in, int row) {}

    /**
     * How many neighbouring panels {@link #gemm} is best called for at once, for a number of rows: more than one only if that many rows
     * do not keep the processor busy.
     */
    default int panelsAtOnce(int rows) {
        return 1;
    }

    /**
     * {@code out[i, o] = sum over c of in.matrix()[in.indices()[i], c] * weights[o, c]}, for {@code i} in
     * {@code [in.from(), in.to())} and the outputs {@code o} of the panels {@code [fromPanel, toPanel)}. The rows have been
     * {@linkplain #prepare prepared}.
     */
    void gemm(Matrix out, Rows in, PackedMatrix weights, int fromPanel, int toPanel, Workspace workspace);

    /**
     * Attention of some tokens' query heads that share a key/value head, over the positions of each token's span:
     * {@code out = sum over p of softmax(query . key[p] / sqrt(headDimension)) * value[p]}, as an online softmax over blocks in
     * ascending order (Milakov and Gimelshein 2018). Keys and values that were read for one token serve the others, too.
     *
     * @param out {@code [rows, heads * headDimension]}
     * @param query {@code [rows, heads * headDimension]}, rotated
     * @param fromRow first of the rows, at most {@link Workspace#ATTENDING} of them
     * @param spans one per row of the matrices; those of these rows are of one sequence
     */
    void attend(
            Matrix out,
            Matrix query,
            int fromRow,
            int toRow,
            KeyValueCache cache,
            int layer,
            int kvHead,
            Span[] spans,
            Workspace workspace);

    /**
     * {@code gate = silu(gate) * up} (Shazeer 2020) on a part of one row; {@code silu(x) = x / (1 + exp(-x))}. What was in
     * {@code up} may be gone then.
     *
     * @param fromColumn multiple of {@link Matrix#LANES}
     * @param toColumn multiple of {@link Matrix#LANES}, or the end of the row
     */
    void swiGlu(Matrix gate, Matrix up, int row, int fromColumn, int toColumn);

    /** Relative error of {@link #total}, at most. */
    double TOTAL_ERROR = 0x1p-18;

    /**
     * Sum of {@code exp((logit - highest) / temperature)} over {@code logits[from, to)}, of which {@code highest} is the largest.
     * The last bits may depend on the machine.
     */
    double total(float[] logits, int from, int to, float highest, double temperature);

    /** {@code out[outRow] += weight * in[inRow]}, fused, over whole rows. */
    default void accumulate(Matrix out, int outRow, float weight, Matrix in, int inRow) {
        float[] sum = out.data();
        float[] addend = in.data();
        int to = out.offset(outRow);
        int from = in.offset(inRow);
        for (int i = 0; i < out.columns(); i++) {
            sum[to + i] = Math.fma(weight, addend[from + i], sum[to + i]);
        }
    }
}
