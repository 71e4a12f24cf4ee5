package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.ModelConfig;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Keys and values of one layer: every head's vector in 16-bit integers, two to a word, with one scale. That needs no
 * half-precision type of the device and is closer than one: 15 bits under the vector's largest element, where FP16 keeps 11 of
 * each element and BF16 8.
 *
 * @param keys {@code [blocks, kvHeads, blockSize, headDimension / 2]} words
 * @param keyScales {@code [blocks, kvHeads, blockSize]}
 * @param values as {@code keys}
 * @param valueScales as {@code keyScales}
 */
record KeyValueCache(IntArray keys, FloatArray keyScales, IntArray values, FloatArray valueScales) {

    static KeyValueCache of(ModelConfig config, int blocks, DeviceArrays arrays) {
        return new KeyValueCache(
                arrays.ints(blocks * words(config)),
                arrays.floats(blocks * vectors(config)),
                arrays.ints(blocks * words(config)),
                arrays.floats(blocks * vectors(config)));
    }

    /** Bytes of one block in all layers. */
    static long blockBytes(ModelConfig config) {
        return 2 * config.layers() * (words(config) * Integer.BYTES + vectors(config) * Float.BYTES);
    }

    /** Most blocks whose words can be indexed. */
    static long mostBlocks(ModelConfig config) {
        return Integer.MAX_VALUE / Math.max(words(config), BackendOptions.BLOCK_SIZE);
    }

    private static long words(ModelConfig config) {
        return vectors(config) * (config.headDimension() / 2);
    }

    private static long vectors(ModelConfig config) {
        return (long) BackendOptions.BLOCK_SIZE * config.kvHeads();
    }
}
