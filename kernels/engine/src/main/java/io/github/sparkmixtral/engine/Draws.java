package io.github.sparkmixtral.engine;

import java.nio.charset.StandardCharsets;

/**
 * Random numbers without a state: each is a hash of the seed, the row's custom id, the sample index and the position in the
 * output, so that a row's draws are the same whatever else runs, in whatever order, on whichever host, and however often the
 * row is tried again.
 *
 * <p>The custom id enters as the 64-bit FNV-1a hash of its UTF-8; the parts are folded one after another with the finalizer
 * of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014; constants of Stafford's
 * variant 13). These are part of the output's contract: changing them changes every sampled answer.
 */
final class Draws {
    private static final long GOLDEN_GAMMA = 0x9e3779b97f4a7c15L;
    private static final long FNV_OFFSET = 0xcbf29ce484222325L;
    private static final long FNV_PRIME = 0x100000001b3L;

    private Draws() {}

    /** Folds a seed and a custom id. */
    static long key(long seed, String customId) {
        long hash = FNV_OFFSET;
        for (byte part : customId.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ (part & 0xff)) * FNV_PRIME;
        }
        return fold(mix(seed + GOLDEN_GAMMA), hash);
    }

    /** A number in [0, 1) with 53 random bits. */
    static double uniform(long key, int sampleIndex, int position) {
        long bits = fold(fold(key, sampleIndex), position);
        return (bits >>> 11) * 0x1.0p-53;
    }

    /** SplitMix64's finalizer: a bijection in which every input bit moves every output bit. */
    static long mix(long value) {
        long mixed = value;
        mixed = (mixed ^ (mixed >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }

    private static long fold(long hash, long part) {
        return mix((hash ^ part) + GOLDEN_GAMMA);
    }
}
