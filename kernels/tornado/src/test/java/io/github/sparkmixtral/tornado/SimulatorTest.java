package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.WorkerGrid2D;
import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.types.HalfFloat;
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

    /** The tiles lie 16 bytes into local memory; the product is of small integers, thus exact. */
    @Test
    void tensorCoresMultiplyTiles() {
        FloatArray sums = new FloatArray(20 * 24);
        Simulator.run(grid(64, 64), ctx -> multiplyTiles(ctx, sums));
        for (int row = 0; row < 20; row++) {
            for (int column = 0; column < 24; column++) {
                float expected = 0;
                if (row >= 4 && column >= 8) {
                    expected = 0.5f;
                    for (int k = 0; k < 16; k++) {
                        expected += a(row - 4, k) * b(k, (column - 8) % 8);
                    }
                }
                assertThat(sums.get(row * 24 + column)).as(row + ", " + column).isEqualTo(expected);
            }
        }
    }

    private static float a(int row, int k) {
        return row * 3 - k * 5 % 7;
    }

    private static float b(int k, int column) {
        return k % 5 * 2 - column;
    }

    /** Two warps write the same product side by side. */
    private static void multiplyTiles(KernelContext ctx, FloatArray sums) {
        int[] a = ctx.allocateIntLocalArray(4 + 16 * 8);
        int[] b = ctx.allocateIntLocalArray(4 + 16 * 4);
        for (int i = ctx.localIdx; i < 128; i += 64) {
            a[4 + i] = halves(a(i / 8, i % 8 * 2), a(i / 8, i % 8 * 2 + 1));
        }
        b[4 + ctx.localIdx] =
                halves(b(ctx.localIdx / 4, ctx.localIdx % 4 * 2), b(ctx.localIdx / 4, ctx.localIdx % 4 * 2 + 1));
        ctx.localBarrier();
        float[] c = ctx.mma(ctx.mmaLoadA(a, 16, 16), ctx.mmaLoadB(b, 16, 16), ctx.mmaFragment(0.5f), MMAShape.M16N8K16);
        ctx.mmaStore(c, sums, 4, 8 + ctx.localIdx / 32 * 8, 24);
    }

    private static int halves(float low, float high) {
        return (new HalfFloat(low).getHalfFloatValue() & 0xFFFF) | new HalfFloat(high).getHalfFloatValue() << 16;
    }

    @Test
    void aThreadThatDoesNotComeToAProductOfItsWarpIsAnError() {
        assertThatThrownBy(() -> Simulator.run(grid(64, 64), ctx -> {
                    int[] tile = ctx.allocateIntLocalArray(128);
                    if (ctx.localIdx != 40) {
                        ctx.mmaLoadA(tile, 16, 0);
                    }
                }))
                .hasMessage(
                        "work-group (0, 0, 0) diverges: thread (32, 0, 0) waits for its warp, and thread (40, 0, 0) does not"
                                + " come");
    }

    /** Warps do not wait for each other at products: one that needs another's tile needs a barrier. */
    @Test
    void aProductIsNoBarrier() {
        FloatArray sums = new FloatArray(16 * 8);
        Simulator.run(grid(64, 64), ctx -> {
            int[] a = ctx.allocateIntLocalArray(128);
            int[] b = ctx.allocateIntLocalArray(64);
            a[ctx.localIdx] = 0;
            a[64 + ctx.localIdx] = 0;
            b[ctx.localIdx] = halves(Float.NaN, Float.NaN);
            ctx.localBarrier();
            b[ctx.localIdx] = 0;
            float[] c = ctx.mma(ctx.mmaLoadA(a, 16, 0), ctx.mmaLoadB(b, 16, 0), ctx.mmaFragment(0f), MMAShape.M16N8K16);
            if (ctx.localIdx < 32) {
                ctx.mmaStore(c, sums, 0, 0, 8);
            }
        });
        assertThat(sums.toHeapArray()).containsOnly(Float.NaN);
    }

    @Test
    void aTileThatTensorCoresDoNotTakeIsAnError() {
        assertThatThrownBy(
                        () -> Simulator.run(grid(32, 32), ctx -> ctx.mmaLoadA(ctx.allocateIntLocalArray(192), 16, 8)))
                .hasMessageContaining("a row of a tile starts at byte 8, no multiple of 16");
        assertThatThrownBy(() -> Simulator.run(grid(32, 32), ctx -> ctx.mmaLoadB(ctx.allocateIntLocalArray(192), 8, 0)))
                .hasMessageContaining("tiles of halves are 16 deep, not 8");
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
