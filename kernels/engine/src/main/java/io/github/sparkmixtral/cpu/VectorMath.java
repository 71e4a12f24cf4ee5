package io.github.sparkmixtral.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The machine's vectors, and functions on them whose bits are the same on every machine. */
final class VectorMath {

    /** Vectors of 4, 8 or 16 floats: the machine's own width, but never more than {@link Matrix#LANES}. */
    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED.length() <= Matrix.LANES
            ? FloatVector.SPECIES_PREFERRED
            : FloatVector.SPECIES_512;

    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, FLOATS.vectorShape());

    private static final float LOG2_E = 1.442695041f;
    /** ln 2 in two floats, the first with few bits, so that a small integer times it is exact. */
    private static final float LN2_HIGH = 0.693359375f;

    private static final float LN2_LOW = -2.12194440e-4f;
    /** Added and taken off again, this rounds to an integer, which stands in the low bits in between: 1.5 * 2^23. */
    private static final float ROUNDER = 12582912f;

    private static final float LARGEST = 88;
    private static final float SMALLEST = -87;

    /** Taylor coefficients 1/n! from n = 7 down to 0; on |r| <= ln(2)/2 what is left out is below half a unit in the last place. */
    private static final float C7 = 1 / 5040f;

    private static final float C6 = 1 / 720f;
    private static final float C5 = 1 / 120f;
    private static final float C4 = 1 / 24f;
    private static final float C3 = 1 / 6f;
    private static final float C2 = 1 / 2f;

    private VectorMath() {}

    /**
     * {@code e^x} to 2 units in the last place, for {@code x} clamped to [-87, 88] where it neither overflows nor becomes
     * subnormal. The library's own exponential is another function when interpreted than when compiled.
     */
    static FloatVector exp(FloatVector x) {
        FloatVector clamped = x.max(SMALLEST).min(LARGEST);
        FloatVector shifted =
                clamped.fma(FloatVector.broadcast(FLOATS, LOG2_E), FloatVector.broadcast(FLOATS, ROUNDER));
        FloatVector n = shifted.sub(ROUNDER);
        FloatVector r = n.fma(FloatVector.broadcast(FLOATS, -LN2_HIGH), clamped);
        r = n.fma(FloatVector.broadcast(FLOATS, -LN2_LOW), r);
        FloatVector sum = r.fma(FloatVector.broadcast(FLOATS, C7), FloatVector.broadcast(FLOATS, C6));
        sum = sum.fma(r, FloatVector.broadcast(FLOATS, C5));
        sum = sum.fma(r, FloatVector.broadcast(FLOATS, C4));
        sum = sum.fma(r, FloatVector.broadcast(FLOATS, C3));
        sum = sum.fma(r, FloatVector.broadcast(FLOATS, C2));
        sum = sum.fma(r, FloatVector.broadcast(FLOATS, 1));
        sum = sum.fma(r, FloatVector.broadcast(FLOATS, 1));
        IntVector exponent = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
        return sum.reinterpretAsInts().add(exponent).reinterpretAsFloats();
    }

    /** The same function, bit for bit, of one float. */
    static float exp(float x) {
        float clamped = Math.min(Math.max(x, SMALLEST), LARGEST);
        float shifted = Math.fma(clamped, LOG2_E, ROUNDER);
        float n = shifted - ROUNDER;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, clamped));
        float sum = Math.fma(r, C7, C6);
        sum = Math.fma(sum, r, C5);
        sum = Math.fma(sum, r, C4);
        sum = Math.fma(sum, r, C3);
        sum = Math.fma(sum, r, C2);
        sum = Math.fma(sum, r, 1);
        sum = Math.fma(sum, r, 1);
        return Float.intBitsToFloat(Float.floatToRawIntBits(sum) + (Float.floatToRawIntBits(shifted) << 23));
    }

    /** The sum of {@link Matrix#LANES} neighbours, by halves: the one order in which lanes are ever added. */
    static float sum(float[] lanes, int at) {
        float a0 = lanes[at] + lanes[at + 8];
        float a1 = lanes[at + 1] + lanes[at + 9];
        float a2 = lanes[at + 2] + lanes[at + 10];
        float a3 = lanes[at + 3] + lanes[at + 11];
        float a4 = lanes[at + 4] + lanes[at + 12];
        float a5 = lanes[at + 5] + lanes[at + 13];
        float a6 = lanes[at + 6] + lanes[at + 14];
        float a7 = lanes[at + 7] + lanes[at + 15];
        return ((a0 + a4) + (a2 + a6)) + ((a1 + a5) + (a3 + a7));
    }
}
