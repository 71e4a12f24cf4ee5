package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.EVERY_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.FIRST_EXECUTION;
import static uk.ac.manchester.tornado.api.enums.DataTransferMode.UNDER_DEMAND;

import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.DataRange;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.common.TaskPackage;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** What a plan promises about host and device memory: the simulated plan and TornadoVM's own keep the same promises. */
@Tag("device")
class TornadoExecutionPlanTest {

    private static final int SIZE = 256;

    private final KernelContext context = new KernelContext();
    private final FloatArray x = new FloatArray(SIZE);
    private final FloatArray y = new FloatArray(SIZE);
    private final FloatArray z = new FloatArray(SIZE);

    @Test
    void firstExecutionCopiesOnceAndEveryExecutionEachTime() throws TornadoExecutionPlanException {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x)
                .transferToDevice(EVERY_EXECUTION, y)
                .task("add", TornadoExecutionPlanTest::add, context, z, x, y)
                .transferToHost(EVERY_EXECUTION, z);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(new GridScheduler("g.add", grid()));
            x.init(1);
            y.init(10);
            plan.execute();
            assertThat(z.toHeapArray()).containsOnly(11);

            x.init(2);
            y.init(20);
            plan.execute();
            assertThat(z.toHeapArray()).containsOnly(21);
        }
    }

    @Test
    void theHostSeesWhatIsTransferredToIt() throws TornadoExecutionPlanException {
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x, y)
                .task("add", TornadoExecutionPlanTest::add, context, z, x, y)
                .transferToHost(UNDER_DEMAND, z);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(new GridScheduler("g.add", grid()));
            x.init(1);
            y.init(2);
            TornadoExecutionResult result = plan.execute();
            assertThat(z.toHeapArray()).containsOnly(0);

            result.transferToHost(z);
            assertThat(z.toHeapArray()).containsOnly(3);
        }
    }

    @Test
    void theHostSeesAPartOfAnArrayThatItsGraphConsumes() throws TornadoExecutionPlanException {
        TaskGraph first = new TaskGraph("first")
                .transferToDevice(FIRST_EXECUTION, x, y)
                .task("addTo", TornadoExecutionPlanTest::addTo, context, x, y)
                .persistOnDevice(x);
        TaskGraph second = new TaskGraph("second")
                .consumeFromDevice("first", x)
                .task("add", TornadoExecutionPlanTest::add, context, z, x, x)
                .transferToHost(UNDER_DEMAND, z, x);
        GridScheduler grids = new GridScheduler("first.addTo", grid());
        grids.addWorkerGrid("second.add", grid());
        x.init(1);
        y.init(2);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(first.snapshot(), second.snapshot())) {
            plan.withGridScheduler(grids);
            plan.withGraph(0).execute();
            TornadoExecutionResult result = plan.withGraph(1).execute();
            result.transferToHost(new DataRange(x).withOffset(7).withSize(3));
            result.transferToHost(new DataRange(z).withSize(5));
        }
        assertThat(x.toHeapArray()).containsOnly(1, 3);
        assertThat(Arrays.copyOfRange(x.toHeapArray(), 6, 11)).containsExactly(1, 3, 3, 3, 1);
        assertThat(Arrays.copyOf(z.toHeapArray(), 6)).containsExactly(6, 6, 6, 6, 6, 0);
    }

    @Test
    void aGraphTakesWhatTheOneBeforeItLeftOnTheDevice() throws TornadoExecutionPlanException {
        try (TornadoExecutionPlan plan = twoGraphs()) {
            x.init(1);
            y.init(2);
            plan.withGraph(0).execute();
            plan.withGraph(1).execute();
            assertThat(z.toHeapArray()).containsOnly(6);

            y.init(100);
            plan.withGraph(0).execute();
            plan.withGraph(1).execute();
            assertThat(z.toHeapArray()).containsOnly(10);
        }
    }

    @Test
    void aGridMayGrowBetweenExecutions() throws TornadoExecutionPlanException {
        IntArray counts = new IntArray(SIZE);
        TaskGraph graph = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, counts)
                .task("count", TornadoExecutionPlanTest::count, context, counts)
                .transferToHost(EVERY_EXECUTION, counts);
        WorkerGrid grid = grid();
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(new GridScheduler("g.count", grid));
            grid.setGlobalWork(128, 1, 1);
            plan.execute();
            grid.setGlobalWork(256, 1, 1);
            plan.execute();
        }
        assertThat(counts.get(127)).isEqualTo(2);
        assertThat(counts.get(128)).isEqualTo(1);
    }

    /** Graphs of one name share the code of calls of one name, and each call has its own arrays. */
    @Test
    void callsOfOneNameHaveArraysOfTheirOwn() throws TornadoExecutionPlanException {
        TaskGraph first = new TaskGraph("g")
                .transferToDevice(FIRST_EXECUTION, x, y)
                .addTask(addTo("add", x, y))
                .addTask(addTo("again", x, y))
                .persistOnDevice(x);
        TaskGraph second = new TaskGraph("g")
                .consumeFromDevice("g", x)
                .transferToDevice(FIRST_EXECUTION, z)
                .addTask(addTo("add", z, x))
                .addTask(addTo("again", z, x))
                .transferToHost(EVERY_EXECUTION, z);
        x.init(1);
        y.init(10);
        z.init(100);
        GridScheduler grids = new GridScheduler("g.add", grid());
        grids.addWorkerGrid("g.again", grid());
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(first.snapshot(), second.snapshot())) {
            plan.withGridScheduler(grids);
            plan.withGraph(0).execute();
            plan.withGraph(1).execute();
        }
        assertThat(z.toHeapArray()).containsOnly(100 + 2 * (1 + 2 * 10));
    }

    private TaskPackage addTo(String name, FloatArray sum, FloatArray a) {
        return TaskPackage.createPackage(name, TornadoExecutionPlanTest::addTo, context, sum, a);
    }

    private TornadoExecutionPlan twoGraphs() {
        TaskGraph first = new TaskGraph("first")
                .transferToDevice(FIRST_EXECUTION, x, y)
                .task("addTo", TornadoExecutionPlanTest::addTo, context, x, y)
                .persistOnDevice(x);
        TaskGraph second = new TaskGraph("second")
                .consumeFromDevice("first", x)
                .task("add", TornadoExecutionPlanTest::add, context, z, x, x)
                .transferToHost(EVERY_EXECUTION, z);
        GridScheduler grids = new GridScheduler("first.addTo", grid());
        grids.addWorkerGrid("second.add", grid());
        return new TornadoExecutionPlan(first.snapshot(), second.snapshot()).withGridScheduler(grids);
    }

    private static WorkerGrid grid() {
        WorkerGrid grid = new WorkerGrid1D(SIZE);
        grid.setLocalWork(128, 1, 1);
        return grid;
    }

    static void add(KernelContext ctx, FloatArray sum, FloatArray a, FloatArray b) {
        int i = ctx.globalIdx;
        sum.set(i, a.get(i) + b.get(i));
    }

    static void addTo(KernelContext ctx, FloatArray sum, FloatArray a) {
        int i = ctx.globalIdx;
        sum.set(i, sum.get(i) + a.get(i));
    }

    static void count(KernelContext ctx, IntArray counts) {
        int i = ctx.globalIdx;
        counts.set(i, counts.get(i) + 1);
    }
}
