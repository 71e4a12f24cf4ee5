package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.tornado.Grids.Counts;
import java.util.function.ToIntFunction;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * A matrix product of a decoder layer or the head: {@code y[i] = epilogue(w[group of i] x[row of i])} for the entries {@code i} of all
 * groups. {@link MatrixKernels} has the formulas.
 *
 * @param task what its tasks' names begin with
 * @param rows which rows of {@code x} are taken, and in which groups
 * @param y {@code [entries, yStride]}
 * @param x {@code [rows, xStride]}
 * @param w one matrix for each group
 * @param epilogue such as {@link MatrixKernels#STORE}
 */
record MatrixProduct(
        String task, Rows rows, FloatArray y, int yStride, FloatArray x, int xStride, DeviceMatrix w, int epilogue) {

    /**
     * Rows of a product's input, as an array of indices says.
     *
     * @param startsAt index of the first entry of each group, and of one past the last one's
     * @param gatherAt index of the row of each entry, or {@link #SAME}
     * @param groups number of groups
     * @param most entries of the largest group, at most
     * @param all rows that the input has
     */
    record Rows(
            IntArray indices,
            int startsAt,
            int gatherAt,
            int groups,
            ToIntFunction<Counts> most,
            ToIntFunction<Counts> all) {

        /** Instead of where rows are listed: entry e is row e. */
        static final int SAME = -1;
    }
}
