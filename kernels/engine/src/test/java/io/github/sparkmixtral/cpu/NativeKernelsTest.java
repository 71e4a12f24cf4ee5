package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NativeKernelsTest extends KernelsContractTest {

    @BeforeAll
    static void codeCanBeWritten() {
        assumeThat(NativeCode.unavailable()).isEmpty();
    }

    @Override
    Kernels kernels() {
        return new NativeKernels();
    }

    /** All numbers of rows that make tiles of another height, and one that decodes weights first; inputs for several parts of that. */
    @ParameterizedTest
    @EnumSource(TensorType.class)
    void productsHaveTheBitsOfTheVectorApi(TensorType type) {
        Kernels vectors = new VectorKernels(Packing.FLOATS);
        int[] columnCounts = type.isQuantized() ? new int[] {256, 5 * 256} : new int[] {1, 7, 8, 1061, 1280};
        for (int columns : columnCounts) {
            try (Arena arena = Arena.ofConfined()) {
                Tensor weights = random(arena, type, 71, columns);
                Matrix in = matrix(70, columns);
                int[] reversed = IntStream.range(0, 70).map(i -> 69 - i).toArray();
                for (int rows : new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17, 24, 25, 26, 35, 37, 61, 69}) {
                    Matrix expected = Matrix.zeros(70, 71);
                    Matrix actual = Matrix.zeros(70, 71);
                    Arrays.fill(actual.data(), Float.NaN);
                    gemm(vectors, expected, in, reversed, 1, rows + 1, weights);
                    gemm(kernels(), actual, in, reversed, 1, rows + 1, weights);
                    for (int row = 1; row <= rows; row++) {
                        assertThat(row(actual, row))
                                .as("%s, %d rows", type, rows)
                                .isEqualTo(row(expected, row));
                    }
                }
            }
        }
    }
}
