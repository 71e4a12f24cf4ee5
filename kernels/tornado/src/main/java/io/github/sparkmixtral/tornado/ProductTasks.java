package io.github.sparkmixtral.tornado;

import static uk.ac.manchester.tornado.api.enums.DataTransferMode.FIRST_EXECUTION;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Adds matrix products to task graphs, each as two tasks, one for the groups of few rows, one for those of many; on tensor cores a
 * third rounds the input before that. A step's counts decide which of them have anything to do.
 */
final class ProductTasks {

    private final KernelContext context;
    private final Grids grids;
    private final boolean tensorCores;
    private final IntArray halves;
    private final FloatArray sums;

    /** Where {@link #sums} has its tiles: past the largest input's rows. */
    private final int tilesAt;

    /**
     * @param tensorCores whether groups of many rows are multiplied on them
     * @param entries most rows of a product
     */
    ProductTasks(KernelContext context, Grids grids, Workspace work, boolean tensorCores, int entries) {
        this.context = context;
        this.grids = grids;
        this.tensorCores = tensorCores;
        this.halves = work.halves();
        this.sums = work.sums();
        this.tilesAt = entries;
    }

    /** What products keep on the device besides their inputs and results. */
    Object[] scratch() {
        return tensorCores ? new Object[] {halves, sums} : new Object[0];
    }

    /** Adds a product to a graph, which uploads its weights the first time. */
    void add(TaskGraph graph, String name, MatrixProduct product) {
        MatrixProduct.Rows rows = product.rows();
        DeviceMatrix w = product.w();
        graph.transferToDevice(FIRST_EXECUTION, w.words(), w.scales(), w.minima());
        graph.task(
                product.task() + "Few",
                MatrixKernels::gemmFew,
                context,
                rows.indices(),
                rows.startsAt(),
                rows.indices(),
                rows.gatherAt(),
                product.y(),
                product.yStride(),
                product.x(),
                product.xStride(),
                w.words(),
                w.scales(),
                w.minima(),
                w.bits(),
                w.block(),
                w.affine(),
                w.outputs(),
                w.columns(),
                product.epilogue());
        grids.add(name, product.task() + "Few", _ -> MatrixKernels.few(w.outputs(), rows.groups()));
        if (tensorCores) {
            addOnTensorCores(graph, name, product);
        } else {
            addMany(graph, name, product);
        }
    }

    private void addMany(TaskGraph graph, String name, MatrixProduct product) {
        MatrixProduct.Rows rows = product.rows();
        DeviceMatrix w = product.w();
        graph.task(
                product.task() + "Many",
                MatrixKernels::gemmMany,
                context,
                rows.indices(),
                rows.startsAt(),
                rows.groups(),
                rows.indices(),
                rows.gatherAt(),
                product.y(),
                product.yStride(),
                product.x(),
                product.xStride(),
                w.words(),
                w.scales(),
                w.minima(),
                w.bits(),
                w.block(),
                w.affine(),
                w.outputs(),
                w.columns(),
                product.epilogue());
        grids.add(name, product.task() + "Many", counts -> {
            int most = rows.most().applyAsInt(counts);
            return most <= MatrixKernels.FEW ? Grids.of(1, 1) : MatrixKernels.many(w.outputs(), most, rows.groups());
        });
    }

    private void addOnTensorCores(TaskGraph graph, String name, MatrixProduct product) {
        MatrixProduct.Rows rows = product.rows();
        DeviceMatrix w = product.w();
        graph.task(
                product.task() + "Pack",
                TensorCoreKernels::pack,
                context,
                halves,
                sums,
                product.x(),
                product.xStride(),
                w.columns());
        grids.add(name, product.task() + "Pack", counts -> {
            boolean few = rows.most().applyAsInt(counts) <= MatrixKernels.FEW;
            return TensorCoreKernels.perRow(few ? 1 : rows.all().applyAsInt(counts));
        });
        graph.task(
                product.task() + "Many",
                TensorCoreKernels::gemmMma,
                context,
                rows.indices(),
                rows.startsAt(),
                rows.groups(),
                rows.indices(),
                rows.gatherAt(),
                product.y(),
                product.yStride(),
                halves,
                sums,
                tilesAt,
                w.words(),
                w.scales(),
                w.minima(),
                w.bits(),
                w.block(),
                w.affine(),
                w.outputs(),
                w.columns(),
                product.epilogue());
        grids.add(name, product.task() + "Many", counts -> {
            int most = rows.most().applyAsInt(counts);
            return most <= MatrixKernels.FEW
                    ? Grids.of(1, 1)
                    : TensorCoreKernels.many(w.outputs(), most, rows.groups());
        });
    }
}
