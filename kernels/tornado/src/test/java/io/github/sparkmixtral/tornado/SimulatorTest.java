package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.WorkerGrid2D;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

class SimulatorTest {

    private static final int GROUP = 128;

    @Test
    void threadsOfAWorkGroupShareLocalMemoryAcrossBarriers() {
        int groups = 3;
        FloatArray x = new FloatArray(groups * GROUP);
        FloatArray sums = new FloatArray(groups);
        for (int i = 0; i < x.getSize(); i++) {
            x.set(i, i);
        }

        Simulator.run(grid(groups * GROUP, GROUP), ctx -> sum(ctx, sums, x));

        assertThat(sums.toHeapArray()).containsExactly(8128, 24512, 40896);
    }

    @Test
    void everyThreadHasItsIndices() {
        WorkerGrid grid = new WorkerGrid2D(8, 3);
        grid.setLocalWork(4, 1, 1);
        IntArray seen = new IntArray(24);

        Simulator.run(grid, ctx -> {
            int index = ctx.globalIdy * ctx.globalGroupSizeX + ctx.globalIdx;
            seen.set(
                    index,
                    10000 * ctx.groupIdx + 1000 * ctx.localIdx + 100 * ctx.groupIdy + 10 * ctx.localGroupSizeX + 1);
        });

        assertThat(seen.get(0)).isEqualTo(41);
        assertThat(seen.get(7)).isEqualTo(13041);
        assertThat(seen.get(22)).isEqualTo(12241);
    }

    @Test
    void localMemoryIsNotZeroed() {
        FloatArray floats = new FloatArray(GROUP);
        IntArray ints = new IntArray(GROUP);
        Simulator.run(grid(GROUP, GROUP), ctx -> {
            floats.set(ctx.localIdx, ctx.allocateFloatLocalArray(GROUP)[ctx.localIdx]);
            ints.set(ctx.localIdx, ctx.allocateIntLocalArray(GROUP)[ctx.localIdx]);
        });
        assertThat(floats.toHeapArray()).containsOnly(Float.NaN);
        assertThat(ints.toHeapArray()).doesNotContain(0);
    }

    @Test
    void aThreadThatMissesABarrierIsAnError() {
        assertThatThrownBy(() -> Simulator.run(grid(2 * GROUP, GROUP), ctx -> {
                    if (ctx.globalIdx != 200) {
                        ctx.localBarrier();
                    }
                }))
                .hasMessage(
                        "work-group (1, 0, 0) diverges: thread (0, 0, 0) waits at a barrier that thread (72, 0, 0) never"
                                + " comes to");
    }

    @Test
    void localArraysOfDifferentSizesAreAnError() {
        assertThatThrownBy(() ->
                        Simulator.run(grid(GROUP, GROUP), ctx -> ctx.allocateIntLocalArray(ctx.localIdx == 5 ? 2 : 1)))
                .hasMessageContaining("local array 0 is int[2] for thread (5, 0, 0) and int[1] for the threads before");
    }

    @Test
    void tooMuchLocalMemoryIsAnError() {
        assertThatThrownBy(() -> Simulator.run(grid(GROUP, GROUP), ctx -> ctx.allocateFloatLocalArray(12289)))
                .hasMessageContaining("the kernel takes 49156 bytes of local memory, and devices have 49152");
    }

    @Test
    void anIndexOutOfBoundsNamesTheThread() {
        FloatArray x = new FloatArray(200);
        assertThatThrownBy(() -> Simulator.run(grid(2 * GROUP, GROUP), ctx -> x.set(ctx.globalIdx, 1)))
                .hasMessage("thread (72, 0, 0) of work-group (1, 0, 0): Index 200 out of bounds for length 200");
    }

    @Test
    void aGridMustBeWholeWorkGroups() {
        assertThatThrownBy(() -> Simulator.run(grid(100, 64), ctx -> {}))
                .hasMessage("a grid of [100, 1, 1] threads is not a whole number of work-groups of [64, 1, 1]");
        assertThatThrownBy(() -> Simulator.run(new WorkerGrid1D(100), ctx -> {}))
                .hasMessage("the grid [100, 1, 1] has no local work set");
        assertThatThrownBy(() -> Simulator.run(grid(2048, 2048), ctx -> {}))
                .hasMessageContaining("larger than the 1024 that devices allow");
    }

    private static WorkerGrid grid(int threads, int group) {
        WorkerGrid grid = new WorkerGrid1D(threads);
        grid.setLocalWork(group, 1, 1);
        return grid;
    }

    private static void sum(KernelContext ctx, FloatArray sums, FloatArray x) {
        float[] partial = ctx.allocateFloatLocalArray(GROUP);
        int i = ctx.localIdx;
        partial[i] = x.get(ctx.globalIdx);
        for (int half = GROUP / 2; half > 0; half /= 2) {
            ctx.localBarrier();
            if (i < half) {
                partial[i] += partial[i + half];
            }
        }
        if (i == 0) {
            sums.set(ctx.groupIdx, partial[0]);
        }
    }
}
