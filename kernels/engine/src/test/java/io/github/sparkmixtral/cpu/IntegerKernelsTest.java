package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products of integers of 16 bits, in plain Java. */
class IntegerKernelsTest extends KernelsContractTest {

    /** Inputs that share a scale, and what the largest of them becomes: said once more, as the documentation has it. */
    private static final int BLOCK = 32;

    private static final double LARGEST = 32512;

    @Override
    Kernels kernels() {
        return new VectorKernels(Packing.INTEGERS);
    }

    /** An input is off by a unit of its block's scale at most, integers being even; floats are summed up once a block. */
    @Override
    void assertProducts(Matrix out, Matrix expected, Matrix in, Tensor weights) {
        if (!weights.type().isQuantized() || weights.type().isTable()) {
            super.assertProducts(out, expected, in, weights);
            return;
        }
        float[] w = decoded(weights);
        int columns = weights.columns();
        for (int row = 0; row < in.data().length / in.stride(); row++) {
            for (int o = 0; o < weights.rows(); o++) {
                double bound = 0;
                double magnitude = 0;
                for (int from = 0; from < columns; from += BLOCK) {
                    double largest = 0;
                    double sum = 0;
                    for (int c = from; c < from + BLOCK; c++) {
                        largest = Math.max(largest, Math.abs(at(in, row, c)));
                        sum += Math.abs(w[o * columns + c]);
                    }
                    bound += largest / LARGEST * sum;
                    magnitude += largest * sum;
                }
                // What a type adds to its quants may cancel most of a sum: Q4_K's minima are up to 15 times its scales.
                double rounding = 0x1p-24 * magnitude * (weights.type().isAffine() ? 512 : 64);
                assertThat((double) at(out, row, o)).isCloseTo(at(expected, row, o), within(bound + rounding));
            }
        }
    }

    /** @param scaleBytes of a block: one or two numbers of half precision, and a byte for each factor */
    @ParameterizedTest
    @CsvSource({"Q5_0, 6, 2", "Q5_1, 6, 4", "Q5_K, 6, 20", "Q6_K, 6, 18", "Q8_0, 8, 2", "Q4_K, 4, 20"})
    void quantsTakeTheBitsThatTheyNeed(TensorType type, int bits, int scaleBytes) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor weights = random(arena, type, 62, 512);
            long panel = 32L * (512 * bits / 8 + 512 / type.blockSize() * scaleBytes);
            assertThat(PackedMatrix.bytes(weights, Packing.INTEGERS)).isEqualTo(2 * panel);
        }
    }

    @Test
    void foldedQuantsAreUnfolded() {
        Random random = new Random(6);
        byte[] quants = new byte[96];
        for (int i = 0; i < quants.length; i++) {
            quants[i] = (byte) random.nextInt(64);
        }
        int[] ints = new int[quants.length / 4];
        MemorySegment.ofArray(ints).copyFrom(MemorySegment.ofArray(quants));
        int[] words = new int[ints.length * 3 / 4 * PackedMatrix.WIDTH];
        FoldedQuants.fold(ints, words, 7);
        int[] unfolded = new int[PackedMatrix.WIDTH];
        for (int column = 0; column < quants.length; column += 4) {
            FoldedQuants.unfold(MemorySegment.ofArray(words), 0, column, unfolded);
            assertThat(unfolded[7]).as("input %d", column).isEqualTo(ints[column / 4] << 2);
            assertThat(unfolded[8]).isZero();
        }
    }

    /** What cannot be multiplied must not come out as a number. */
    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void anInputThatIsNotFiniteSpoilsItsRow(float input) {
        try (Arena arena = Arena.ofConfined()) {
            for (TensorType type : new TensorType[] {TensorType.Q8_0, TensorType.Q4_1, TensorType.Q6_K}) {
                Tensor weights = random(arena, type, 40, 256);
                for (int column : new int[] {0, 13, 31, 100, 255}) {
                    Matrix in = matrix(3, 256);
                    in.data()[in.offset(1) + column] = input;
                    Matrix out = Matrix.zeros(3, 40);
                    gemm(kernels(), out, in, IntStream.range(0, 3).toArray(), 0, 3, weights);
                    for (int o = 0; o < 40; o++) {
                        assertThat(Float.isFinite(at(out, 1, o))).isFalse();
                        assertThat(at(out, 0, o)).isFinite();
                        assertThat(at(out, 2, o)).isFinite();
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(floats = {0, Float.MIN_VALUE, 1e-38f, 1e-30f, 1e-20f, 1e20f, 1e30f})
    void inputsOfAnySizeAreMultiplied(float size) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor weights = random(arena, TensorType.Q8_0, 33, 64);
            Matrix in = matrix(1, 64);
            for (int c = 0; c < 64; c++) {
                in.data()[c] *= size;
            }
            Matrix out = Matrix.zeros(1, 33);
            gemm(kernels(), out, in, new int[1], 0, 1, weights);
            float[] w = decoded(weights);
            for (int o = 0; o < 33; o++) {
                double expected = 0;
                double magnitude = 0;
                for (int c = 0; c < 64; c++) {
                    expected += (double) at(in, 0, c) * w[o * 64 + c];
                    magnitude += Math.abs(w[o * 64 + c]);
                }
                assertThat((double) at(out, 0, o))
                        .isCloseTo(expected, within(magnitude * Math.max(4 * size / LARGEST, 1e-30 / LARGEST)));
            }
        }
    }
}
