package io.github.sparkmixtral.tornado;

import static io.github.sparkmixtral.tornado.Grids.GROUP;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Products with quantized matrices, grouped: entries {@code [starts[g], starts[g + 1])} are multiplied with the g-th of the
 * stacked matrices of a {@link DeviceMatrix},
 *
 * <pre>y[e, o] = sum over c of W[g][o][c] * x[rows[e], c]</pre>
 *
 * in one launch for all groups (Gale et al. 2022, MegaBlocks, does so for experts). A dense matrix is one group. Which kernel
 * serves a group is decided on the device, by the group's number of entries: {@link #gemmFew} takes those of at most
 * {@link #FEW}, {@link #gemmMany} the others; both are launched wherever both may occur. Both accumulate in float, in an order
 * that depends on sizes only; each element of {@code y} is written by one thread.
 *
 * <p>Arguments that both share, in this order: {@code starts} at {@code startsAt}, [groups + 1] entries; {@code rows} at
 * {@code rowsAt}, the row of {@code x} of each entry, or {@code rowsAt} negative where entry e is row e; {@code y} [entries,
 * yStride]; {@code x} [rows, xStride], whose stride is at least {@code columns}; {@code words, scales, minima, bits, block,
 * affine, outputs, columns} of the {@link DeviceMatrix}; and what to do with a sum: {@link #STORE}, {@link #ADD} or
 * {@link #SWIGLU}. All integers are constants of the compiled kernel.
 *
 * <h2>What bounds them</h2>
 *
 * <p>With one entry a group's matrix is read once for two operations per weight: the bound of {@link #gemmFew} should be memory.
 * An H100 reads 0.84e12 words a second and issues 29e12 instructions of a lane, 35 a word. A word of eight 4-bit weights takes 8
 * masks, 8 conversions and 8 multiply-adds, and its share of scale, sums and loads another 10: just within. That is why a
 * nibble is masked in place, without a shift: the power of 16 by which it is too large is taken off {@code x} when that is
 * staged, and signed nibbles are read as unsigned ones and mended by the sum of {@code x}, as affine ones are. Words of 8-
 * or 16-bit weights take half of that. Each further entry adds about 12 instructions a word of nibbles (8 multiply-adds, 2 for
 * its block, 2 to load {@code x}), so that from 2 entries on arithmetic is the bound: for r entries about (24 + 12 r) / 35 of the
 * time that reading takes. So up to {@link #ROWS} entries share one reading, and 9 to 16 take two, which arithmetic hides.
 *
 * <p>{@link #gemmMany} is bound by arithmetic in float, 64 multiply-adds for 16 loads of local memory in each thread. Where
 * there are tensor cores {@link TensorCoreKernels} takes its place.
 */
final class MatrixKernels {

    /** Epilogue: {@code y = sum}. */
    static final int STORE = 0;

    /** Epilogue: {@code y += sum}. */
    static final int ADD = 1;

    /**
     * Epilogue: outputs are pairs of a gate and an up row, {@code y[e, o / 2] = silu(gate) * up} (Shazeer 2020); {@code outputs}
     * counts both and is even.
     */
    static final int SWIGLU = 2;

    /** Most entries of a group that {@link #gemmFew} serves. */
    static final int FEW = 16;

    /** Outputs of one work-group of {@link #gemmFew}, four to each of its four runs of 32 threads. */
    private static final int FEW_OUTPUTS = 16;

    private static final int LANES = 32;

    /** Outputs that one thread of {@link #gemmFew} works on at a time. */
    private static final int OUTPUTS = 4;

    /** Entries that one thread of {@link #gemmFew} works on at a time. */
    private static final int ROWS = 8;

    /** Slots of {@code x} that {@link #gemmFew} stages, each the columns of 32 words: 16 steps of one row, or 2 of 8 rows. */
    private static final int SLOTS = 16;

    /** Floats of a slot: 8 for each of 32 words, and room for a pitch without bank conflicts. */
    private static final int SLOT = 8 * (LANES + 4);

    /** Entries of one work-group of {@link #gemmMany}. */
    private static final int TILE_ENTRIES = 64;

    /** Outputs of one work-group of {@link #gemmMany}. */
    private static final int TILE_OUTPUTS = 128;

    /** Columns that {@link #gemmMany} stages at a time. */
    private static final int DEPTH = 32;

    /** Floats from one staged column of entries to the next: four more, so that columns do not meet in a bank. */
    private static final int ENTRY_PITCH = TILE_ENTRIES + 4;

    /** Floats from one staged column of outputs to the next. */
    private static final int OUTPUT_PITCH = TILE_OUTPUTS + 4;

    /** Entries and outputs of one thread of {@link #gemmMany}. */
    private static final int SIDE = 8;

    private MatrixKernels() {}

    /** Grid of {@link #gemmFew}. */
    static WorkerGrid few(int outputs, int groups) {
        return Grids.of(Math.ceilDiv(outputs, FEW_OUTPUTS), groups);
    }

    /**
     * Grid of {@link #gemmMany}.
     *
     * @param entries most entries of all groups together
     */
    static WorkerGrid many(int outputs, int entries, int groups) {
        return Grids.of(Math.ceilDiv(outputs, TILE_OUTPUTS), Math.ceilDiv(entries, TILE_ENTRIES) + groups);
    }

    /** Groups of 1 to {@link #FEW} entries; see the class. */
    static void gemmFew(
            KernelContext ctx,
            IntArray starts,
            int startsAt,
            IntArray rows,
            int rowsAt,
            FloatArray y,
            int yStride,
            FloatArray x,
            int xStride,
            IntArray words,
            FloatArray scales,
            FloatArray minima,
            int bits,
            int block,
            int affine,
            int outputs,
            int columns,
            int epilogue) {
        float[] staged = ctx.allocateFloatLocalArray(SLOTS * SLOT);
        float[] totals = ctx.allocateFloatLocalArray(GROUP);
        int group = ctx.groupIdy;
        int first = starts.get(startsAt + group);
        int entries = starts.get(startsAt + group + 1) - first;
        if (entries > FEW) {
            return;
        }
        int thread = ctx.localIdx;
        int lane = thread % LANES;
        int warp = thread / LANES;
        int firstOutput = ctx.groupIdx * FEW_OUTPUTS;
        int matrix = group * outputs + firstOutput;
        int perWord = 32 / bits;
        int element = thread % perWord;
        float factor = bits == 4 ? 1f / unit(element) : 1f;
        // A word's j-th weight meets staged column j * pitch + lane: no bank twice, neither here nor when it is staged.
        int pitch = LANES + bits;
        int slotColumns = LANES * perWord;
        for (int from = 0; from < entries; from += ROWS) {
            int count = TornadoMath.min(entries - from, ROWS);
            int steps = SLOTS / count;
            float[] sum = new float[OUTPUTS * ROWS];
            for (int i = 0; i < OUTPUTS * ROWS; i++) {
                sum[i] = 0f;
            }
            for (int at = 0; at < columns; at += steps * slotColumns) {
                ctx.localBarrier();
                for (int r = 0; r < count; r++) {
                    int entry = first + from + r;
                    int row = rowsAt < 0 ? entry : rows.get(rowsAt + entry);
                    for (int i = thread; i < steps * slotColumns; i += GROUP) {
                        float value = 0f;
                        if (at + i < columns) {
                            value = x.get(row * xStride + at + i) * factor;
                        }
                        int slot = i / slotColumns * count + r;
                        staged[slot * SLOT + element * pitch + i % slotColumns / perWord] = value;
                    }
                }
                ctx.localBarrier();
                int[] nextPacked = new int[OUTPUTS];
                float[] nextScale = new float[OUTPUTS];
                float[] nextMinimum = new float[OUTPUTS];
                for (int o = 0; o < OUTPUTS; o++) {
                    nextPacked[o] = 0;
                    nextScale[o] = 0f;
                    nextMinimum[o] = 0f;
                }
                // Weights are read a step ahead, while the ones before are worked on: the first step only reads.
                for (int step = -1; step < steps; step++) {
                    float[] weight = new float[OUTPUTS * 8];
                    float[] scale = new float[OUTPUTS];
                    float[] minimum = new float[OUTPUTS];
                    // Past the end x is 0: the last word is as good as any.
                    int word = TornadoMath.min(at / perWord + (step + 1) * LANES + lane, columns / perWord - 1);
                    for (int o = 0; o < OUTPUTS; o++) {
                        for (int j = 0; j < perWord; j++) {
                            weight[o * 8 + j] = inPlace(nextPacked[o], j, bits, affine);
                        }
                        scale[o] = nextScale[o];
                        minimum[o] = affine != 0 ? nextMinimum[o] : -8f * scale[o];
                        int row = matrix + TornadoMath.min(warp * OUTPUTS + o, outputs - 1 - firstOutput);
                        int part = row * (columns / block) + word * perWord / block;
                        nextPacked[o] = words.get(row * (columns / perWord) + word);
                        nextScale[o] = scales.get(part);
                        if (affine != 0) {
                            nextMinimum[o] = minima.get(part);
                        }
                    }
                    // The bound is a constant, so that sums stay in registers.
                    int ready = step < 0 ? 0 : count;
                    for (int r = 0; r < ROWS; r++) {
                        if (r < ready) {
                            int base = (step * count + r) * SLOT + lane;
                            float[] in = new float[8];
                            float total = 0f;
                            for (int j = 0; j < perWord; j++) {
                                in[j] = staged[base + j * pitch];
                                total += bits == 4 ? in[j] * unit(j) : in[j];
                            }
                            for (int o = 0; o < OUTPUTS; o++) {
                                float dot = 0f;
                                for (int j = 0; j < perWord; j++) {
                                    dot += weight[o * 8 + j] * in[j];
                                }
                                sum[o * ROWS + r] += scale[o] * dot;
                                if (bits == 4 || affine != 0) {
                                    sum[o * ROWS + r] += minimum[o] * total;
                                }
                            }
                        }
                    }
                }
            }
            ctx.localBarrier();
            for (int i = 0; i < OUTPUTS * ROWS; i++) {
                staged[i * (GROUP + 1) + thread] = sum[i];
            }
            ctx.localBarrier();
            // Thread t adds up output t % 16 of row t / 16, which run (t % 16) / 4 has in its 32 lanes.
            int output = thread % FEW_OUTPUTS;
            int row = thread / FEW_OUTPUTS;
            int lanes = (output % OUTPUTS * ROWS + row) * (GROUP + 1) + output / OUTPUTS * LANES;
            float total = 0f;
            for (int i = 0; i < LANES; i++) {
                total += staged[lanes + i];
            }
            totals[thread] = total;
            ctx.localBarrier();
            if (row < count && firstOutput + output < outputs) {
                int entry = first + from + row;
                if (epilogue == SWIGLU) {
                    if (output % 2 == 0) {
                        y.set(entry * yStride + (firstOutput + output) / 2, swiGlu(total, totals[thread + 1]));
                    }
                } else {
                    store(y, entry * yStride + firstOutput + output, total, epilogue);
                }
            }
        }
    }

    /** Groups of more than {@link #FEW} entries; see the class. */
    static void gemmMany(
            KernelContext ctx,
            IntArray starts,
            int startsAt,
            int groups,
            IntArray rows,
            int rowsAt,
            FloatArray y,
            int yStride,
            FloatArray x,
            int xStride,
            IntArray words,
            FloatArray scales,
            FloatArray minima,
            int bits,
            int block,
            int affine,
            int outputs,
            int columns,
            int epilogue) {
        int thread = ctx.localIdx;
        int firstOutput = ctx.groupIdx * TILE_OUTPUTS;
        int tile = ctx.groupIdy;
        int group = -1;
        int first = 0;
        int end = 0;
        for (int g = 0; g < groups; g++) {
            int start = starts.get(startsAt + g);
            int next = starts.get(startsAt + g + 1);
            int tiles = next - start > FEW ? (next - start + TILE_ENTRIES - 1) / TILE_ENTRIES : 0;
            if (tile >= 0 && tile < tiles) {
                group = g;
                first = start + tile * TILE_ENTRIES;
                end = next;
            }
            tile -= tiles;
        }
        float[] weights = ctx.allocateFloatLocalArray(DEPTH * OUTPUT_PITCH);
        float[] in = ctx.allocateFloatLocalArray(DEPTH * ENTRY_PITCH);
        int[] sources = ctx.allocateIntLocalArray(TILE_ENTRIES);
        if (group >= 0) {
            int perWord = 32 / bits;
            if (thread < TILE_ENTRIES) {
                int entry = first + thread;
                int source = -1;
                if (entry < end) {
                    source = (rowsAt < 0 ? entry : rows.get(rowsAt + entry)) * xStride;
                }
                sources[thread] = source;
            }
            float[] sum = new float[SIDE * SIDE];
            for (int i = 0; i < SIDE * SIDE; i++) {
                sum[i] = 0f;
            }
            // A thread's outputs are pairs, 32 apart: so a gate has its up row beside it, and threads side by side meet
            // no bank
            // twice.
            int outputAt = thread % 16 * 2;
            int entryAt = thread / 16 * SIDE;
            for (int at = 0; at < columns; at += DEPTH) {
                ctx.localBarrier();
                // DEPTH columns of a row are as many words as a weight has bits.
                for (int i = thread; i < TILE_OUTPUTS * bits; i += GROUP) {
                    int output = i / bits;
                    int word = i % bits;
                    int matrix = group * outputs + TornadoMath.min(firstOutput + output, outputs - 1);
                    int packed = words.get(matrix * (columns / perWord) + at / perWord + word);
                    int part = matrix * (columns / block) + (at + word * perWord) / block;
                    float scale = scales.get(part);
                    float minimum = affine != 0 ? minima.get(part) : 0f;
                    for (int j = 0; j < perWord; j++) {
                        weights[(word * perWord + j) * OUTPUT_PITCH + output] =
                                element(packed, j, bits, affine) * scale + minimum;
                    }
                }
                // Eight columns of four rows at a time: whole sectors of memory and no bank twice.
                for (int i = thread; i < TILE_ENTRIES * DEPTH; i += GROUP) {
                    int column = i / 32 % 4 * 8 + i % 8;
                    int row = i / 128 * 4 + i % 32 / 8;
                    float value = 0f;
                    if (sources[row] >= 0) {
                        value = x.get(sources[row] + at + column);
                    }
                    in[column * ENTRY_PITCH + row] = value;
                }
                ctx.localBarrier();
                for (int column = 0; column < DEPTH; column++) {
                    float[] weight = new float[SIDE];
                    for (int o = 0; o < SIDE; o++) {
                        weight[o] = weights[column * OUTPUT_PITCH + outputAt + o / 2 * 32 + o % 2];
                    }
                    for (int r = 0; r < SIDE; r++) {
                        float value = in[column * ENTRY_PITCH + entryAt + r];
                        for (int o = 0; o < SIDE; o++) {
                            sum[r * SIDE + o] += value * weight[o];
                        }
                    }
                }
            }
            for (int r = 0; r < SIDE; r++) {
                int entry = first + entryAt + r;
                for (int o = 0; o < SIDE; o++) {
                    int output = firstOutput + outputAt + o / 2 * 32 + o % 2;
                    if (entry < end && output < outputs) {
                        if (epilogue == SWIGLU) {
                            if (o % 2 == 0) {
                                y.set(entry * yStride + output / 2, swiGlu(sum[r * SIDE + o], sum[r * SIDE + o + 1]));
                            }
                        } else {
                            store(y, entry * yStride + output, sum[r * SIDE + o], epilogue);
                        }
                    }
                }
            }
        }
    }

    /** The j-th weight of a word: signed, or unsigned where the format is affine. */
    static int element(int word, int j, int bits, int affine) {
        if (affine != 0) {
            return (word >> (bits * j)) & ((1 << bits) - 1);
        }
        return (word << (32 - bits * (j + 1))) >> (32 - bits);
    }

    /** As {@link #element}, but nibbles are unsigned, signed ones 8 too large, and times {@link #unit}. */
    private static int inPlace(int word, int j, int bits, int affine) {
        if (bits == 4) {
            int unsigned = affine != 0 ? word : word ^ 0x88888888;
            return j < 7 ? unsigned & (15 << (4 * j)) : (unsigned >> 4) & (15 << 24);
        }
        return element(word, j, bits, affine);
    }

    /** Place value of the j-th nibble of a word; the last one is shifted, lest it be negative. */
    private static float unit(int j) {
        return 1 << (4 * TornadoMath.min(j, 6));
    }

    static void store(FloatArray y, int at, float sum, int epilogue) {
        y.set(at, epilogue == ADD ? y.get(at) + sum : sum);
    }

    /** The exponential stays finite, because compilers that take liberties with arithmetic make a NaN of what an infinity divides. */
    static float swiGlu(float gate, float up) {
        return gate / (1f + TornadoMath.exp(TornadoMath.min(-gate, 80f))) * up;
    }
}
