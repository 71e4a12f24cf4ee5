package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

class DeviceMatrixTest {

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Random random = new Random(7);
    private final DeviceArrays arrays = new DeviceArrays();

    @AfterEach
    void close() {
        arrays.close();
    }

    /** A tensor of random blocks: every bit of a quant or of an inner scale may be set; the half-precision scales are near 1. */
    private Tensor tensor(TensorType type, int rows, int columns) {
        byte[] bytes = new byte[Math.toIntExact(type.bytes((long) rows * columns))];
        random.nextBytes(bytes);
        MemorySegment data = MemorySegment.ofArray(bytes);
        for (long at = 0; at < bytes.length; at += type.blockBytes()) {
            switch (type) {
                case F32 -> data.set(FLOAT, at, (float) random.nextGaussian());
                case F16 -> half(data, at);
                case BF16 -> data.set(SHORT, at, (short) (Float.floatToIntBits((float) random.nextGaussian()) >> 16));
                case Q4_0, Q5_0, Q8_0, IQ4_NL, IQ4_XS, NF4 -> half(data, at);
                case Q4_1, Q5_1, Q4_K, Q5_K -> {
                    half(data, at);
                    half(data, at + 2);
                }
                case Q2_K -> {
                    half(data, at + 80);
                    half(data, at + 82);
                }
                case Q3_K -> half(data, at + 108);
                case Q6_K -> half(data, at + 208);
                case TQ1_0 -> half(data, at + 52);
                case TQ2_0 -> half(data, at + 64);
                // A power of two that half precision has, which subnormal numbers reach down to 2^-24.
                case MXFP4 -> data.set(ValueLayout.JAVA_BYTE, at, (byte) (104 + random.nextInt(30)));
            }
        }
        return new Tensor("random " + type, type, rows, columns, data.asReadOnly());
    }

    private void half(MemorySegment data, long at) {
        data.set(SHORT, at, Float.floatToFloat16((float) random.nextGaussian()));
    }

    private static Tensor floats(int columns, float... values) {
        MemorySegment data = MemorySegment.ofArray(new byte[values.length * Float.BYTES]);
        for (int i = 0; i < values.length; i++) {
            data.set(FLOAT, 4L * i, values[i]);
        }
        return new Tensor("floats", TensorType.F32, values.length / columns, columns, data);
    }

    private static float[] row(Tensor tensor, int row) {
        float[] values = new float[tensor.columns()];
        tensor.type().decode(tensor.data(), row * tensor.rowBytes(), values, 0, values.length);
        return values;
    }

    /** An element by the formula of {@link DeviceMatrix}, in float. */
    private static float element(DeviceMatrix matrix, int group, int output, int column) {
        int row = group * matrix.outputs() + output;
        int perWord = 32 / matrix.bits();
        int word = matrix.words().get(row * (matrix.columns() / perWord) + column / perWord);
        int q = word >>> (column % perWord * matrix.bits()) & ((1 << matrix.bits()) - 1);
        int part = row * (matrix.columns() / matrix.block()) + column / matrix.block();
        if (matrix.affine() == 1) {
            return q * matrix.scales().get(part) + matrix.minima().get(part);
        }
        return (q >= 1 << (matrix.bits() - 1) ? q - (1 << matrix.bits()) : q)
                * matrix.scales().get(part);
    }

    /** Largest magnitude among the 32 elements that share a 16-bit element's scale. */
    private static float largestOfBlock(float[] row, int column) {
        float largest = 0;
        for (int i = column / 32 * 32; i < Math.min(row.length, column / 32 * 32 + 32); i++) {
            largest = Math.max(largest, Math.abs(row[i]));
        }
        return largest;
    }

    @ParameterizedTest
    @EnumSource(
            names = {"F32", "F16", "BF16", "NF4"},
            mode = EnumSource.Mode.EXCLUDE)
    void aQuantizedTensorIsTheSameToTheLastBit(TensorType type) {
        Tensor tensor = tensor(type, 67, 512);
        DeviceMatrix matrix = UnpackedMatrix.stacked(List.of(tensor), arrays).pack();
        assertThat(List.of(matrix.groups(), matrix.outputs(), matrix.columns())).containsExactly(1, 67, 512);
        for (int r = 0; r < 67; r++) {
            float[] expected = row(tensor, r);
            for (int c = 0; c < expected.length; c++) {
                assertThat(element(matrix, 0, r, c))
                        .as("row %d, column %d", r, c)
                        .isEqualTo(expected[c]);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "Q4_0, 4, 32, 0",
        "Q4_1, 4, 32, 1",
        "Q4_K, 4, 32, 1",
        "Q5_0, 8, 32, 0",
        "Q5_1, 8, 32, 1",
        "Q5_K, 8, 32, 1",
        "Q6_K, 8, 16, 0",
        "Q8_0, 8, 32, 0",
        "F16, 16, 32, 0"
    })
    void aTypeTakesTheFewestBitsThatHoldIt(TensorType type, int bits, int block, int affine) {
        DeviceMatrix matrix =
                UnpackedMatrix.stacked(List.of(tensor(type, 1, 256)), arrays).pack();
        assertThat(List.of(matrix.bits(), matrix.block(), matrix.affine())).containsExactly(bits, block, affine);
    }

    @ParameterizedTest
    @CsvSource({"F32, 37", "F16, 32", "BF16, 1061", "F32, 1"})
    void aFloatTensorIsOffByLessThanItsBlockAllows(TensorType type, int columns) {
        Tensor tensor = tensor(type, 5, columns);
        DeviceMatrix matrix = UnpackedMatrix.stacked(List.of(tensor), arrays).pack();
        assertThat(matrix.columns()).isEqualTo(Widths.padded(columns));
        for (int r = 0; r < tensor.rows(); r++) {
            float[] expected = row(tensor, r);
            for (int c = 0; c < matrix.columns(); c++) {
                if (c >= columns) {
                    assertThat(element(matrix, 0, r, c)).isZero();
                } else {
                    // Half a step of largest / 32767, and a few roundings to float.
                    double error = largestOfBlock(expected, c) * 0x1p-16 * 1.02;
                    assertThat((double) element(matrix, 0, r, c)).isCloseTo(expected[c], within(error));
                }
            }
        }
    }

    @Test
    void floatsOfAnySizeArePacked() {
        float[] values = new float[5 * 32];
        values[0] = 0x1p126f;
        values[1] = -0x1p125f;
        values[32] = Float.MIN_VALUE;
        values[64] = 1;
        values[65] = Float.NaN;
        values[96] = Float.NEGATIVE_INFINITY;
        values[128] = -3;
        DeviceMatrix matrix =
                UnpackedMatrix.stacked(List.of(floats(5 * 32, values)), arrays).pack();
        assertThat(element(matrix, 0, 0, 0)).isCloseTo(0x1p126f, within(0x1p111f));
        assertThat(element(matrix, 0, 0, 1)).isCloseTo(-0x1p125f, within(0x1p111f));
        assertThat(element(matrix, 0, 0, 32)).isCloseTo(0, within(Float.MIN_VALUE));
        // What is not finite makes its block so, and is not hidden.
        assertThat(element(matrix, 0, 0, 64)).isNaN();
        assertThat(element(matrix, 0, 0, 65)).isNaN();
        assertThat(element(matrix, 0, 0, 96)).isNaN();
        assertThat(element(matrix, 0, 0, 128)).isEqualTo(-3);
        assertThat(element(matrix, 0, 0, 129)).isZero();
    }

    @ParameterizedTest
    @CsvSource({
        "Q4_K, Q6_K, 8, 16, 1",
        "Q4_0, Q8_0, 8, 32, 0",
        "Q4_0, Q4_K, 4, 32, 1",
        "Q8_0, Q5_1, 8, 32, 1",
        "Q6_K, Q8_0, 8, 16, 0",
        "Q5_0, Q4_1, 8, 32, 1"
    })
    void tensorsOfTwoTypesShareAFormatThatHoldsBoth(
            TensorType first, TensorType second, int bits, int block, int affine) {
        List<Tensor> tensors = List.of(tensor(first, 3, 256), tensor(second, 2, 256), tensor(first, 4, 256));
        DeviceMatrix matrix = UnpackedMatrix.stacked(tensors, arrays).pack();
        assertThat(List.of(matrix.bits(), matrix.block(), matrix.affine())).containsExactly(bits, block, affine);
        assertThat(matrix.outputs()).isEqualTo(9);
        int output = 0;
        for (Tensor tensor : tensors) {
            for (int r = 0; r < tensor.rows(); r++, output++) {
                float[] expected = row(tensor, r);
                for (int c = 0; c < 256; c++) {
                    int part = output * (256 / block) + c / block;
                    // A signed integer moved up is multiplied and moved down again: two roundings at up to 256 scales.
                    double error = Math.abs((1 << bits) * matrix.scales().get(part)) * 0x1p-23;
                    assertThat((double) element(matrix, 0, output, c))
                            .as("output %d, column %d", output, c)
                            .isCloseTo(expected[c], within(affine == 0 ? 0 : error));
                }
            }
        }
    }

    @Test
    void aQuantizedTensorBesideAFloatOneIsTreatedAsFloat() {
        Tensor quantized = tensor(TensorType.Q6_K, 2, 256);
        DeviceMatrix matrix = UnpackedMatrix.stacked(List.of(quantized, tensor(TensorType.BF16, 1, 256)), arrays)
                .pack();
        assertThat(List.of(matrix.bits(), matrix.block(), matrix.affine())).containsExactly(16, 32, 0);
        float[] expected = row(quantized, 1);
        for (int c = 0; c < 256; c++) {
            assertThat((double) element(matrix, 0, 1, c))
                    .isCloseTo(expected[c], within(largestOfBlock(expected, c) * 0x1p-16 * 1.02));
        }
    }

    @Test
    void everyTensorOfAGroupedMatrixIsAMatrix() {
        List<Tensor> tensors = List.of(
                tensor(TensorType.Q8_0, 33, 64), tensor(TensorType.Q8_0, 33, 64), tensor(TensorType.Q8_0, 33, 64));
        DeviceMatrix matrix = UnpackedMatrix.grouped(tensors, arrays).pack();
        assertThat(List.of(matrix.groups(), matrix.outputs())).containsExactly(3, 33);
        for (int group = 0; group < 3; group++) {
            for (int output = 0; output < 33; output++) {
                assertThat(element(matrix, group, output, 17)).isEqualTo(row(tensors.get(group), output)[17]);
            }
        }
    }

    @Test
    void theRowsOfTwoTensorsTakeTurns() {
        List<Tensor> tensors = List.of(
                tensor(TensorType.Q4_0, 33, 64),
                tensor(TensorType.Q4_0, 33, 64),
                tensor(TensorType.Q4_0, 33, 64),
                tensor(TensorType.Q4_0, 33, 64));
        DeviceMatrix matrix = UnpackedMatrix.interleaved(tensors, arrays).pack();
        assertThat(List.of(matrix.groups(), matrix.outputs())).containsExactly(2, 66);
        for (int group = 0; group < 2; group++) {
            for (int output = 0; output < 66; output++) {
                Tensor tensor = tensors.get(group * 2 + output % 2);
                assertThat(element(matrix, group, output, 40)).isEqualTo(row(tensor, output / 2)[40]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void theBytesAreKnownBeforehand(TensorType type) {
        List<Tensor> tensors = List.of(tensor(type, 3, 768), tensor(type, 3, 768));
        UnpackedMatrix.interleaved(tensors, arrays).pack();
        // Of the headers, of which there are three, only the most that one takes is known.
        assertThat(DeviceMatrix.bytes(tensors))
                .isEqualTo(arrays.bytes() + 3 * (DeviceArrays.MOST_HEADER - TornadoNativeArray.ARRAY_HEADER));
    }

    @Test
    void tensorsThatDoNotFitAreRefused() {
        Tensor tensor = tensor(TensorType.Q8_0, 3, 64);
        assertThatThrownBy(() -> UnpackedMatrix.stacked(List.of(tensor, tensor(TensorType.Q8_0, 3, 96)), arrays))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the tensor random Q8_0 [3, 96] does not fit to random Q8_0 [3, 64]");
        assertThatThrownBy(() -> UnpackedMatrix.grouped(List.of(tensor, tensor(TensorType.Q8_0, 4, 64)), arrays))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the tensor random Q8_0 [4, 64] does not fit to random Q8_0 [3, 64]");
        assertThatThrownBy(() -> DeviceMatrix.bytes(List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a matrix needs a tensor");
    }
}
