package io.github.sparkmixtral.tornado;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid2D;

/**
 * How many work-groups each task gets. Tasks of the same name in different graphs share a grid; {@link #resize} fits all of them
 * to a step, without anything being compiled again.
 */
final class Grids {

    /** Threads of every work-group. */
    static final int GROUP = 128;

    /**
     * What the sizes of grids depend on.
     *
     * @param changes changed entries of the block tables
     * @param tokens tokens of the step
     * @param items attention items of the step
     * @param wanted rows whose logits are computed
     */
    record Counts(int changes, int tokens, int items, int wanted) {

        static final Counts NONE = new Counts(0, 0, 0, 0);
    }

    private record Resized(WorkerGrid grid, Function<Counts, WorkerGrid> size) {}

    private final GridScheduler scheduler = new GridScheduler();
    private final Map<String, WorkerGrid> byTask = new HashMap<>();
    private final List<Resized> resized = new ArrayList<>();

    GridScheduler scheduler() {
        return scheduler;
    }

    /** Gives a task of a graph the grid that {@code size} makes of a step's counts. */
    void add(String graph, String task, Function<Counts, WorkerGrid> size) {
        scheduler.addWorkerGrid(graph + "." + task, byTask.computeIfAbsent(task, _ -> resizable(size)));
    }

    private WorkerGrid resizable(Function<Counts, WorkerGrid> size) {
        WorkerGrid grid = of(1, 1);
        resized.add(new Resized(grid, size));
        return grid;
    }

    void resize(Counts counts) {
        for (Resized each : resized) {
            long[] work = each.size().apply(counts).getGlobalWork();
            each.grid().setGlobalWork(work[0], work[1], work[2]);
            each.grid().setLocalWork(GROUP, 1, 1); // counts the work-groups
        }
    }

    /** {@code x} by {@code y} work-groups. */
    static WorkerGrid of(int x, int y) {
        WorkerGrid grid = new WorkerGrid2D(Math.multiplyExact(GROUP, x), y);
        grid.setLocalWork(GROUP, 1, 1);
        return grid;
    }
}
