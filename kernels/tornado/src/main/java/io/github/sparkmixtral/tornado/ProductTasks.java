package io.github.sparkmixtral.tornado;

import static uk.ac.manchester.tornado.api.common.TaskPackage.createPackage;

import java.util.List;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Makes calls of matrix products, each as two tasks, one for the groups of few rows, one for those of many; on tensor cores a
 * third rounds the input before that. A step's counts decide which of them have anything to do.
 */
final class ProductTasks {

    private final KernelContext context;
    private final boolean tensorCores;
    private final IntArray halves;
    private final FloatArray sums;

    /** Where {@link #sums} has its tiles: past the largest input's rows. */
    private final int tilesAt;

    /**
     * @param tensorCores whether groups of many rows are multiplied on them
     * @param entries most rows of a product
     */
    ProductTasks(KernelContext context, Workspace work, boolean tensorCores, int entries) {
        this.context = context;
        this.tensorCores = tensorCores;
        this.halves = work.halves();
        this.sums = work.sums();
        this.tilesAt = entries;
    }

    /** What products keep on the device besides their inputs and results. */
    Object[] scratch() {
        return tensorCores ? new Object[] {halves, sums} : new Object[0];
    }

    /** The calls that compute a product. Their names hold what of the weights' format is compiled in. */
    List<KernelCall> calls(MatrixProduct product) {
        DeviceMatrix w = product.w();
        String format = "%dBits%dBlock%s".formatted(w.bits(), w.block(), w.affine() == 1 ? "Affine" : "");
        KernelCall few = few(product.task() + "Few" + format, product);
        return tensorCores
                ? List.of(few, pack(product), onTensorCores(product.task() + "Mma" + format, product))
                : List.of(few, many(product.task() + "Many" + format, product));
    }

    private KernelCall few(String name, MatrixProduct product) {
        MatrixProduct.Rows rows = product.rows();
        DeviceMatrix w = product.w();
        return new KernelCall(
                createPackage(
                        name,
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
                        product.epilogue()),
                _ -> MatrixKernels.few(w.outputs(), rows.groups()));
    }

    private KernelCall many(String name, MatrixProduct product) {
        MatrixProduct.Rows rows = product.rows();
        DeviceMatrix w = product.w();
        return new KernelCall(
                createPackage(
                        name,
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
                        product.epilogue()),
                counts -> {
                    int most = rows.most().applyAsInt(counts);
                    return most <= MatrixKernels.FEW
                            ? Grids.of(1, 1)
                            : MatrixKernels.many(w.outputs(), most, rows.groups());
                });
    }

    private KernelCall pack(MatrixProduct product) {
        MatrixProduct.Rows rows = product.rows();
        return new KernelCall(
                createPackage(
                        product.task() + "Pack",
                        TensorCoreKernels::pack,
                        context,
                        halves,
                        sums,
                        product.x(),
                        product.xStride(),
                        product.w().columns()),
                counts -> {
                    boolean few = rows.most().applyAsInt(counts) <= MatrixKernels.FEW;
                    return TensorCoreKernels.perRow(few ? 1 : rows.all().applyAsInt(counts));
                });
    }

    private KernelCall onTensorCores(String name, MatrixProduct product) {
        MatrixProduct.Rows rows = product.rows();
        DeviceMatrix w = product.w();
        return new KernelCall(
                createPackage(
                        name,
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
                        product.epilogue()),
                counts -> {
                    int most = rows.most().applyAsInt(counts);
                    return most <= MatrixKernels.FEW
                            ? Grids.of(1, 1)
                            : TensorCoreKernels.many(w.outputs(), most, rows.groups());
                });
    }
}
