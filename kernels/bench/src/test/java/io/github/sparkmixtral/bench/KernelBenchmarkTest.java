package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.github.sparkmixtral.cpu.Matrix;
import io.github.sparkmixtral.tensor.TensorType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KernelBenchmarkTest {

    @ParameterizedTest
    @CsvSource({"Q8_0, 1", "Q8_0, 8", "Q4_0, 1", "Q4_K, 8", "F16, 8"})
    void multipliesAPanelAfterTheOther(TensorType type, int rows) {
        KernelBenchmark.Product product = new KernelBenchmark.Product();
        product.type = type;
        product.rows = rows;
        product.kernels = "vector";
        product.prepare();
        KernelBenchmark.Work work = new KernelBenchmark.Work();
        new KernelBenchmark().gemm(product, work);
        assertThat(work.gigaflops).isEqualTo(2.0 * rows * 32 * 1024 / 1e9);
        assertThat(work.gigabytes).isEqualTo(type.bytes(32 * 1024) / 1e9);
        product.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"scalar", "vector"})
    void attendsAndWorksOnRows(String kernels) {
        KernelBenchmark.Attention attention = new KernelBenchmark.Attention();
        attention.context = 128;
        attention.kernels = kernels;
        attention.prepare();
        KernelBenchmark.Work work = new KernelBenchmark.Work();
        new KernelBenchmark().attend(attention, work);
        assertThat(work.gigabytes).isEqualTo(2 * 128 * 64 * 4 / 1e9);
        attention.close();
        KernelBenchmark.Row row = new KernelBenchmark.Row();
        row.kernels = kernels;
        row.prepare();
        assertThatCode(() -> {
                    new KernelBenchmark().rmsNorm(row, work);
                    new KernelBenchmark().swiGlu(row, work);
                })
                .doesNotThrowAnyException();
    }

    @Test
    void aWrongResultFails() {
        Matrix expected = Matrix.zeros(2, 3);
        Matrix actual = Matrix.zeros(2, 3);
        KernelBenchmark.check("gemm", expected, actual, 1e-4);
        actual.data()[actual.offset(1) + 2] = Float.NaN;
        assertThatIllegalStateException()
                .isThrownBy(() -> KernelBenchmark.check("gemm", expected, actual, 1e-4))
                .withMessage("gemm is wrong: element 2 of row 1 is NaN, not 0.0");
    }
}
