package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.cpu.jit.IntegerLayout;
import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.cpu.jit.PanelKernel;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Products of integers by machine code: bit for bit those in plain Java. */
class NativeIntegerKernelsTest extends IntegerKernelsTest {

    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private static final int[] ROWS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17, 24, 25, 61};

    @BeforeAll
    static void codeCanBeWritten() {
        assumeThat(NativeCode.unavailable(true)).isEmpty();
    }

    @Override
    Kernels kernels() {
        return new NativeKernels(Packing.INTEGERS);
    }

    @Test
    void integersAreThoseOfPlainJava() {
        float[] specials = {
            0, -0f, Float.MIN_VALUE, 1e-38f, 1e-31f, -1e-30f, 3e38f, Float.NaN, Float.NEGATIVE_INFINITY, 16256, 0.5f
        };
        Matrix in = matrix(40, 256);
        for (int row = 0; row < 40; row++) {
            for (int c = 0; c < 256; c++) {
                in.data()[in.offset(row) + c] *= (float) Math.pow(10, row % 20 - 10);
            }
            in.data()[in.offset(row) + row * 37 % 256] = specials[row % specials.length];
        }
        // A tie: the even one of two integers is taken.
        Arrays.fill(in.data(), in.offset(3), in.offset(3) + 32, 0.5f);
        in.data()[in.offset(3)] = 16256;
        in.data()[in.offset(3) + 1] = -1.5f;
        Matrix expected = prepared(new VectorKernels(Packing.INTEGERS), in);
        Matrix actual = prepared(kernels(), in);
        for (int row = 0; row < 40; row++) {
            for (int block = 0; block < 256 / IntegerLayout.BLOCK; block++) {
                long at = actual.integersOffset(row) + (long) block * IntegerLayout.BYTES;
                // If an input is not finite, nor is the scale, and the rest is of no meaning.
                float scale = expected.integers().get(FLOAT, at + IntegerLayout.SCALE);
                if (!Float.isFinite(scale)) {
                    assertThat(actual.integers().get(FLOAT, at + IntegerLayout.SCALE))
                            .isNotIn(0f)
                            .matches(s -> !Float.isFinite(s));
                    continue;
                }
                assertThat(bytes(actual, at)).as("row %d, block %d", row, block).isEqualTo(bytes(expected, at));
            }
        }
    }

    private static byte[] bytes(Matrix matrix, long at) {
        return matrix.integers().asSlice(at, IntegerLayout.BYTES).toArray(ValueLayout.JAVA_BYTE);
    }

    /** All numbers of rows that make tiles of another height. */
    @ParameterizedTest
    @EnumSource(TensorType.class)
    void productsHaveTheBitsOfPlainJava(TensorType type) {
        assumeThat(type.isQuantized()).isTrue();
        Kernels plain = new VectorKernels(Packing.INTEGERS);
        for (int columns : new int[] {256, 5 * 256}) {
            try (Arena arena = Arena.ofConfined()) {
                Tensor weights = random(arena, type, 263, columns);
                assertSameBits(plain, kernels(), weights, ROWS);
            }
        }
    }

    /** Kernels that decode to floats would take their free bits for the quants'. */
    @Test
    void foldedQuantsAreRefusedByProductsOfFloats() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = random(arena, TensorType.Q6_K, PackedMatrix.WIDTH, 256);
            PackedMatrix weights = new PackedMatrix(tensor, Packing.INTEGERS, MemorySegment.NULL);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> PanelKernel.products(weights.layout(), 1, 1, 0, 0, 0))
                    .withMessageStartingWith("folded quants are for products of integers");
        }
    }

    /** Operands between pages that may not be touched: a kernel that leaves them ends the JVM. */
    @ParameterizedTest
    @EnumSource(TensorType.class)
    void kernelsStayWithinTheirOperands(TensorType type) {
        assumeThat(type.isQuantized() && !type.isTable()).isTrue();
        int columns = 512;
        int most = PackedMatrix.WIDTH;
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = random(arena, type, 2 * most, columns);
            Matrix in = matrix(PanelKernel.INTEGER_ROWS, columns);
            Matrix expected = Matrix.zeros(PanelKernel.INTEGER_ROWS, 2 * most);
            int[] all = IntStream.range(0, PanelKernel.INTEGER_ROWS).toArray();
            gemm(new VectorKernels(Packing.INTEGERS), expected, in, all, 0, all.length, tensor);
            for (boolean atEnd : new boolean[] {false, true}) {
                long bytes = PackedMatrix.bytes(tensor, Packing.INTEGERS);
                PackedMatrix weights =
                        new PackedMatrix(tensor, Packing.INTEGERS, GuardedMemory.allocate(bytes, atEnd, arena));
                weights.pack(0);
                weights.pack(1);
                long last = weights.panels().address() + weights.panelBytes();
                NativePanels kernels = NativePanels.of(weights);
                for (int rows = 1; rows <= PanelKernel.INTEGER_ROWS; rows++) {
                    MemorySegment inputs = GuardedMemory.allocate((long) rows * kernels.rowBytes(), atEnd, arena);
                    for (int row = 0; row < rows; row++) {
                        MemorySegment floats = GuardedMemory.allocate(columns * 4L, atEnd, arena);
                        MemorySegment.copy(in.data(), in.offset(row), floats, FLOAT, 0, columns);
                        long to = inputs.address() + (long) row * kernels.rowBytes();
                        PanelKernel.integerRow().run(0, floats, 0, to, 0, columns / IntegerLayout.BLOCK);
                    }
                    MemorySegment out = GuardedMemory.allocate(rows * 128L, atEnd, arena);
                    kernels.products(1, rows).run(last, inputs, 0, out.address(), 0, columns / kernels.group());
                    for (int row = 0; row < rows; row++) {
                        float[] products = out.asSlice(row * 128L, 128).toArray(FLOAT);
                        int from = expected.offset(row) + most;
                        assertThat(products).isEqualTo(Arrays.copyOfRange(expected.data(), from, from + most));
                    }
                }
            }
        }
    }
}
