package io.github.sparkmixtral.tornado;

import java.util.Arrays;
import java.util.function.Consumer;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;

/**
 * Runs a kernel in plain Java, thread by thread, as a device would: local memory belongs to a work-group and starts as
 * rubbish, and a barrier holds each thread until all of its work-group have come. What a device would answer with a
 * hang or wrong numbers is an error here. One work-group runs after another, in a fixed order.
 */
public final class Simulator {

    /** The order in which work-groups, and threads between two barriers, run. No correct kernel can tell the difference. */
    public enum Order {
        ASCENDING,
        DESCENDING
    }

    /** Every OpenCL and CUDA device allows as much, in threads of a work-group. */
    private static final long MAX_GROUP = 1024;

    private Simulator() {}

    /** Runs {@code kernel} in ascending order, once for each thread of {@code grid}. */
    public static void run(WorkerGrid grid, Consumer<KernelContext> kernel) {
        run(grid, Order.ASCENDING, kernel);
    }

    /**
     * Runs {@code kernel} once for each thread of {@code grid}.
     *
     * @throws IllegalStateException if the grid is not a whole number of work-groups, if threads of one work-group do not
     *     come to the same barriers or local arrays, or if a thread fails; the message names thread and work-group
     */
    public static void run(WorkerGrid grid, Order order, Consumer<KernelContext> kernel) {
        int[] local = localWork(grid);
        int[] groups = new int[3];
        for (int d = 0; d < 3; d++) {
            groups[d] = Math.toIntExact(grid.getGlobalWork()[d] / local[d]);
        }
        WorkGroup group = new WorkGroup(groups, local, order, kernel);
        int count = Math.multiplyExact(Math.multiplyExact(groups[0], groups[1]), groups[2]);
        for (int i = 0; i < count; i++) {
            int index = order == Order.ASCENDING ? i : count - 1 - i;
            group.run(index % groups[0], index / groups[0] % groups[1], index / groups[0] / groups[1]);
        }
    }

    private static int[] localWork(WorkerGrid grid) {
        long[] global = grid.getGlobalWork();
        long[] local = grid.getLocalWork();
        if (local == null) {
            throw new IllegalStateException("the grid " + Arrays.toString(global) + " has no local work set");
        }
        for (int d = 0; d < 3; d++) {
            if (global[d] < 1 || local[d] < 1 || global[d] % local[d] != 0) {
                throw new IllegalStateException("a grid of " + Arrays.toString(global)
                        + " threads is not a whole number of work-groups of " + Arrays.toString(local));
            }
        }
        if (local[0] * local[1] * local[2] > MAX_GROUP) {
            throw new IllegalStateException("a work-group of " + Arrays.toString(local) + " threads is larger than the "
                    + MAX_GROUP + " that devices allow");
        }
        return Arrays.stream(local).mapToInt(Math::toIntExact).toArray();
    }
}
