package io.github.sparkmixtral.tornado;

import static io.github.sparkmixtral.tornado.Grids.GROUP;

import java.util.stream.IntStream;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * What {@link MatrixKernels#gemmMany} computes, on the tensor cores of NVIDIA's GPUs, through the CUDA backend alone: {@link #pack}
 * rounds the rows of {@code x} to fp16, then {@link #gemmMma} multiplies them with weights that it rounds to fp16 as it unpacks
 * them, and sums in float. Both factors are off by at most 2^-11 of themselves, besides what is too small for fp16: each row of
 * {@code x} is scaled so that its largest element is 2^15, and matrices whose weights do not lie well within fp16's range are
 * not for this class, see {@link #takes}.
 *
 * <p>A product of tensor cores is {@code mma.m16n8k16} of NVIDIA's PTX ISA: a tile of 16 entries by 16 columns times one of 16
 * columns by 8 outputs. Sums can be read only from the device's memory, where they are written as whole tiles. So a fixed
 * number of work-groups share out the tiles of {@code y} among them, and each has its own corner of {@code scratch}, small
 * enough to stay in the cache, from which it takes the sums to scale and store them.
 */
final class TensorCoreKernels {

    /** The most work-groups of {@link #gemmMma}: some for each processor of a large GPU, several times over. */
    private static final int WORK_GROUPS = 1024;

    private static final int WARP = 32;

    /** Entries of one tile of {@code y}: four products high. Each warp takes all of them. */
    private static final int TILE_ENTRIES = 64;

    /** Outputs of one tile of {@code y}: sixteen products wide, of which each of four warps takes four. */
    private static final int TILE_OUTPUTS = 128;

    /** Columns of one product. */
    private static final int STEP = 16;

    /** Columns that are staged at a time. */
    private static final int DEPTH = 2 * STEP;

    /*
     * Halves lie two to a word. All sizes are multiples of four words, because tensor cores read 16 bytes at a time; four
     * words between tiles keep threads side by side from meeting in a bank.
     */

    /** Words of a row of {@code x} in a product. */
    private static final int IN_ROW = STEP / 2;

    /** Words from the staged entries of one product's columns to those of the next. */
    private static final int IN_STEP = TILE_ENTRIES * IN_ROW + 8;

    /** Words of a column of a product's eight outputs. */
    private static final int COLUMN = 4;

    /** Words from the weights of one product's outputs to those of the next. */
    private static final int WEIGHTS = STEP * COLUMN + 4;

    /** Words from the staged weights of one product's columns to those of the next. */
    private static final int WEIGHTS_STEP = TILE_OUTPUTS / 8 * WEIGHTS;

    /** What the largest element of a row is scaled to: half of what fp16 can hold. */
    private static final float LARGEST = 1 << 15;

    /** In place of the largest element of a row that has none but zeros, or as good as. */
    private static final float TINY = 1e-30f;

    /** A bound of weights that fp16 takes, with room for rounding. */
    private static final double MOST_WEIGHT = 65000;

    /** Where the largest weight is no smaller, those below fp16's normal range are off by 2^-15 of it, at most. */
    private static final double LEAST_WEIGHT = 0x1p-10;

    private TensorCoreKernels() {}

    /**
     * Floats of {@code scratch}: what 1 stands for in each packed row, then a tile of {@code y} for each work-group.
     *
     * @param rows of {@code x}, at most
     * @param outputs of a matrix, at most
     * @param entries of all groups together, at most
     */
    static long scratch(long rows, int outputs, long entries, int groups) {
        return rows + (long) workGroups(outputs, entries, groups) * TILE_ENTRIES * TILE_OUTPUTS;
    }

    /** Whether a matrix can do with fp16's range. */
    static boolean takes(DeviceMatrix w) {
        double steps = w.affine() == 1 ? (1 << w.bits()) - 1 : 1 << (w.bits() - 1);
        double most = IntStream.range(0, w.scales().getSize())
                .parallel()
                .mapToDouble(i -> Math.abs(w.scales().get(i)) * steps
                        + (w.affine() == 1 ? Math.abs(w.minima().get(i)) : 0))
                .max()
                .orElse(0);
        return most >= LEAST_WEIGHT && most <= MOST_WEIGHT;
    }

    /** Grid of {@link #pack}. */
    static WorkerGrid perRow(int rows) {
        return Grids.of(rows, 1);
    }

    /**
     * Grid of {@link #gemmMma}. Any of fewer work-groups does as well.
     *
     * @param entries most entries of all groups together
     */
    static WorkerGrid many(int outputs, int entries, int groups) {
        return Grids.of(workGroups(outputs, entries, groups), 1);
    }

    private static int workGroups(int outputs, long entries, int groups) {
        long tiles = Math.ceilDiv(outputs, TILE_OUTPUTS) * (Math.ceilDiv(entries, (long) TILE_ENTRIES) + groups);
        return (int) Math.min(tiles, WORK_GROUPS);
    }

    /** Packs rows of {@code x} [rows, xStride] to {@code halves} [rows, columns / 2] and {@code scratch}. */
    static void pack(KernelContext ctx, IntArray halves, FloatArray scratch, FloatArray x, int xStride, int columns) {
        float[] largest = ctx.allocateFloatLocalArray(GROUP);
        int thread = ctx.localIdx;
        int row = ctx.groupIdx;
        float own = TINY;
        for (int c = thread; c < columns; c += GROUP) {
            own = TornadoMath.max(own, TornadoMath.abs(x.get(row * xStride + c)));
        }
        largest[thread] = own;
        for (int half = GROUP / 2; half > 0; half /= 2) {
            ctx.localBarrier();
            if (thread < half) {
                largest[thread] = TornadoMath.max(largest[thread], largest[thread + half]);
            }
        }
        ctx.localBarrier();
        float unit = largest[0] / LARGEST;
        if (thread == 0) {
            scratch.set(row, unit);
        }
        float factor = 1f / unit;
        for (int i = thread; i < columns / 2; i += GROUP) {
            int at = row * xStride + 2 * i;
            halves.set(row * (columns / 2) + i, halves(x.get(at) * factor, x.get(at + 1) * factor));
        }
    }

    /**
     * As {@link MatrixKernels#gemmMany}, with rows that {@link #pack} made of {@code x}.
     *
     * @param scratch of {@link #scratch} floats
     * @param tilesAt rows of {@code x} that it has room for
     */
    static void gemmMma(
            KernelContext ctx,
            IntArray starts,
            int startsAt,
            int groups,
            IntArray rows,
            int rowsAt,
            FloatArray y,
            int yStride,
            IntArray halves,
            FloatArray scratch,
            int tilesAt,
            IntArray words,
            FloatArray scales,
            FloatArray minima,
            int bits,
            int block,
            int affine,
            int outputs,
            int columns,
            int epilogue) {
        int[] in = ctx.allocateIntLocalArray(2 * IN_STEP);
        int[] weights = ctx.allocateIntLocalArray(2 * WEIGHTS_STEP);
        int[] sources = ctx.allocateIntLocalArray(TILE_ENTRIES);
        int thread = ctx.localIdx;
        int warp = thread / WARP;
        int perWord = 32 / bits;
        int total = 0;
        for (int g = 0; g < groups; g++) {
            int count = starts.get(startsAt + g + 1) - starts.get(startsAt + g);
            total += count > MatrixKernels.FEW ? (count + TILE_ENTRIES - 1) / TILE_ENTRIES : 0;
        }
        // Tiles that share weights are side by side, so that weights come from memory once.
        int work = total * ((outputs + TILE_OUTPUTS - 1) / TILE_OUTPUTS);
        for (int turn = ctx.groupIdx; turn < work; turn += ctx.globalGroupSizeX / GROUP) {
            int firstOutput = turn / total * TILE_OUTPUTS;
            int tile = turn % total;
            int group = 0;
            int first = 0;
            int end = 0;
            for (int g = 0; g < groups; g++) {
                int start = starts.get(startsAt + g);
                int next = starts.get(startsAt + g + 1);
                int tiles = next - start > MatrixKernels.FEW ? (next - start + TILE_ENTRIES - 1) / TILE_ENTRIES : 0;
                if (tile >= 0 && tile < tiles) {
                    group = g;
                    first = start + tile * TILE_ENTRIES;
                    end = next;
                }
                tile -= tiles;
            }
            ctx.localBarrier();
            if (thread < TILE_ENTRIES) {
                int entry = first + thread;
                int source = -1;
                if (entry < end) {
                    source = rowsAt < 0 ? entry : rows.get(rowsAt + entry);
                }
                sources[thread] = source;
            }
            // Each thread unpacks a product's columns of two outputs, which share words.
            int pair = thread % (TILE_OUTPUTS / 2);
            int step = thread / (TILE_OUTPUTS / 2);
            int row0 = group * outputs + TornadoMath.min(firstOutput + 2 * pair, outputs - 1);
            int row1 = group * outputs + TornadoMath.min(firstOutput + 2 * pair + 1, outputs - 1);
            int weightsAt = step * WEIGHTS_STEP + pair / COLUMN * WEIGHTS + pair % COLUMN;
            float[] c00 = ctx.mmaFragment(0f);
            float[] c01 = ctx.mmaFragment(0f);
            float[] c02 = ctx.mmaFragment(0f);
            float[] c03 = ctx.mmaFragment(0f);
            float[] c10 = ctx.mmaFragment(0f);
            float[] c11 = ctx.mmaFragment(0f);
            float[] c12 = ctx.mmaFragment(0f);
            float[] c13 = ctx.mmaFragment(0f);
            float[] c20 = ctx.mmaFragment(0f);
            float[] c21 = ctx.mmaFragment(0f);
            float[] c22 = ctx.mmaFragment(0f);
            float[] c23 = ctx.mmaFragment(0f);
            float[] c30 = ctx.mmaFragment(0f);
            float[] c31 = ctx.mmaFragment(0f);
            float[] c32 = ctx.mmaFragment(0f);
            float[] c33 = ctx.mmaFragment(0f);
            for (int at = 0; at < columns; at += DEPTH) {
                ctx.localBarrier();
                int column = at + step * STEP;
                int part0 = row0 * (columns / block) + column / block;
                int part1 = row1 * (columns / block) + column / block;
                float scale0 = scales.get(part0);
                float scale1 = scales.get(part1);
                float minimum0 = affine != 0 ? minima.get(part0) : 0f;
                float minimum1 = affine != 0 ? minima.get(part1) : 0f;
                for (int word = 0; word < STEP / perWord; word++) {
                    int packed0 = words.get(row0 * (columns / perWord) + column / perWord + word);
                    int packed1 = words.get(row1 * (columns / perWord) + column / perWord + word);
                    for (int j = 0; j < perWord; j++) {
                        weights[weightsAt + (word * perWord + j) * COLUMN] = halves(
                                MatrixKernels.element(packed0, j, bits, affine) * scale0 + minimum0,
                                MatrixKernels.element(packed1, j, bits, affine) * scale1 + minimum1);
                    }
                }
                for (int i = thread; i < TILE_ENTRIES * DEPTH / 2; i += GROUP) {
                    int source = sources[i / (DEPTH / 2)];
                    int word = i % (DEPTH / 2);
                    int value = 0;
                    if (source >= 0) {
                        value = halves.get(source * (columns / 2) + at / 2 + word);
                    }
                    in[word / IN_ROW * IN_STEP + i / (DEPTH / 2) * IN_ROW + word % IN_ROW] = value;
                }
                ctx.localBarrier();
                for (int s = 0; s < 2; s++) {
                    int b = 4 * (s * WEIGHTS_STEP + 4 * warp * WEIGHTS);
                    HalfFloat[] b0 = ctx.mmaLoadB(weights, STEP, b);
                    HalfFloat[] b1 = ctx.mmaLoadB(weights, STEP, b + 4 * WEIGHTS);
                    HalfFloat[] b2 = ctx.mmaLoadB(weights, STEP, b + 8 * WEIGHTS);
                    HalfFloat[] b3 = ctx.mmaLoadB(weights, STEP, b + 12 * WEIGHTS);
                    int a = 4 * s * IN_STEP;
                    HalfFloat[] a0 = ctx.mmaLoadA(in, STEP, a);
                    c00 = ctx.mma(a0, b0, c00, MMAShape.M16N8K16);
                    c01 = ctx.mma(a0, b1, c01, MMAShape.M16N8K16);
                    c02 = ctx.mma(a0, b2, c02, MMAShape.M16N8K16);
                    c03 = ctx.mma(a0, b3, c03, MMAShape.M16N8K16);
                    HalfFloat[] a1 = ctx.mmaLoadA(in, STEP, a + 4 * 16 * IN_ROW);
                    c10 = ctx.mma(a1, b0, c10, MMAShape.M16N8K16);
                    c11 = ctx.mma(a1, b1, c11, MMAShape.M16N8K16);
                    c12 = ctx.mma(a1, b2, c12, MMAShape.M16N8K16);
                    c13 = ctx.mma(a1, b3, c13, MMAShape.M16N8K16);
                    HalfFloat[] a2 = ctx.mmaLoadA(in, STEP, a + 4 * 32 * IN_ROW);
                    c20 = ctx.mma(a2, b0, c20, MMAShape.M16N8K16);
                    c21 = ctx.mma(a2, b1, c21, MMAShape.M16N8K16);
                    c22 = ctx.mma(a2, b2, c22, MMAShape.M16N8K16);
                    c23 = ctx.mma(a2, b3, c23, MMAShape.M16N8K16);
                    HalfFloat[] a3 = ctx.mmaLoadA(in, STEP, a + 4 * 48 * IN_ROW);
                    c30 = ctx.mma(a3, b0, c30, MMAShape.M16N8K16);
                    c31 = ctx.mma(a3, b1, c31, MMAShape.M16N8K16);
                    c32 = ctx.mma(a3, b2, c32, MMAShape.M16N8K16);
                    c33 = ctx.mma(a3, b3, c33, MMAShape.M16N8K16);
                }
            }
            int corner = ctx.groupIdx * TILE_ENTRIES;
            int output = tilesAt + warp * 32;
            ctx.mmaStore(c00, scratch, corner, output, TILE_OUTPUTS);
            ctx.mmaStore(c01, scratch, corner, output + 8, TILE_OUTPUTS);
            ctx.mmaStore(c02, scratch, corner, output + 16, TILE_OUTPUTS);
            ctx.mmaStore(c03, scratch, corner, output + 24, TILE_OUTPUTS);
            ctx.mmaStore(c10, scratch, corner + 16, output, TILE_OUTPUTS);
            ctx.mmaStore(c11, scratch, corner + 16, output + 8, TILE_OUTPUTS);
            ctx.mmaStore(c12, scratch, corner + 16, output + 16, TILE_OUTPUTS);
            ctx.mmaStore(c13, scratch, corner + 16, output + 24, TILE_OUTPUTS);
            ctx.mmaStore(c20, scratch, corner + 32, output, TILE_OUTPUTS);
            ctx.mmaStore(c21, scratch, corner + 32, output + 8, TILE_OUTPUTS);
            ctx.mmaStore(c22, scratch, corner + 32, output + 16, TILE_OUTPUTS);
            ctx.mmaStore(c23, scratch, corner + 32, output + 24, TILE_OUTPUTS);
            ctx.mmaStore(c30, scratch, corner + 48, output, TILE_OUTPUTS);
            ctx.mmaStore(c31, scratch, corner + 48, output + 8, TILE_OUTPUTS);
            ctx.mmaStore(c32, scratch, corner + 48, output + 16, TILE_OUTPUTS);
            ctx.mmaStore(c33, scratch, corner + 48, output + 24, TILE_OUTPUTS);
            ctx.globalBarrier();
            int sums = tilesAt + corner * TILE_OUTPUTS;
            int each = epilogue == MatrixKernels.SWIGLU ? 2 : 1;
            for (int i = thread * each; i < TILE_ENTRIES * TILE_OUTPUTS; i += GROUP * each) {
                int entry = first + i / TILE_OUTPUTS;
                int at = firstOutput + i % TILE_OUTPUTS;
                if (entry < end && at < outputs) {
                    float unit = scratch.get(sources[i / TILE_OUTPUTS]);
                    float sum = scratch.get(sums + i) * unit;
                    if (epilogue == MatrixKernels.SWIGLU) {
                        float up = scratch.get(sums + i + 1) * unit;
                        y.set(entry * yStride + at / 2, MatrixKernels.swiGlu(sum, up));
                    } else {
                        MatrixKernels.store(y, entry * yStride + at, sum, epilogue);
                    }
                }
            }
        }
    }

    private static int halves(float low, float high) {
        return (new HalfFloat(low).getHalfFloatValue() & 0xFFFF)
                | ((new HalfFloat(high).getHalfFloatValue() & 0xFFFF) << 16);
    }
}
