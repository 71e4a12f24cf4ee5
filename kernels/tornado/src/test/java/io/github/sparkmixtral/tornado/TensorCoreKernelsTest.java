package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.engine.BackendOptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** As {@link MatrixKernelsTest}, of factors rounded to fp16: groups of few entries are left to the other kernel. */
@Tag("device")
final class TensorCoreKernelsTest {

    @BeforeEach
    void findTensorCores() {
        TornadoDevice device = Devices.chosen(new BackendOptions(1, 1, 0, 0)).getFirst();
        assumeThat(device.getDeviceName().equals("simulator") || Devices.hasTensorCores(device))
                .as("TornadoVM's device has tensor cores and is driven through CUDA")
                .isTrue();
    }

    @ParameterizedTest
    @CsvSource({
        "4/32, 0",
        "4/32, 1",
        "4/32, 2",
        "4/32/affine, 1",
        "4/16, 0",
        "4/16/affine, 2",
        "8/32, 0",
        "8/16, 1",
        "8/32/affine, 0",
        "8/16/affine, 2",
        "16/32, 0",
        "16/32, 2"
    })
    void everyFormatAndEpilogue(String format, int epilogue) throws TornadoExecutionPlanException {
        new Product(format, epilogue, true, 138, 64, 1, 0, 17, 7, 65)
                .runOnTensorCores()
                .assertAsTheFormula();
    }

    @ParameterizedTest
    @CsvSource({"1, 32", "2, 64", "13, 96", "33, 288", "128, 32", "129, 64", "207, 32"})
    void anyNumberOfOutputsAndColumns(int outputs, int columns) throws TornadoExecutionPlanException {
        new Product("4/32", MatrixKernels.STORE, false, outputs, columns, 1, 19)
                .runOnTensorCores()
                .assertAsTheFormula();
    }

    @ParameterizedTest
    @ValueSource(ints = {16, 17, 64, 65, 129})
    void oneGroupWithAllEntriesAndTheOthersWithNone(int entries) throws TornadoExecutionPlanException {
        new Product("8/32", MatrixKernels.ADD, true, 13, 64, 0, 0, entries, 0)
                .runOnTensorCores()
                .assertAsTheFormula();
    }

    @Test
    void nothingIsWrittenWithoutEntries() throws TornadoExecutionPlanException {
        new Product("8/32", MatrixKernels.STORE, true, 13, 64, 0, 0, 0)
                .runOnTensorCores()
                .assertAsTheFormula();
    }

    @Test
    void moreTilesThanWorkGroups() throws TornadoExecutionPlanException {
        new Product("4/32", MatrixKernels.STORE, false, 300, 32, 17, 80)
                .runOnTensorCores(4)
                .assertAsTheFormula();
    }

    @ParameterizedTest
    @ValueSource(floats = {0, 1e-38f, 1e-6f, 1e20f})
    void rowsOfAnySize(float size) throws TornadoExecutionPlanException {
        Product product = new Product("4/32", MatrixKernels.STORE, false, 20, 96, 33);
        for (int c = 0; c < product.xStride; c++) {
            product.x.set(7 * product.xStride + c, product.x.get(7 * product.xStride + c) * size);
        }
        product.runOnTensorCores().assertAsTheFormula();
    }

    @Test
    void whatIsNoNumberStaysInItsRow() throws TornadoExecutionPlanException {
        Product product = new Product("4/32", MatrixKernels.STORE, false, 20, 96, 40);
        product.x.set(20 * product.xStride + 7, Float.NaN);
        product.x.set(21 * product.xStride + 8, Float.POSITIVE_INFINITY);
        product.runOnTensorCores();
        for (int o = 0; o < 20; o++) {
            assertThat(product.y.get(20 * product.yStride + o)).isNaN();
            assertThat(product.y.get(21 * product.yStride + o)).isNaN();
        }
        for (int e = 0; e < 40; e++) {
            for (int o = 0; o < 20 && e != 20 && e != 21; o++) {
                product.assertElement(0, e, o);
            }
        }
    }

    @Test
    void gatesOfAnySizeGiveNumbers() throws TornadoExecutionPlanException {
        Product product = new Product("16/32", MatrixKernels.SWIGLU, false, 8, 32, 20);
        for (int i = 0; i < product.scales.getSize(); i++) {
            product.scales.set(i, product.scales.get(i) * 300);
        }
        product.runOnTensorCores().assertAsTheFormula();
    }

    @ParameterizedTest
    @CsvSource({
        "8e-6, 0, 8, true",
        "7e-6, 0, 8, false",
        "500, 0, 8, true",
        "510, 0, 8, false",
        "-510, 0, 8, false",
        "200, -10000, 8, true",
        "200, -20000, 8, false",
        "2, 0, 16, false",
        "1.9, 0, 16, true"
    })
    void takesMatricesWithinTheRangeOfHalves(float scale, float minimum, int bits, boolean takes) {
        FloatArray scales = new FloatArray(4);
        scales.set(2, scale);
        FloatArray minima = new FloatArray(4);
        minima.set(2, minimum);
        int affine = minimum == 0 ? 0 : 1;
        DeviceMatrix matrix = new DeviceMatrix(new IntArray(1), scales, minima, bits, 32, affine, 1, 4, 32);
        assertThat(TensorCoreKernels.takes(matrix)).isEqualTo(takes);
    }
}
