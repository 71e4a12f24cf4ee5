package io.github.sparkmixtral.tornado;

import static io.github.sparkmixtral.tornado.Grids.GROUP;

import io.github.sparkmixtral.engine.BackendOptions;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Kernels that work on one row of activations at a time. Rows are padded to {@code stride} floats. Numbers are fixed when a
 * kernel is compiled; what changes from step to step is read from the {@code step} array, laid out as {@link StepLayout} says.
 *
 * <p>Local arrays are never passed to other methods: TornadoVM would take an index for a distance in bytes there.
 */
final class LayerKernels {

    /** Largest magnitude of a cached element, in units of its vector's scale. */
    static final float CACHE_STEPS = 32767;

    /** A vector whose largest element is smaller is cached as zero: its scale would be lost among the subnormal numbers. */
    static final float CACHE_ZERO = 1e-30f;

    private static final int BLOCK = BackendOptions.BLOCK_SIZE;

    private LayerKernels() {}

    /** One work-group per row: the grid of {@link #embed}, {@link #receive} and {@link #rmsNorm}. */
    static WorkerGrid rowGrid(int rows) {
        return Grids.of(rows, 1);
    }

    /** One work-group per token and vector: the grid of {@link #ropeAndStore}. */
    static WorkerGrid ropeGrid(int tokens, int heads, int kvHeads) {
        return Grids.of(tokens, heads + 2 * kvHeads);
    }

    /** One thread per changed entry: the grid of {@link #updateTables}. */
    static WorkerGrid changeGrid(int changes) {
        return Grids.of(Math.max(1, Math.ceilDiv(changes, GROUP)), 1);
    }

    /**
     * Takes over changed entries of the block tables.
     *
     * @param tables see {@link BlockTables}
     */
    static void updateTables(KernelContext ctx, IntArray step, int changesAt, IntArray tables) {
        int change = ctx.globalIdx;
        if (change < step.get(StepLayout.CHANGES)) {
            tables.set(step.get(changesAt + 2 * change), step.get(changesAt + 2 * change + 1));
        }
    }

    /** Copies each token's row of {@code received} to {@code hidden}; both are {@code [tokens, stride]}. */
    static void receive(KernelContext ctx, IntArray step, FloatArray hidden, FloatArray received, int stride) {
        int token = ctx.groupIdx;
        if (token < step.get(StepLayout.TOKENS)) {
            for (int column = ctx.localIdx; column < stride; column += GROUP) {
                hidden.set(token * stride + column, received.get(token * stride + column));
            }
        }
    }

    /**
     * Decodes each token's row of the embedding, a quantized matrix of {@code [vocabulary, stride]}.
     *
     * @param hidden {@code [tokens, stride]}
     * @param bits of an element: 4, 8 or 16
     * @param block elements per scale
     * @param affine 1 if elements are unsigned and {@code minima} are added, else 0
     */
    static void embed(
            KernelContext ctx,
            IntArray step,
            int tokensAt,
            FloatArray hidden,
            int stride,
            IntArray words,
            FloatArray scales,
            FloatArray minima,
            int bits,
            int block,
            int affine) {
        int token = ctx.groupIdx;
        if (token < step.get(StepLayout.TOKENS)) {
            int row = step.get(tokensAt + token);
            int perWord = 32 / bits;
            int wordsAt = row * (stride / perWord);
            int scalesAt = row * (stride / block);
            for (int column = ctx.localIdx; column < stride; column += GROUP) {
                int word = words.get(wordsAt + column / perWord);
                int shift = bits * (column % perWord);
                int at = scalesAt + column / block;
                float value;
                if (affine == 1) {
                    value = ((word >> shift) & ((1 << bits) - 1)) * scales.get(at) + minima.get(at);
                } else {
                    value = ((word << (32 - bits - shift)) >> (32 - bits)) * scales.get(at);
                }
                hidden.set(token * stride + column, value);
            }
        }
    }

    /**
     * Root mean square normalisation (Zhang and Sennrich 2019), {@code y = x / sqrt(mean(x^2) + epsilon) * weight}.
     *
     * @param y {@code [tokens, stride]}, zero past the width
     * @param x {@code [tokens, stride]}
     * @param weight {@code [width]}
     */
    static void rmsNorm(
            KernelContext ctx,
            IntArray step,
            FloatArray y,
            FloatArray x,
            FloatArray weight,
            int width,
            int stride,
            float epsilon) {
        int token = ctx.groupIdx;
        int thread = ctx.localIdx;
        if (token < step.get(StepLayout.TOKENS)) {
            float[] sums = ctx.allocateFloatLocalArray(GROUP);
            int row = token * stride;
            float squares = 0;
            for (int column = thread; column < width; column += GROUP) {
                float value = x.get(row + column);
                squares += value * value;
            }
            sums[thread] = squares;
            for (int half = GROUP / 2; half > 0; half /= 2) {
                ctx.localBarrier();
                if (thread < half) {
                    sums[thread] += sums[thread + half];
                }
            }
            ctx.localBarrier();
            float scale = 1 / TornadoMath.sqrt(sums[0] / width + epsilon);
            for (int column = thread; column < stride; column += GROUP) {
                y.set(row + column, column < width ? x.get(row + column) * scale * weight.get(column) : 0);
            }
        }
    }

    /**
     * Rotates queries and keys by their positions (rotary position embedding, Su et al. 2021), the queries in place, and puts keys
     * and values into the cache as 16-bit integers with one scale per vector: its largest magnitude / {@value #CACHE_STEPS}.
     *
     * @param qkv {@code [tokens, stride]}, a row is {@code [heads + 2 * kvHeads, headDim]}: queries, keys, values
     * @param rotary {@code [positions, headDim]}: cosines of a position's angles, then their sines
     * @param keys {@code [blocks, kvHeads, 16, headDim / 2]} words of two elements, the first one in the lower half
     * @param keyScales {@code [blocks, kvHeads, 16]}
     * @param values like the keys
     * @param neighbours 1 if elements 2i and 2i + 1 rotate together, 0 if i and i + headDim / 2 do
     */
    static void ropeAndStore(
            KernelContext ctx,
            IntArray step,
            int positionsAt,
            int slotsAt,
            FloatArray qkv,
            int stride,
            FloatArray rotary,
            IntArray keys,
            FloatArray keyScales,
            IntArray values,
            FloatArray valueScales,
            int heads,
            int kvHeads,
            int headDim,
            int neighbours) {
        int token = ctx.groupIdx;
        int vector = ctx.groupIdy;
        int thread = ctx.localIdx;
        if (token < step.get(StepLayout.TOKENS)) {
            float[] elements = ctx.allocateFloatLocalArray(headDim);
            float[] maxima = ctx.allocateFloatLocalArray(GROUP);
            int half = headDim / 2;
            int at = token * stride + vector * headDim;
            int angles = step.get(positionsAt + token) * headDim;
            float largest = 0;
            for (int pair = thread; pair < half; pair += GROUP) {
                int first = neighbours == 1 ? 2 * pair : pair;
                int second = neighbours == 1 ? first + 1 : first + half;
                float a = qkv.get(at + first);
                float b = qkv.get(at + second);
                if (vector < heads + kvHeads) {
                    float cosine = rotary.get(angles + pair);
                    float sine = rotary.get(angles + half + pair);
                    float unrotated = a;
                    a = a * cosine - b * sine;
                    b = b * cosine + unrotated * sine;
                }
                if (vector < heads) {
                    qkv.set(at + first, a);
                    qkv.set(at + second, b);
                } else {
                    elements[first] = a;
                    elements[second] = b;
                    largest = TornadoMath.max(largest, TornadoMath.max(TornadoMath.abs(a), TornadoMath.abs(b)));
                }
            }
            if (vector >= heads) {
                maxima[thread] = largest;
                for (int other = GROUP / 2; other > 0; other /= 2) {
                    ctx.localBarrier();
                    if (thread < other) {
                        maxima[thread] = TornadoMath.max(maxima[thread], maxima[thread + other]);
                    }
                }
                ctx.localBarrier();
                largest = maxima[0];
                float scale = largest < CACHE_ZERO ? 0 : largest / CACHE_STEPS;
                float inverse = largest < CACHE_ZERO ? 0 : CACHE_STEPS / largest;
                int slot = step.get(slotsAt + token);
                int row = (slot / BLOCK * kvHeads + (vector - heads) % kvHeads) * BLOCK + slot % BLOCK;
                for (int i = thread; i < half; i += GROUP) {
                    int low = rounded(elements[2 * i] * inverse);
                    int high = rounded(elements[2 * i + 1] * inverse);
                    int word = (high << 16) | (low & 0xFFFF);
                    if (vector < heads + kvHeads) {
                        keys.set(row * half + i, word);
                    } else {
                        values.set(row * half + i, word);
                    }
                }
                if (thread == 0) {
                    if (vector < heads + kvHeads) {
                        keyScales.set(row, scale);
                    } else {
                        valueScales.set(row, scale);
                    }
                }
            }
        }
    }

    /** To the nearest integer of 16 bits. The bounds also keep infinities and what is not a number from an undefined conversion. */
    private static int rounded(float x) {
        float bounded = TornadoMath.max(-CACHE_STEPS, TornadoMath.min(CACHE_STEPS, x));
        return (int) TornadoMath.floor(bounded + 0.5f);
    }
}
