package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;

import java.util.Arrays;
import java.util.Random;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** A product on its way to the device, and what it should be. */
final class Product {

    /** Half the distance from 1 to the next float: the error of one rounding. */
    private static final double EPSILON = 0x1p-24;

    /** The error of one rounding to fp16, as a part of the number. */
    private static final double HALF = 0x1p-11;

    /** The error of one rounding to fp16 below its normal range; no row of {@code x} has its largest element there. */
    private static final double TINY = 0x1p-25;

    /** Tensor cores do not round sums but cut them off, after each 8 products or so. */
    private static final double CHOPPED = 4;

    /** Exponentials are off by some ulps on a device. */
    private static final double EXPONENTIAL = 0x1p-20;

    private static final int STARTS_AT = 3;
    private static final int ROWS_AT = 5;

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

    /** Whether {@code y} was made of factors in fp16, where groups have many entries. */
    private boolean halves;

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

    /** Makes {@code y}, the groups of many entries with {@link MatrixKernels#gemmMany}. */
    Product run() throws TornadoExecutionPlanException {
        return run(null);
    }

    /** Makes {@code y}, the groups of many entries with {@link TensorCoreKernels}. */
    Product runOnTensorCores() throws TornadoExecutionPlanException {
        return run(TensorCoreKernels.many(outputs, entries, groups));
    }

    /** The same with so many work-groups. */
    Product runOnTensorCores(int workGroups) throws TornadoExecutionPlanException {
        return run(Grids.of(workGroups, 1));
    }

    private Product run(WorkerGrid tensorCores) throws TornadoExecutionPlanException {
        int rowsAt = gathered ? ROWS_AT : -1;
        int inRows = x.getSize() / xStride;
        halves = tensorCores != null;
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
                        epilogue);
        GridScheduler grids = new GridScheduler("graph.few", MatrixKernels.few(outputs, groups));
        if (halves) {
            IntArray packed = new IntArray(inRows * columns / 2);
            FloatArray scratch =
                    new FloatArray(Math.toIntExact(TensorCoreKernels.scratch(inRows, outputs, entries, groups)));
            graph.transferToDevice(EVERY_EXECUTION, packed, scratch)
                    .task("pack", TensorCoreKernels::pack, context, packed, scratch, x, xStride, columns)
                    .task(
                            "many",
                            TensorCoreKernels::gemmMma,
                            context,
                            starts,
                            STARTS_AT,
                            groups,
                            rows,
                            rowsAt,
                            y,
                            yStride,
                            packed,
                            scratch,
                            inRows,
                            words,
                            scales,
                            minima,
                            bits,
                            block,
                            affine,
                            outputs,
                            columns,
                            epilogue);
            grids.addWorkerGrid("graph.pack", TensorCoreKernels.perRow(inRows));
            grids.addWorkerGrid("graph.many", tensorCores);
        } else {
            graph.task(
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
                    epilogue);
            grids.addWorkerGrid("graph.many", MatrixKernels.many(outputs, entries, groups));
        }
        graph.transferToHost(EVERY_EXECUTION, y);
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
        double halvesError = 0;
        double largest = largest(entry);
        int source = (gathered ? rows.get(ROWS_AT + entry) : entry) * xStride;
        for (int c = 0; c < columns; c++) {
            int at = (group * outputs + output) * columns + c;
            int word = words.get(at / (32 / bits));
            int unsigned = word >>> (at % (32 / bits) * bits) & ((1 << bits) - 1);
            int signed = unsigned >= 1 << (bits - 1) ? unsigned - (1 << bits) : unsigned;
            double scale = scales.get(at / block);
            double minimum = affine == 1 ? minima.get(at / block) : 0;
            double in = x.get(source + c);
            double weight = (affine == 1 ? unsigned : signed) * scale + minimum;
            value += weight * in;
            halvesError += HALF * 2.01 * Math.abs(weight * in) + TINY * (Math.abs(in) + Math.abs(weight) * largest);
            // Signed nibbles are multiplied as unsigned ones, and 8 times the scale is taken off.
            double most = bits == 4 && affine == 0 ? Math.abs((signed + 16) * scale) : Math.abs(unsigned * scale);
            magnitude += (most + Math.abs(minimum)) * Math.abs(in);
        }
        double error = magnitude * EPSILON * (8 + columns / 16.0);
        boolean many = starts.get(STARTS_AT + group + 1) - starts.get(STARTS_AT + group) > MatrixKernels.FEW;
        return new Sum(value, halves && many ? error * CHOPPED + halvesError : error);
    }

    private double largest(int entry) {
        int source = (gathered ? rows.get(ROWS_AT + entry) : entry) * xStride;
        double largest = 0;
        for (int c = 0; c < columns; c++) {
            largest = Math.max(largest, Math.abs(x.get(source + c)));
        }
        return largest;
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

    void assertElement(int group, int entry, int output) {
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
