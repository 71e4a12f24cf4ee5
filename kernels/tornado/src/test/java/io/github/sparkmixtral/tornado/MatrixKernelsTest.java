package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;

/**
 * Grouped products as the formula has them, in double. Both kernels run one after the other, as in the model, so that an entry
 * served by both or by none is found out.
 */
@Tag("device")
final class MatrixKernelsTest {

    @ParameterizedTest
    @CsvSource({
        "4/32, 0",
        "4/32, 1",
        "4/32, 2",
        "4/32/affine, 0",
        "4/32/affine, 2",
        "4/16, 0",
        "4/16/affine, 1",
        "8/32, 0",
        "8/32, 2",
        "8/16, 0",
        "8/16, 1",
        "8/32/affine, 0",
        "8/16/affine, 2",
        "16/32, 0",
        "16/32, 2"
    })
    void everyFormatAndEpilogue(String format, int epilogue) throws TornadoExecutionPlanException {
        new Product(format, epilogue, true, 38, 160, 1, 0, 2, 7, 13, 17).run().assertAsTheFormula();
    }

    @ParameterizedTest
    @CsvSource({"1, 32", "2, 32", "4, 512", "13, 96", "16, 544", "33, 1056", "64, 32", "65, 64", "207, 32"})
    void anyNumberOfOutputsAndColumns(int outputs, int columns) throws TornadoExecutionPlanException {
        new Product("4/32", MatrixKernels.STORE, false, outputs, columns, 1, 5, 19)
                .run()
                .assertAsTheFormula();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 33, 63, 64, 65, 128, 129, 207})
    void oneGroupWithAllEntriesAndTheOthersWithNone(int entries) throws TornadoExecutionPlanException {
        new Product("8/32", MatrixKernels.ADD, true, 13, 64, 0, 0, entries, 0)
                .run()
                .assertAsTheFormula();
    }

    @Test
    void theSmallestGroupsOfMany() throws TornadoExecutionPlanException {
        new Product("16/32", MatrixKernels.STORE, true, 4, 32, 17, 17, 17, 17, 17)
                .run()
                .assertAsTheFormula();
    }

    @Test
    void nothingIsWrittenWithoutEntries() throws TornadoExecutionPlanException {
        new Product("8/32", MatrixKernels.STORE, true, 13, 64, 0, 0, 0).run().assertAsTheFormula();
    }

    @ParameterizedTest
    @ValueSource(ints = {4, 9, 40})
    void whatIsNoNumberStaysInItsRow(int entries) throws TornadoExecutionPlanException {
        Product product = new Product("4/32", MatrixKernels.STORE, false, 20, 96, entries);
        int bad = entries / 2;
        product.x.set(bad * product.xStride + 7, Float.NaN);
        product.x.set(bad * product.xStride + 8, Float.POSITIVE_INFINITY);
        product.run();
        for (int o = 0; o < 20; o++) {
            assertThat(product.y.get(bad * product.yStride + o)).isNaN();
        }
        product.x.set(bad * product.xStride + 7, 0);
        product.x.set(bad * product.xStride + 8, 0);
        for (int e = 0; e < entries; e++) {
            for (int o = 0; o < 20 && e != bad; o++) {
                product.assertElement(0, e, o);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 20})
    void gatesOfAnySizeGiveNumbers(int entries) throws TornadoExecutionPlanException {
        Product product = new Product("16/32", MatrixKernels.SWIGLU, false, 8, 32, entries);
        for (int i = 0; i < product.scales.getSize(); i++) {
            product.scales.set(i, product.scales.get(i) * 300);
        }
        product.run().assertAsTheFormula();
    }

    @Test
    void aProductIsTheSameBitForBitWheneverItIsComputed() throws TornadoExecutionPlanException {
        float[] first = new Product("4/32", MatrixKernels.STORE, true, 33, 544, 3, 12, 40)
                .run()
                .y
                .toHeapArray();
        float[] second = new Product("4/32", MatrixKernels.STORE, true, 33, 544, 3, 12, 40)
                .run()
                .y
                .toHeapArray();
        assertThat(second).containsExactly(first);
    }
}
