package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.model.ModelConfig;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Scratch memory of one worker thread. */
public final class Workspace {

    /** Inputs of a panel that are multiplied at a time: a multiple of every format's block. */
    static final int COLUMNS = 1024;

    /** Blocks of inputs that share a scale, at most, among as many inputs. */
    private static final int BLOCKS = COLUMNS / 16;

    /** Positions whose scores are held at a time. */
    static final int SPAN = 4 * KeyValueCache.BLOCK;

    /** Most rows that go through attention together. */
    static final int ATTENDING = 16;

    /** {@code [COLUMNS, PackedMatrix.WIDTH]} decoded weights; off the heap, for there it can be made to begin at a cache line. */
    final MemorySegment panel = Arena.ofAuto().allocate((long) COLUMNS * PackedMatrix.WIDTH * Float.BYTES, 64);

    /** {@code [BLOCKS, PackedMatrix.WIDTH]} what quants of a block are multiplied by. */
    final float[] multipliers = new float[BLOCKS * PackedMatrix.WIDTH];

    /** {@code [BLOCKS, PackedMatrix.WIDTH]} what is added then. */
    final float[] offsets = new float[BLOCKS * PackedMatrix.WIDTH];

    /** {@code [rows, PackedMatrix.WIDTH]} sums of one panel so far; some rows more, for tiles that reach past the last one. */
    final float[] products;

    /** Where the rows of a tile begin. */
    final int[] rows = new int[8];

    /** Partial sums of one vector. */
    final float[] lanes = new float[Matrix.LANES];

    /** {@code [heads per kv head, SPAN]} one row's scores of some blocks of keys, then their exponentials. */
    final float[] scores;

    /** {@code [ATTENDING, heads per kv head, padded head dimension]} weighted values so far. */
    final float[] values;

    /** {@code [ATTENDING, heads per kv head]} largest score so far. */
    final float[] maxima;

    /** {@code [ATTENDING, heads per kv head]} sum of exponentials so far. */
    final float[] sums;

    /** {@link #scores}, {@link #values} and {@link #lanes}, for calls of machine code. */
    final MemorySegment scoresSegment;

    final MemorySegment valuesSegment;

    final MemorySegment lanesSegment = MemorySegment.ofArray(lanes);

    /** What such a call has to know of each block of a span: up to two numbers. */
    final MemorySegment blocks = Arena.ofAuto().allocate(2L * SPAN / KeyValueCache.BLOCK * Long.BYTES, 64);

    private Bfloat16Products bfloat16Products;
    private NativeProducts nativeProducts;

    /** @param rows of activations, at most, that go through a product together */
    public Workspace(ModelConfig config, int rows) {
        int group = config.heads() / config.kvHeads();
        products = new float[(rows + QuantizedTiles.SPARE_ROWS) * PackedMatrix.WIDTH];
        scores = new float[group * SPAN];
        values = new float[ATTENDING * group * Matrix.padded(config.headDimension())];
        scoresSegment = MemorySegment.ofArray(scores);
        valuesSegment = MemorySegment.ofArray(values);
        maxima = new float[ATTENDING * group];
        sums = new float[ATTENDING * group];
    }

    /** What products in bfloat16 need, made at the first of them. */
    Bfloat16Products bfloat16Products() {
        if (bfloat16Products == null) {
            bfloat16Products = new Bfloat16Products();
        }
        return bfloat16Products;
    }

    /** What products by kernels in machine code need, made at the first of them. */
    NativeProducts nativeProducts() {
        if (nativeProducts == null) {
            nativeProducts = new NativeProducts();
        }
        return nativeProducts;
    }
}
