package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.jit.IntegerLayout;
import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.cpu.jit.PanelKernel;
import io.github.sparkmixtral.cpu.jit.RowKernels;
import java.lang.foreign.MemorySegment;

/**
 * Kernels in machine code that this process writes: products, with weights and of attention, because the compiler of the JVM does not keep that many
 * vectors in registers, and what is done to rows, because until that compiler has seen it each vector is an object. Bits are those of {@link
 * VectorKernels}.
 */
final class NativeKernels implements Kernels {

    private static final Attention.Products ATTENTION = new NativeAttention();

    /** Written at the first use. */
    private static final class IntegerRow {
        static final PanelKernel KERNEL = PanelKernel.integerRow();
    }

    private final VectorKernels vectors;

    /**
     * @param packing of weights, the router's apart; not {@link Packing#NONE}
     * @throws IllegalStateException with the reason if there can be no such code here, or no library for products in bfloat16
     */
    NativeKernels(Packing packing) {
        vectors = new VectorKernels(packing);
        NativeCode.unavailable(packing == Packing.INTEGERS).ifPresent(reason -> {
            throw new IllegalStateException(reason);
        });
    }

    @Override
    public String name() {
        return "native code and " + vectors.name();
    }

    @Override
    public Packing packing() {
        return vectors.packing();
    }

    @Override
    public Matrix inputs(int rows, int columns) {
        return vectors.inputs(rows, columns);
    }

    @Override
    public void prepare(Matrix in, int row) {
        if (in.hasIntegers()) {
            IntegerRow.KERNEL.run(
                    0,
                    MemorySegment.ofArray(in.data()),
                    (long) in.offset(row) * Float.BYTES,
                    in.integers().address() + in.integersOffset(row),
                    0,
                    in.columns() / IntegerLayout.BLOCK);
        }
    }

    @Override
    public int panelsAtOnce(int rows) {
        return packing() == Packing.BFLOAT16 ? 1 : PanelKernel.panels(rows);
    }

    @Override
    public void gemm(Matrix out, Rows in, PackedMatrix weights, int fromPanel, int toPanel, Workspace workspace) {
        if (weights.packing() == Packing.BFLOAT16) {
            vectors.gemm(out, in, weights, fromPanel, toPanel, workspace);
        } else {
            workspace.nativeProducts().multiply(out, in, weights, fromPanel, toPanel);
        }
    }

    @Override
    public void rmsNorm(Matrix out, int outRow, Matrix in, int inRow, float[] weight, double epsilon) {
        int width = vectors(in.columns());
        float[] lanes = new float[RowKernels.LANES];
        RowKernels.squares(MemorySegment.ofArray(lanes), row(in, inRow, 0), width);
        float scale = VectorKernels.scale(lanes, in.columns(), epsilon);
        RowKernels.scale(row(out, outRow, 0), row(in, inRow, 0), MemorySegment.ofArray(weight), scale, width);
    }

    @Override
    public void accumulate(Matrix out, int outRow, float weight, Matrix in, int inRow) {
        RowKernels.accumulate(row(out, outRow, 0), row(in, inRow, 0), weight, vectors(out.columns()));
    }

    @Override
    public double total(float[] logits, int from, int to, float highest, double temperature) {
        return vectors.total(logits, from, to, highest, temperature);
    }

    private static MemorySegment row(Matrix matrix, int row, int column) {
        return MemorySegment.ofArray(matrix.data()).asSlice((long) (matrix.offset(row) + column) * Float.BYTES);
    }

    /** That hold so many elements, zeros past the last one among them. */
    private static int vectors(int columns) {
        return Math.ceilDiv(columns, RowKernels.LANES);
    }

    @Override
    public void attend(
            Matrix out,
            Matrix query,
            int fromRow,
            int toRow,
            KeyValueCache cache,
            int layer,
            int kvHead,
            Span[] spans,
            Workspace workspace) {
        Attention.attend(ATTENTION, out, query, fromRow, toRow, cache, layer, kvHead, spans, workspace);
    }

    @Override
    public void swiGlu(Matrix gate, Matrix up, int row, int fromColumn, int toColumn) {
        RowKernels.swiGlu(row(gate, row, fromColumn), row(up, row, fromColumn), vectors(toColumn - fromColumn));
    }
}
