package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.cpu.jit.PanelKernel;
import io.github.sparkmixtral.cpu.jit.RowKernels;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class NativeKernelsTest extends KernelsContractTest {

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private static final int[] ROWS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17, 24, 25, 26, 35, 37, 61, 69};

    @BeforeAll
    static void codeCanBeWritten() {
        assumeThat(NativeCode.unavailable(false)).isEmpty();
    }

    @Override
    Kernels kernels() {
        return new NativeKernels(Packing.FLOATS);
    }

    /** All numbers of rows that make tiles of another height, and one that decodes weights first; inputs for several parts of that. */
    @ParameterizedTest
    @EnumSource(TensorType.class)
    void productsHaveTheBitsOfTheVectorApi(TensorType type) {
        Kernels vectors = new VectorKernels(Packing.FLOATS);
        int[] columnCounts = type.isQuantized() ? new int[] {256, 5 * 256} : new int[] {1, 7, 8, 1061, 1280};
        for (int columns : columnCounts) {
            try (Arena arena = Arena.ofConfined()) {
                Tensor weights = random(arena, type, 263, columns);
                assertSameBits(vectors, kernels(), weights, ROWS);
            }
        }
    }

    /** Among the elements are the exponential's borders, and what no exponential is of. */
    @ParameterizedTest
    @ValueSource(ints = {1, 15, 16, 17, 208, 1061})
    void rowsHaveTheBitsOfTheVectorApi(int columns) {
        float[] specials = {0, -0f, 87, -87, 88, -88, 88.5f, -120, 1e30f, Float.MIN_VALUE, Float.NaN, -1e-20f};
        Kernels vectors = new VectorKernels(Packing.FLOATS);
        Matrix x = matrix(20, columns);
        Matrix y = matrix(20, columns);
        for (int row = 0; row < 20; row++) {
            x.data()[x.offset(row) + row % columns] = specials[row % specials.length];
        }
        float[] weight = Arrays.copyOf(row(y, 3), Matrix.padded(columns));
        Matrix expected = Matrix.zeros(20, columns);
        Matrix actual = Matrix.zeros(20, columns);
        for (int row = 0; row < 20; row++) {
            vectors.rmsNorm(expected, row, x, row, weight, 1e-5);
            kernels().rmsNorm(actual, row, x, row, weight, 1e-5);
            vectors.accumulate(expected, row, 0.3f, y, row);
            kernels().accumulate(actual, row, 0.3f, y, row);
        }
        assertThat(actual.data()).isEqualTo(expected.data());
        Matrix gate = new Matrix(x.data().clone(), columns, x.stride());
        Matrix up = new Matrix(y.data().clone(), columns, y.stride());
        for (int row = 0; row < 20; row++) {
            vectors.swiGlu(x, y, row, 0, columns);
            kernels().swiGlu(gate, up, row, 0, columns);
        }
        assertThat(gate.data()).isEqualTo(x.data());
    }

    @ParameterizedTest
    @CsvSource({"64, 4, 1", "64, 32, 8", "128, 6, 1", "128, 48, 8", "16, 8, 4", "14, 5, 1", "80, 7, 1"})
    void attentionHasTheBitsOfTheVectorApi(int size, int heads, int kvHeads) {
        ModelConfig config = new ModelConfig(
                size * heads,
                64,
                2,
                heads,
                kvHeads,
                size,
                1,
                1,
                32,
                512,
                1e6,
                1e-5,
                0,
                RopeLayout.HALVES,
                1,
                List.of(2));
        int positions = 200;
        try (KeyValueCache cache = new KeyValueCache(config, 16)) {
            int[] blocks = {15, 2, 1, 3, 0, 8, 7, 6, 5, 4, 14, 13, 12, 9};
            IntStream.of(blocks).forEach(cache::reserve);
            Matrix keys = matrix(positions, kvHeads * size);
            Matrix values = matrix(positions, kvHeads * size);
            for (int position = 0; position < positions; position++) {
                int slot = blocks[1 + position / KeyValueCache.BLOCK] * KeyValueCache.BLOCK
                        + position % KeyValueCache.BLOCK;
                cache.store(1, slot, keys, values, position);
            }
            int rows = Workspace.ATTENDING;
            Matrix query = matrix(rows, heads * size);
            Span[] spans = new Span[rows];
            Random random = new Random(size);
            for (int row = 0; row < rows; row++) {
                int to = 1 + random.nextInt(positions);
                spans[row] = new Span(blocks, 1, row % 3 == 0 ? random.nextInt(to) : 0, to);
            }
            for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
                Matrix expected = Matrix.zeros(rows, query.columns());
                Matrix actual = Matrix.zeros(rows, query.columns());
                Kernels vectors = new VectorKernels(Packing.FLOATS);
                vectors.attend(expected, query, 0, rows, cache, 1, kvHead, spans, new Workspace(config, 1));
                kernels().attend(actual, query, 0, rows, cache, 1, kvHead, spans, new Workspace(config, 1));
                assertThat(actual.data()).isEqualTo(expected.data());
            }
        }
    }

    /** Operands between pages that may not be touched: a kernel that leaves them ends the JVM. */
    @ParameterizedTest
    @EnumSource(TensorType.class)
    void kernelsStayWithinTheirOperands(TensorType type) {
        int columns = type.isQuantized() ? 512 : 41;
        int most = PackedMatrix.WIDTH;
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = random(arena, type, 2 * most, columns);
            long bytes = PackedMatrix.bytes(tensor, Packing.FLOATS);
            Matrix in = matrix(PanelKernel.PLAIN_ROWS, columns);
            Matrix expected = Matrix.zeros(PanelKernel.PLAIN_ROWS, 2 * most);
            int[] all = IntStream.range(0, PanelKernel.PLAIN_ROWS).toArray();
            gemm(new VectorKernels(Packing.FLOATS), expected, in, all, 0, all.length, tensor);
            for (boolean atEnd : new boolean[] {false, true}) {
                MemorySegment panels = GuardedMemory.allocate(bytes, atEnd, arena);
                PackedMatrix weights = new PackedMatrix(tensor, Packing.FLOATS, panels);
                weights.pack(0);
                weights.pack(1);
                long last = panels.address() + weights.panelBytes();
                NativePanels kernels = NativePanels.of(weights);
                int groups = columns / kernels.group();
                MemorySegment decoded = GuardedMemory.allocate(weights.columns() * 128L, atEnd, arena);
                kernels.decoder().run(last, MemorySegment.NULL, 0, decoded.address(), 0, groups);
                for (int rows = 1; rows <= PanelKernel.PLAIN_ROWS; rows++) {
                    MemorySegment inputs =
                            GuardedMemory.allocate((rows - 1L) * kernels.rowBytes() + columns * 4L, atEnd, arena);
                    for (int row = 0; row < rows; row++) {
                        MemorySegment.copy(
                                in.data(), in.offset(row), inputs, FLOAT, (long) row * kernels.rowBytes(), columns);
                    }
                    MemorySegment out = GuardedMemory.allocate(rows * 128L, atEnd, arena);
                    if (rows <= kernels.mostRows()) {
                        kernels.products(1, rows).run(last, inputs, 0, out.address(), 0, groups);
                        assertThat(out.toArray(FLOAT)).isEqualTo(second(expected, rows));
                    }
                    out.fill((byte) 0);
                    kernels.sums(rows)
                            .run(decoded.address(), inputs, 0, out.address(), 0, columns / kernels.decodedGroup());
                    assertThat(out.toArray(FLOAT)).isEqualTo(second(expected, rows));
                }
            }
        }
    }

    /** The same for kernels over rows. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7})
    void rowKernelsStayWithinTheirRows(int vectors) {
        long bytes = vectors * 64L;
        float[] x = row(matrix(1, 16 * vectors), 0);
        float[] y = row(matrix(1, 16 * vectors), 0);
        for (boolean atEnd : new boolean[] {false, true}) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment first =
                        GuardedMemory.allocate(bytes, atEnd, arena).copyFrom(MemorySegment.ofArray(x));
                MemorySegment second =
                        GuardedMemory.allocate(bytes, atEnd, arena).copyFrom(MemorySegment.ofArray(y));
                MemorySegment lanes = GuardedMemory.allocate(64, atEnd, arena);
                RowKernels.scale(first, first, second, 2, vectors);
                RowKernels.accumulate(first, second, 0.5f, vectors);
                float last = Math.fma(0.5f, y[x.length - 1], x[x.length - 1] * 2 * y[x.length - 1]);
                assertThat(first.getAtIndex(FLOAT, x.length - 1)).isEqualTo(last);
                RowKernels.squares(lanes, first, vectors);
                assertThat(lanes.getAtIndex(FLOAT, 15)).isPositive();
                RowKernels.swiGlu(first, second, vectors);
                RowKernels.exponentials(first, lanes, Float.NEGATIVE_INFINITY, vectors);
                RowKernels.sums(lanes, first, vectors);
                assertThat(lanes.getAtIndex(FLOAT, 15)).isPositive();
            }
        }
    }

    /** What the first rows have of the second panel's outputs. */
    private static float[] second(Matrix products, int rows) {
        float[] second = new float[rows * PackedMatrix.WIDTH];
        for (int row = 0; row < rows; row++) {
            int from = products.offset(row) + PackedMatrix.WIDTH;
            System.arraycopy(products.data(), from, second, row * PackedMatrix.WIDTH, PackedMatrix.WIDTH);
        }
        return second;
    }
}
