package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.cpu.jit.PanelKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** One worker's products of rows with panels of weights, by kernels in machine code. */
final class NativeProducts {

    /** Most rows for which weights are decoded in registers, for each tile of rows anew. */
    private static final int FEW_ROWS = 24;

    /** Inputs whose weights are decoded at a time for all rows, so that they stay in the cache of a core. A multiple of every format's block. */
    private static final int COLUMNS = 256;

    /** Bytes of one row of products. */
    private static final long WIDTH = PackedMatrix.WIDTH * Float.BYTES;

    /** {@code [COLUMNS, WIDTH]} decoded weights. */
    private final MemorySegment decoded = allocate(COLUMNS * WIDTH);

    /** What {@link #inputs} were taken from. */
    private Rows rows;

    /** Whether they are integers. */
    private boolean integers;

    /** What is multiplied, one row behind the other from the byte {@link #firstInput} on. */
    private MemorySegment inputs;

    private long firstInput;

    /** {@code [panels at once, rows, WIDTH]} floats. */
    private MemorySegment products = MemorySegment.NULL;

    private static MemorySegment allocate(long bytes) {
        return Arena.ofAuto().allocate(bytes, 64);
    }

    /** See {@link Kernels#gemm}. */
    void multiply(Matrix out, Rows in, PackedMatrix weights, int fromPanel, int toPanel) {
        if (in.count() == 0) {
            return;
        }
        NativePanels kernels = NativePanels.of(weights);
        if (in != rows || kernels.integers() != integers) {
            take(in, kernels.integers());
        }
        int atOnce = PanelKernel.panels(in.count());
        for (int panel = fromPanel; panel < toPanel; panel += atOnce) {
            int panels = Math.min(atOnce, toPanel - panel);
            long address = weights.panels().address() + panel * weights.panelBytes();
            if (integers || in.count() <= FEW_ROWS) {
                multiply(kernels, address, panels, weights.columns());
            } else {
                decodeAndMultiply(kernels, address, weights.columns());
            }
            for (int i = 0; i < panels; i++) {
                write(out, weights, panel + i, i * in.count() * WIDTH);
            }
        }
    }

    private void take(Rows in, boolean integers) {
        long sums = PanelKernel.panels(in.count()) * in.count() * WIDTH;
        if (products.byteSize() < sums) {
            products = allocate(sums);
        }
        Matrix matrix = in.matrix();
        int first = in.indices()[in.from()];
        if (!in.areNeighbours()) {
            matrix = integers
                    ? Matrix.withIntegers(in.count(), matrix.columns())
                    : Matrix.zeros(in.count(), matrix.columns());
            for (int row = 0; row < in.count(); row++) {
                matrix.copyRow(row, in.matrix(), in.indices()[in.from() + row]);
            }
            first = 0;
        }
        if (integers) {
            inputs = matrix.integers();
            firstInput = matrix.integersOffset(first);
        } else {
            inputs = MemorySegment.ofArray(matrix.data());
            firstInput = (long) matrix.offset(first) * Float.BYTES;
        }
        if (inputs.byteSize() == 0 || matrix.stride() != Matrix.stride(matrix.columns())) {
            throw new IllegalArgumentException("these are no prepared inputs of products: rows of " + matrix.columns()
                    + " are " + matrix.stride() + " apart, their integers take " + inputs.byteSize() + " bytes");
        }
        this.integers = integers;
        rows = in;
    }

    private void write(Matrix out, PackedMatrix weights, int panel, long from) {
        int outputs = weights.outputs(panel);
        for (int row = 0; row < rows.count(); row++) {
            int to = out.offset(rows.from() + row) + weights.firstOutput(panel);
            MemorySegment.copy(products, ValueLayout.JAVA_FLOAT, from + row * WIDTH, out.data(), to, outputs);
        }
    }

    /** Several panels at once only go with rows that make one tile. */
    private void multiply(NativePanels kernels, long panel, int panels, int columns) {
        int tiles = Math.ceilDiv(rows.count(), kernels.mostRows());
        for (int tile = 0; tile < tiles; tile++) {
            int from = first(tile, tiles);
            int count = first(tile + 1, tiles) - from;
            boolean last = integers && tiles > 1 && tile == tiles - 1;
            PanelKernel kernel = last ? kernels.lastProducts(count) : kernels.products(panels, count);
            kernel.run(
                    panel,
                    inputs,
                    input(kernels, from, 0),
                    products.address() + from * WIDTH,
                    0,
                    columns / kernels.group());
        }
    }

    private void decodeAndMultiply(NativePanels kernels, long panel, int columns) {
        products.asSlice(0, rows.count() * WIDTH).fill((byte) 0);
        int tiles = Math.ceilDiv(rows.count(), NativePanels.DECODED_ROWS);
        for (int column = 0; column < columns; column += COLUMNS) {
            int count = Math.min(COLUMNS, columns - column);
            kernels.decoder()
                    .run(
                            panel,
                            MemorySegment.NULL,
                            0,
                            decoded.address(),
                            column / kernels.group(),
                            count / kernels.group());
            for (int tile = 0; tile < tiles; tile++) {
                int from = first(tile, tiles);
                kernels.sums(first(tile + 1, tiles) - from)
                        .run(
                                decoded.address(),
                                inputs,
                                input(kernels, from, column),
                                products.address() + from * WIDTH,
                                0,
                                count / kernels.decodedGroup());
            }
        }
    }

    /** Byte in {@link #inputs} of an input of one of the rows; if they are integers, of the first one only. */
    private long input(NativePanels kernels, int row, int column) {
        return firstInput + (long) column * Float.BYTES + (long) row * kernels.rowBytes();
    }

    /** Where one of so many tiles begins, which differ by one row at most. */
    private int first(int tile, int tiles) {
        return (int) ((long) rows.count() * tile / tiles);
    }
}
