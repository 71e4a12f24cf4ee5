package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Grouped products as the formula has them, in double. Both kernels run one after the other, as in the model, so that an entry
 * served by both or by none is found out.
 */
@Tag("device")
final class MatrixKernelsTest {

    /** Half the distance from 1 to the next float: the error of one rounding. */
    private static final double EPSILON = 0x1p-24;

    /** Exponentials are off by some ulps on a device. */
    private static final double EXPONENTIAL = 0x1p-20;

    private static final int STARTS_AT = 3;
    private static final int ROWS_AT = 5;

    /** A product on its way to the device, and what it should be. */
    private static final class Product {
        final int groups;
        final int entries;
        final int outputs;
        final int columns;
        final int bits;
        final int block;
        final int affine;
        final int epilogue;
        final boolean gathered;
        final int xStride;
        final int yStride;
        final IntArray starts;
        final IntArray rows;
        final FloatArray x;
        final FloatArray y;
        final float[] before;
        final IntArray words;
        final FloatArray scales;
        final FloatArray minima;

        Product(String format, int epilogue, boolean gathered, int outputs, int columns, int... counts) {
            Random random = new Random(outputs * 31L + columns);
            String[] parts = format.split("/");
            bits = Integer.parseInt(parts[0]);
            block = Integer.parseInt(parts[1]);
            affine = parts.length > 2 ? 1 : 0;
            this.epilogue = epilogue;
            this.gathered = gathered;
            this.outputs = outputs;
            this.columns = columns;
            groups = counts.length;
            starts = new IntArray(STARTS_AT + groups + 1);
            starts.init(-1);
            int start = 0;
            for (int g = 0; g < groups; g++) {
                starts.set(STARTS_AT + g, start);
                start += counts[g];
            }
            starts.set(STARTS_AT + groups, start);
            entries = start;
            int inRows = gathered ? 9 : entries + 1;
            rows = new IntArray(ROWS_AT + entries);
            for (int i = 0; i < rows.getSize(); i++) {
                rows.set(i, random.nextInt(inRows));
            }
            xStride = columns + 32;
            x = normal(random, inRows * xStride);
            yStride = outputs + 3;
            y = normal(random, (entries + 1) * yStride);
            before = y.toHeapArray();
            words = new IntArray(groups * outputs * (columns * bits / 32));
            for (int i = 0; i < words.getSize(); i++) {
                words.set(i, random.nextInt());
            }
            scales = normal(random, groups * outputs * (columns / block));
            minima = normal(random, affine == 1 ? scales.getSize() : 1);
            for (int i = 0; i < scales.getSize(); i++) {
                // Sums of about 1, whatever the format: where silu bends.
                scales.set(i, scales.get(i) / (float) ((1 << (bits - 1)) * Math.sqrt(columns)));
            }
            for (int i = 0; i < minima.getSize(); i++) {
                minima.set(i, minima.get(i) / (float) Math.sqrt(columns));
            }
        }

        private static FloatArray normal(Random random, int size) {
            FloatArray array = new FloatArray(size);
            for (int i = 0; i < size; i++) {
                array.set(i, (float) random.nextGaussian());
            }
            return array;
        }

        Product run() throws TornadoExecutionPlanException {
            int rowsAt = gathered ? ROWS_AT : -1;
            KernelContext context = new KernelContext();
            TaskGraph graph = new TaskGraph("graph")
                    .transferToDevice(EVERY_EXECUTION, starts, rows, x, y, words, scales, minima)
                    .task(
                            "few",
                            MatrixKernels::gemmFew,
                            context,
                            starts,
                            STARTS_AT,
                            rows,
                            rowsAt,
                            y,
                            yStride,
                            x,
                            xStride,
                            words,
                            scales,
                            minima,
                            bits,
                            block,
                            affine,
                            outputs,
                            columns,
                            epilogue)
                    .task(
                            "many",
                            MatrixKernels::gemmMany,
                            context,
                            starts,
                            STARTS_AT,
                            groups,
                            rows,
                            rowsAt,
                            y,
                            yStride,
                            x,
                            xStride,
                            words,
                            scales,
                            minima,
                            bits,
                            block,
                            affine,
                            outputs,
                            columns,
                            epilogue)
                    .transferToHost(EVERY_EXECUTION, y);
            GridScheduler grids = new GridScheduler("graph.few", MatrixKernels.few(outputs, groups));
            grids.addWorkerGrid("graph.many", MatrixKernels.many(outputs, entries, groups));
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                plan.withGridScheduler(grids);
                plan.execute();
            }
            return this;
        }

        /** A sum of products with one rounding each, in the order of a tree or worse, and how far off it may be. */
        private record Sum(double value, double error) {}

        private Sum sum(int group, int entry, int output) {
            double value = 0;
            double magnitude = 0;
            int source = (gathered ? rows.get(ROWS_AT + entry) : entry) * xStride;
            for (int c = 0; c < columns; c++) {
                int at = (group * outputs + output) * columns + c;
                int word = words.get(at / (32 / bits));
                int unsigned = word >>> (at % (32 / bits) * bits) & ((1 << bits) - 1);
                int signed = unsigned >= 1 << (bits - 1) ? unsigned - (1 << bits) : unsigned;
                double scale = scales.get(at / block);
                double minimum = affine == 1 ? minima.get(at / block) : 0;
                double in = x.get(source + c);
                value += ((affine == 1 ? unsigned : signed) * scale + minimum) * in;
                // Signed nibbles are multiplied as unsigned ones, and 8 times the scale is taken off.
                double most = bits == 4 && affine == 0 ? Math.abs((signed + 16) * scale) : Math.abs(unsigned * scale);
                magnitude += (most + Math.abs(minimum)) * Math.abs(in);
            }
            return new Sum(value, magnitude * EPSILON * (8 + columns / 16.0));
        }

        void assertAsTheFormula() {
            for (int g = 0; g < groups; g++) {
                for (int e = starts.get(STARTS_AT + g); e < starts.get(STARTS_AT + g + 1); e++) {
                    for (int o = 0; o < yStride; o++) {
                        assertElement(g, e, o);
                    }
                }
            }
            assertThat(Arrays.copyOfRange(y.toHeapArray(), entries * yStride, y.getSize()))
                    .as("the row after the last")
                    .containsExactly(Arrays.copyOfRange(before, entries * yStride, y.getSize()));
        }

        private void assertElement(int group, int entry, int output) {
            int at = entry * yStride + output;
            Sum expected = switch (epilogue) {
                case MatrixKernels.STORE -> output < outputs ? sum(group, entry, output) : new Sum(before[at], 0);
                case MatrixKernels.ADD -> {
                    if (output >= outputs) {
                        yield new Sum(before[at], 0);
                    }
                    Sum sum = sum(group, entry, output);
                    double value = before[at] + sum.value;
                    yield new Sum(value, sum.error + Math.abs(value) * EPSILON);
                }
                default -> {
                    if (output >= outputs / 2) {
                        yield new Sum(before[at], 0);
                    }
                    Sum gate = sum(group, entry, 2 * output);
                    Sum up = sum(group, entry, 2 * output + 1);
                    double silu = gate.value / (1 + Math.exp(-gate.value));
                    double value = silu * up.value;
                    // The slope of silu is at most 1.1.
                    yield new Sum(
                            value,
                            1.1 * gate.error * Math.abs(up.value)
                                    + Math.abs(silu) * up.error
                                    + Math.abs(value) * EXPONENTIAL);
                }
            };
            assertThat((double) y.get(at))
                    .as("group %d, entry %d, output %d", group, entry, output)
                    .isCloseTo(expected.value, within(expected.error));
        }
    }

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
