package io.github.sparkmixtral.tornado;

import static io.github.sparkmixtral.tornado.Grids.GROUP;

import io.github.sparkmixtral.engine.BackendOptions;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Attention over the paged cache that {@link LayerKernels#ropeAndStore} fills, for prefill chunks and single tokens alike.
 * {@link #attend} leaves partial results of ranges of the context, {@link #mergeAttention} joins them (Flash-Decoding, Dao et al.
 * 2023).
 */
final class AttentionKernels {

    /** Largest head dimension for which the local memory suffices that every device has. */
    static final int MAX_HEAD_DIM = 512;

    /** Positions whose keys a work-group holds at a time; a warp has one lane for each. */
    private static final int TILE = 32;

    private static final int WARPS = GROUP / TILE;

    /** Rows, each one head's query of one token, that a thread computes together: each key or value it reads serves all. */
    private static final int QUAD = 4;

    /** Maximum of no scores. Finite, so that the difference of two maxima is a number. */
    private static final float LOWEST = -Float.MAX_VALUE;

    private static final int BLOCK = BackendOptions.BLOCK_SIZE;

    private AttentionKernels() {}

    /**
     * Most tokens of one item of {@link #attend}.
     *
     * @param headDim width of a head, at most {@value #MAX_HEAD_DIM}
     * @param group query heads per key/value head
     */
    static int queryTile(int headDim, int group) {
        if (headDim < 2 || headDim > MAX_HEAD_DIM || headDim % 2 != 0) {
            throw new IllegalArgumentException(
                    "the head dimension is %d, but must be even and at most %d for attention on a device"
                            .formatted(headDim, MAX_HEAD_DIM));
        }
        return maxRows(headDim) / sharing(headDim, group);
    }

    /** Rows for which queries, a tile of keys and all else take less than 48 KB of local memory. */
    private static int maxRows(int headDim) {
        return headDim <= 256 ? 16 : 4;
    }

    /** Query heads that one work-group computes with the keys and values it reads; also asked for without TornadoVM. */
    private static int sharing(int headDim, int group) {
        int most = maxRows(headDim);
        return group < most ? group : most;
    }

    /** Work-groups among which the query heads of one key/value head are shared out. */
    private static int parts(int headDim, int group) {
        int sharing = sharing(headDim, group);
        return (group + sharing - 1) / sharing;
    }

    /** The grid of {@link #attend}. */
    static WorkerGrid attendGrid(int items, int heads, int kvHeads, int headDim) {
        return Grids.of(items, kvHeads * parts(headDim, heads / kvHeads));
    }

    /** The grid of {@link #mergeAttention}. */
    static WorkerGrid mergeGrid(int tokens, int heads) {
        return Grids.of(tokens, heads);
    }

    /**
     * Attention of each item's tokens to its range of positions, with the softmax computed as the scores come (Milakov and
     * Gimelshein 2018; FlashAttention, Dao et al. 2022). A token attends to the positions up to its own, under a window to the last
     * {@code window} of them.
     *
     * <p>A work-group takes one item and one key/value head. Its rows are the queries of the item's tokens by those of the head's
     * group, in fours. For each {@value #TILE} positions: (1) their keys are copied to local memory; (2) a thread multiplies
     * one key with four rows, or with a slice of them where there are fewer rows than warps can take; (3) the slices are
     * summed, scaled and masked; (4) each row's maximum, weights and sum of weights are brought up to date; (5) a thread adds the
     * weighted values to four rows by two columns of the result, or does so for every n-th position where there are few rows.
     *
     * @param tables block tables of all sequences
     * @param partials {@code [slots, heads, headDim + 2]}: sum of weighted values, then largest score, then sum of weights, where a
     *     weight is exp(score - largest score). Over no positions the sums are 0 and the largest score is the lowest float.
     * @param qkv {@code [tokens, stride]}, rows begin with the rotated queries, {@code [heads, headDim]}
     * @param queryTile most tokens of one item, as {@link #queryTile} gives it
     * @param window 0 means no window
     */
    static void attend(
            KernelContext ctx,
            IntArray step,
            int positionsAt,
            int itemsAt,
            IntArray tables,
            FloatArray partials,
            FloatArray qkv,
            int stride,
            IntArray keys,
            FloatArray keyScales,
            IntArray values,
            FloatArray valueScales,
            int heads,
            int kvHeads,
            int headDim,
            int queryTile,
            int window) {
        int half = headDim / 2;
        int group = heads / kvHeads;
        int sharing = sharing(headDim, group);
        int maxQuads = (queryTile * sharing + QUAD - 1) / QUAD;
        int maxUnits = (maxQuads * half + GROUP - 1) / GROUP;
        int maxRowsPerWarp = (maxQuads * QUAD + WARPS - 1) / WARPS;
        // An odd stride puts the keys of a warp's lanes into different banks.
        int keyStride = half % 2 == 0 ? half + 1 : half;

        float[] queries = ctx.allocateFloatLocalArray(TornadoMath.max(maxQuads * QUAD * headDim, 2 * QUAD * GROUP));
        int[] keyTile = ctx.allocateIntLocalArray(TILE * keyStride);
        float[] dots = ctx.allocateFloatLocalArray(TornadoMath.max(maxQuads, WARPS) * QUAD * TILE);
        float[] scores = ctx.allocateFloatLocalArray(maxQuads * QUAD * TILE);
        float[] weights = ctx.allocateFloatLocalArray(maxQuads * QUAD * TILE);
        float[] factors = ctx.allocateFloatLocalArray(maxQuads * QUAD);
        int[] cacheRows = ctx.allocateIntLocalArray(TILE);
        float[] tileKeyScales = ctx.allocateFloatLocalArray(TILE);
        float[] tileValueScales = ctx.allocateFloatLocalArray(TILE);
        float[] maxima = new float[maxRowsPerWarp];
        float[] sums = new float[maxRowsPerWarp];
        float[] weighted = new float[maxUnits * 2 * QUAD];

        int item = ctx.groupIdx;
        if (item < step.get(StepLayout.ITEMS)) {
            int thread = ctx.localIdx;
            int lane = thread % TILE;
            int warp = thread / TILE;
            int kvHead = ctx.groupIdy % kvHeads;
            int part = ctx.groupIdy / kvHeads;
            int firstHead = kvHead * group + part * sharing;
            int shared = TornadoMath.min(sharing, group - part * sharing);

            int at = itemsAt + item * StepLayout.ITEM;
            int firstToken = step.get(at);
            int rows = step.get(at + 1) * shared;
            int contextFrom = step.get(at + 2);
            int contextTo = step.get(at + 3);
            int table = step.get(at + 4);
            int firstSlot = step.get(at + 5);
            int firstPosition = step.get(positionsAt + firstToken);

            int quads = (rows + QUAD - 1) / QUAD;
            int dotSlices = TornadoMath.max(1, WARPS / quads);
            int wordsPerSlice = (half + dotSlices - 1) / dotSlices;
            int units = quads * half;
            int valueSlices = TornadoMath.max(1, GROUP / units);
            int valueSlice = valueSlices == 1 ? 0 : thread / units;
            int firstUnit = valueSlices == 1 ? thread : (valueSlice < valueSlices ? thread % units : units);

            float scale = 1 / TornadoMath.sqrt((float) headDim);
            for (int i = thread; i < quads * QUAD * headDim; i += GROUP) {
                int row = i / headDim;
                int from = (firstToken + row / shared) * stride + (firstHead + row % shared) * headDim;
                queries[i] = row < rows ? qkv.get(from + i % headDim) * scale : 0;
            }
            for (int i = 0; i < maxRowsPerWarp; i++) {
                maxima[i] = LOWEST;
                sums[i] = 0;
            }
            for (int i = 0; i < maxUnits * 2 * QUAD; i++) {
                weighted[i] = 0;
            }
            ctx.localBarrier();

            for (int tileFrom = contextFrom; tileFrom < contextTo; tileFrom += TILE) {
                int count = TornadoMath.min(TILE, contextTo - tileFrom);
                for (int i = thread; i < count * half; i += GROUP) {
                    int position = tileFrom + i / half;
                    int cacheRow = (tables.get(table + position / BLOCK) * kvHeads + kvHead) * BLOCK + position % BLOCK;
                    keyTile[i / half * keyStride + i % half] = keys.get(cacheRow * half + i % half);
                }
                int ownRow = 0;
                if (thread < count) {
                    int position = tileFrom + thread;
                    ownRow = (tables.get(table + position / BLOCK) * kvHeads + kvHead) * BLOCK + position % BLOCK;
                    tileKeyScales[thread] = keyScales.get(ownRow);
                    tileValueScales[thread] = valueScales.get(ownRow);
                }
                ctx.localBarrier();

                if (thread < count) {
                    // Not earlier: threads that were still adding values read those of the tile before.
                    cacheRows[thread] = ownRow;
                }
                if (lane < count) {
                    for (int unit = warp; unit < quads * dotSlices; unit += WARPS) {
                        int firstWord = unit % dotSlices * wordsPerSlice;
                        int endWord = TornadoMath.min(firstWord + wordsPerSlice, half);
                        int query = unit / dotSlices * QUAD * headDim;
                        float dot0 = 0;
                        float dot1 = 0;
                        float dot2 = 0;
                        float dot3 = 0;
                        for (int word = firstWord; word < endWord; word++) {
                            int packed = keyTile[lane * keyStride + word];
                            float low = (packed << 16) >> 16;
                            float high = packed >> 16;
                            int q = query + 2 * word;
                            dot0 += low * queries[q] + high * queries[q + 1];
                            dot1 += low * queries[q + headDim] + high * queries[q + headDim + 1];
                            dot2 += low * queries[q + 2 * headDim] + high * queries[q + 2 * headDim + 1];
                            dot3 += low * queries[q + 3 * headDim] + high * queries[q + 3 * headDim + 1];
                        }
                        int to = unit * QUAD * TILE + lane;
                        dots[to] = dot0;
                        dots[to + TILE] = dot1;
                        dots[to + 2 * TILE] = dot2;
                        dots[to + 3 * TILE] = dot3;
                    }
                }
                ctx.localBarrier();

                int position = tileFrom + lane;
                for (int row = warp; row < rows; row += WARPS) {
                    int own = firstPosition + row / shared;
                    float score = LOWEST;
                    if (position < contextTo && position <= own && (window == 0 || position > own - window)) {
                        float dot = 0;
                        for (int slice = 0; slice < dotSlices; slice++) {
                            dot += dots[((row / QUAD * dotSlices + slice) * QUAD + row % QUAD) * TILE + lane];
                        }
                        score = dot * tileKeyScales[lane];
                    }
                    scores[row * TILE + lane] = score;
                }
                ctx.localBarrier();

                for (int i = 0; i < maxRowsPerWarp; i++) {
                    int row = warp + i * WARPS;
                    if (row < rows) {
                        float largest = maxima[i];
                        for (int other = 0; other < TILE; other++) {
                            largest = TornadoMath.max(largest, scores[row * TILE + other]);
                        }
                        float score = scores[row * TILE + lane];
                        float factor = TornadoMath.exp(maxima[i] - largest);
                        float weight = score == LOWEST ? 0 : TornadoMath.exp(score - largest);
                        weights[row * TILE + lane] = lane < count ? weight * tileValueScales[lane] : 0;
                        sums[i] = sums[i] * factor + weight;
                        maxima[i] = largest;
                        if (lane == 0) {
                            factors[row] = factor;
                        }
                    }
                }
                ctx.localBarrier();

                for (int i = 0; i < maxUnits; i++) {
                    int unit = firstUnit + i * GROUP;
                    if (unit < units) {
                        int row = unit / half * QUAD;
                        int word = unit % half;
                        int sum = i * 2 * QUAD;
                        for (int r = 0; r < QUAD; r++) {
                            weighted[sum + 2 * r] *= factors[row + r];
                            weighted[sum + 2 * r + 1] *= factors[row + r];
                        }
                        for (int other = valueSlice; other < count; other += valueSlices) {
                            int packed = values.get(cacheRows[other] * half + word);
                            float low = (packed << 16) >> 16;
                            float high = packed >> 16;
                            for (int r = 0; r < QUAD; r++) {
                                float weight = weights[(row + r) * TILE + other];
                                weighted[sum + 2 * r] += weight * low;
                                weighted[sum + 2 * r + 1] += weight * high;
                            }
                        }
                    }
                }
            }

            // Queries, dots and scores are no longer needed: what the threads hold apart is added up in their place.
            for (int i = 0; i < maxRowsPerWarp; i++) {
                int row = warp + i * WARPS;
                if (row < rows) {
                    dots[row * TILE + lane] = sums[i];
                    if (lane == 0) {
                        scores[row] = maxima[i];
                    }
                }
            }
            if (valueSlices > 1 && valueSlice < valueSlices) {
                for (int i = 0; i < 2 * QUAD; i++) {
                    queries[i * GROUP + thread] = weighted[i];
                }
            }
            ctx.localBarrier();

            int width = headDim + 2;
            for (int i = 0; i < maxUnits; i++) {
                int unit = firstUnit + i * GROUP;
                if (unit < units && valueSlice == 0) {
                    for (int r = 0; r < QUAD; r++) {
                        int row = unit / half * QUAD + r;
                        if (row < rows) {
                            float first = weighted[(i * QUAD + r) * 2];
                            float second = weighted[(i * QUAD + r) * 2 + 1];
                            for (int slice = 1; slice < valueSlices; slice++) {
                                first += queries[2 * r * GROUP + slice * units + unit];
                                second += queries[(2 * r + 1) * GROUP + slice * units + unit];
                            }
                            int to = ((firstSlot + row / shared) * heads + firstHead + row % shared) * width;
                            partials.set(to + unit % half * 2, first);
                            partials.set(to + unit % half * 2 + 1, second);
                        }
                    }
                }
            }
            if (thread < rows) {
                float sum = 0;
                for (int other = 0; other < TILE; other++) {
                    sum += dots[thread * TILE + other];
                }
                int to = ((firstSlot + thread / shared) * heads + firstHead + thread % shared) * width + headDim;
                partials.set(to, scores[thread]);
                partials.set(to + 1, sum);
            }
        }
    }

    /**
     * Joins the partial results of each token.
     *
     * @param attended {@code [tokens, stride]}, rows begin with {@code [heads, headDim]} and are zero after
     * @param partials as {@link #attend} writes them
     */
    static void mergeAttention(
            KernelContext ctx,
            IntArray step,
            int partialsAt,
            FloatArray attended,
            int stride,
            FloatArray partials,
            int heads,
            int headDim) {
        int token = ctx.groupIdx;
        int head = ctx.groupIdy;
        if (token < step.get(StepLayout.TOKENS)) {
            int at = partialsAt + token * StepLayout.PARTIAL;
            int width = headDim + 2;
            int first = (step.get(at) * heads + head) * width;
            int distance = step.get(at + 1) * heads * width;
            int splits = step.get(at + 2);
            float largest = LOWEST;
            for (int split = 0; split < splits; split++) {
                largest = TornadoMath.max(largest, partials.get(first + split * distance + headDim));
            }
            float total = 0;
            for (int split = 0; split < splits; split++) {
                int partial = first + split * distance;
                total += TornadoMath.exp(partials.get(partial + headDim) - largest)
                        * partials.get(partial + headDim + 1);
            }
            for (int column = ctx.localIdx; column < headDim; column += GROUP) {
                float weighted = 0;
                for (int split = 0; split < splits; split++) {
                    int partial = first + split * distance;
                    weighted +=
                            TornadoMath.exp(partials.get(partial + headDim) - largest) * partials.get(partial + column);
                }
                attended.set(token * stride + head * headDim + column, weighted / total);
            }
            if (head == heads - 1) {
                for (int column = heads * headDim + ctx.localIdx; column < stride; column += GROUP) {
                    attended.set(token * stride + column, 0);
                }
            }
        }
    }
}
