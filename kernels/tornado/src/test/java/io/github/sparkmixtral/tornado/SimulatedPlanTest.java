package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.FIRST_EXECUTION;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.ImmutableTaskGraph;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.common.TaskPackage;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** The mistakes that a device would answer with rubbish, and the simulated plan with an error. */
class SimulatedPlanTest {

    private static final int SIZE = 256;

    private final KernelContext context = new KernelContext();
    private final FloatArray x = new FloatArray(SIZE);
    private final FloatArray y = new FloatArray(SIZE);

    @Test
    void anArrayThatTheGraphDoesNotMentionIsAnError() {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x)
                .task("copy", SimulatedPlanTest::copy, context, y, x);
        assertThatThrownBy(() -> plan(graph).execute())
                .hasMessage("a task of graph g uses FloatArray[256], which the graph neither transfers, persists nor"
                        + " consumes");
    }

    @Test
    void deviceMemoryThatWasNeverWrittenIsNotZero() {
        TaskGraph graph = new TaskGraph("g")
                .persistOnDevice(x)
                .task("copy", SimulatedPlanTest::copy, context, y, x)
                .transferToHost(EVERY_EXECUTION, y);
        plan(graph).execute();
        assertThat(y.toHeapArray()).containsOnly(Float.NaN);
    }

    @Test
    void aTaskWithoutGridIsAnError() {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x, y)
                .task("copy", SimulatedPlanTest::copy, context, y, x);
        assertThatThrownBy(() -> new TornadoExecutionPlan(graph.snapshot()).execute())
                .hasMessage("no grid for task g.copy");
    }

    @Test
    void aGridWithoutTaskIsAnError() {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x, y)
                .task("copy", SimulatedPlanTest::copy, context, y, x);
        assertThatThrownBy(() -> new TornadoExecutionPlan(graph.snapshot())
                        .withGridScheduler(new GridScheduler("g.cpoy", grid())))
                .hasMessage("grids for tasks that no graph of the plan has: [g.cpoy]");
    }

    @Test
    void consumingWhatTheLastGraphDoesNotHaveIsAnError() {
        TaskGraph first = new TaskGraph("first")
                .transferToDevice(FIRST_EXECUTION, x)
                .task("copy", SimulatedPlanTest::copy, context, y, x)
                .persistOnDevice(y);
        TaskGraph second = new TaskGraph("second")
                .transferToDevice(FIRST_EXECUTION, x)
                .task("copy", SimulatedPlanTest::copy, context, x, x);
        TaskGraph third = new TaskGraph("third")
                .consumeFromDevice("first", y)
                .task("copy", SimulatedPlanTest::copy, context, x, y)
                .transferToHost(EVERY_EXECUTION, x);
        TornadoExecutionPlan plan = plan(first, second, third);
        plan.withGraph(0).execute();
        plan.withGraph(1).execute();
        assertThatThrownBy(() -> plan.withGraph(2).execute())
                .hasMessage(
                        "graph third consumes FloatArray[256], which graph second, executed before it, does not have"
                                + " on the device");
        assertThatThrownBy(() -> plan(third).execute())
                .hasMessage("graph third consumes from [first], and no graph of the plan was executed before it");
    }

    @Test
    void copyingToTheHostWhatNoTaskUsesIsAnError() {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x)
                .task("copy", SimulatedPlanTest::copy, context, x, x)
                .transferToHost(EVERY_EXECUTION, y);
        assertThatThrownBy(() -> plan(graph).execute())
                .hasMessage("graph g copies FloatArray[256] to the host, which none of its tasks uses");
    }

    @Test
    void aRaceWithinAWorkGroupIsAnError() {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x)
                .task("copy", SimulatedPlanTest::reverseWithoutBarrier, context, x)
                .transferToHost(EVERY_EXECUTION, x);
        assertThatThrownBy(() -> plan(graph).execute())
                .hasMessage(
                        "task g.copy: threads race: element 0 of the task's array 0 (counted from 0 without scalars)"
                                + " depends on the order in which they run");
    }

    @Test
    void aRaceBetweenWorkGroupsIsAnError() {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x)
                .task("copy", SimulatedPlanTest::groupOfLastWriter, context, x)
                .transferToHost(EVERY_EXECUTION, x);
        assertThatThrownBy(() -> plan(graph).execute()).hasMessageContaining("threads race: element 7");
    }

    @Test
    void aClosedPlanRunsNoMore() {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x, y)
                .task("copy", SimulatedPlanTest::copy, context, y, x);
        TornadoExecutionPlan plan = plan(graph);
        plan.close();
        assertThatThrownBy(plan::execute).hasMessage("the plan is closed");
    }

    @Test
    void aNameStandsForOneKernelWithItsScalars() {
        TaskGraph[] graphs = new TaskGraph[2];
        for (int i = 0; i < 2; i++) {
            graphs[i] = new TaskGraph("g")
                    .transferToDevice(FIRST_EXECUTION, x, y)
                    .addTask(TaskPackage.createPackage("copy", SimulatedPlanTest::scale, context, y, x, i));
        }
        TornadoExecutionPlan plan = plan(graphs);
        plan.withGraph(0).execute();
        assertThatThrownBy(() -> plan.withGraph(1).execute())
                .hasMessage("task g.copy is there again with another kernel or other scalars, and TornadoVM would run"
                        + " the first");
    }

    @Test
    void aNameThatAGraphHasTwiceIsAnError() {
        TaskGraph graph = new TaskGraph("g").transferToDevice(FIRST_EXECUTION, x, y);
        for (int i = 0; i < 2; i++) {
            graph.addTask(TaskPackage.createPackage("copy", SimulatedPlanTest::copy, context, y, x));
        }
        assertThatThrownBy(() -> plan(graph)).hasMessage("graph g has two tasks of the name copy");
    }

    @Test
    void aGraphThatTornadoVmCannotNoteIsAnError() {
        TaskGraph graph = new TaskGraph("g").transferToDevice(FIRST_EXECUTION, x, y);
        for (int i = 0; i < 274; i++) {
            graph.addTask(TaskPackage.createPackage("copy" + i, SimulatedPlanTest::copy, context, y, x));
        }
        assertThatThrownBy(() -> new TornadoExecutionPlan(graph.snapshot()))
                .hasMessage("graph g takes 8220 bytes of the 8192 in which TornadoVM notes a graph");
    }

    @Test
    void aPlanKeepsToItsThread() throws InterruptedException {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x, y)
                .task("copy", SimulatedPlanTest::copy, context, y, x);
        TornadoExecutionPlan plan = plan(graph);
        Thread other = new Thread(plan::execute);
        other.start();
        other.join();
        assertThatThrownBy(plan::execute).hasMessage("the plan is executed by another thread than at first");
    }

    /** Every graph's one task is called {@code copy}. */
    private static TornadoExecutionPlan plan(TaskGraph... graphs) {
        GridScheduler grids = new GridScheduler();
        for (TaskGraph graph : graphs) {
            grids.addWorkerGrid(graph.getTaskGraphName() + ".copy", grid());
        }
        return new TornadoExecutionPlan(
                        Arrays.stream(graphs).map(TaskGraph::snapshot).toArray(ImmutableTaskGraph[]::new))
                .withGridScheduler(grids);
    }

    private static WorkerGrid grid() {
        WorkerGrid grid = new WorkerGrid1D(SIZE);
        grid.setLocalWork(128, 1, 1);
        return grid;
    }

    static void copy(KernelContext ctx, FloatArray y, FloatArray x) {
        y.set(ctx.globalIdx, x.get(ctx.globalIdx));
    }

    static void scale(KernelContext ctx, FloatArray y, FloatArray x, int factor) {
        y.set(ctx.globalIdx, x.get(ctx.globalIdx) * factor);
    }

    static void reverseWithoutBarrier(KernelContext ctx, FloatArray y) {
        float[] shared = ctx.allocateFloatLocalArray(128);
        shared[ctx.localIdx] = ctx.localIdx;
        y.set(ctx.globalIdx, shared[127 - ctx.localIdx]);
    }

    static void groupOfLastWriter(KernelContext ctx, FloatArray y) {
        if (ctx.localIdx == 0) {
            y.set(7, ctx.groupIdx);
        }
    }
}
