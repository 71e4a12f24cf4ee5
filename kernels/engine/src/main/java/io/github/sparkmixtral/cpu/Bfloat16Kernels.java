package io.github.sparkmixtral.cpu;

/**
 * {@link VectorKernels}, but products of inputs and weights both rounded to bfloat16, to the nearest, and added up in floats: the JVM
 * does not emit the processor's instructions for that, so {@link OneDnn} makes them.
 *
 * <p>The order in which a product's inputs are added up is the library's: it does not depend on the number of rows, but on the
 * processor.
 */
final class Bfloat16Kernels implements Kernels {

    private final VectorKernels floats = new VectorKernels();

    /** @throws IllegalStateException with the reason where there is no library for the products */
    Bfloat16Kernels() {
        OneDnn.require();
    }

    @Override
    public String name() {
        return floats.name() + ", bfloat16 products";
    }

    @Override
    public Packing packing() {
        return Packing.BFLOAT16;
    }

    @Override
    public void gemm(Matrix out, Rows in, PackedMatrix weights, int panel, Workspace workspace) {
        if (weights.packing() != Packing.BFLOAT16) {
            floats.gemm(out, in, weights, panel, workspace);
            return;
        }
        workspace.bfloat16Products().multiply(out, in, weights, panel);
    }

    @Override
    public void rmsNorm(Matrix out, int outRow, Matrix in, int inRow, float[] weight, double epsilon) {
        floats.rmsNorm(out, outRow, in, inRow, weight, epsilon);
    }

    @Override
    public void attend(
            Matrix out,
            Matrix query,
            int row,
            KeyValueCache cache,
            int layer,
            int kvHead,
            Span span,
            Workspace workspace) {
        floats.attend(out, query, row, cache, layer, kvHead, span, workspace);
    }

    @Override
    public void swiGlu(Matrix gate, Matrix up, int row, int fromColumn, int toColumn) {
        floats.swiGlu(gate, up, row, fromColumn, toColumn);
    }
}
