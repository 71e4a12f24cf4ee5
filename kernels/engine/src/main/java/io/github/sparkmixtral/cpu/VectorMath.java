package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.jit.Exponential.LARGEST;
import static io.github.sparkmixtral.cpu.jit.Exponential.LN2_HIGH;
import static io.github.sparkmixtral.cpu.jit.Exponential.LN2_LOW;
import static io.github.sparkmixtral.cpu.jit.Exponential.LOG2_E;
import static io.github.sparkmixtral.cpu.jit.Exponential.ROUNDER;
import static io.github.sparkmixtral.cpu.jit.Exponential.SMALLEST;

import io.github.sparkmixtral.cpu.jit.Exponential;
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

    private static final float C7 = Exponential.coefficient(7);
    private static final float C6 = Exponential.coefficient(6);
    private static final float C5 = Exponential.coefficient(5);
    private static final float C4 = Exponential.coefficient(4);
    private static final float C3 = Exponential.coefficient(3);
    private static final float C2 = Exponential.coefficient(2);

    private VectorMath() {}

    /**
     * Replaces each {@code x} of {@code [from, to)}, and of the rest of the last vector, by {@code e^(x - shift)} to 2 units in the
     * last place, the exponent clamped to [-87, 88] where that neither overflows nor becomes subnormal. The library's own
     * exponential is another function when interpreted than when compiled.
     */
    static void exp(float[] data, int from, int to, float shift) {
        FloatVector c5 = FloatVector.broadcast(FLOATS, C5);
        FloatVector c4 = FloatVector.broadcast(FLOATS, C4);
        FloatVector c3 = FloatVector.broadcast(FLOATS, C3);
        FloatVector c2 = FloatVector.broadcast(FLOATS, C2);
        FloatVector one = FloatVector.broadcast(FLOATS, 1);
        for (int i = from; i < to; i += FLOATS.length()) {
            FloatVector x = FloatVector.fromArray(FLOATS, data, i)
                    .sub(shift)
                    .max(SMALLEST)
                    .min(LARGEST);
            FloatVector shifted = x.fma(FloatVector.broadcast(FLOATS, LOG2_E), FloatVector.broadcast(FLOATS, ROUNDER));
            FloatVector n = shifted.sub(ROUNDER);
            FloatVector r = n.fma(FloatVector.broadcast(FLOATS, -LN2_HIGH), x);
            r = n.fma(FloatVector.broadcast(FLOATS, -LN2_LOW), r);
            FloatVector sum = r.fma(FloatVector.broadcast(FLOATS, C7), FloatVector.broadcast(FLOATS, C6));
            sum = sum.fma(r, c5).fma(r, c4).fma(r, c3).fma(r, c2).fma(r, one).fma(r, one);
            IntVector exponent = shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
            sum.reinterpretAsInts().add(exponent).reinterpretAsFloats().intoArray(data, i);
        }
    }

    /** The largest of {@code [from, to)}, a whole number of {@link Matrix#LANES}. */
    static float maximum(float[] data, int from, int to) {
        FloatVector largest = FloatVector.fromArray(FLOATS, data, from);
        for (int i = from + FLOATS.length(); i < to; i += FLOATS.length()) {
            largest = largest.max(FloatVector.fromArray(FLOATS, data, i));
        }
        return largest.reduceLanes(VectorOperators.MAX);
    }

    /**
     * The sum of {@code [from, to)}, a whole number of {@link Matrix#LANES}: each lane's in ascending order, then {@link #sum(float[],
     * int)}.
     *
     * @param lanes scratch, {@code [Matrix.LANES]}
     */
    static float sum(float[] data, int from, int to, float[] lanes) {
        for (int part = 0; part < Matrix.LANES; part += FLOATS.length()) {
            FloatVector sum = FloatVector.fromArray(FLOATS, data, from + part);
            for (int i = from + part + Matrix.LANES; i < to; i += Matrix.LANES) {
                sum = sum.add(FloatVector.fromArray(FLOATS, data, i));
            }
            sum.intoArray(lanes, part);
        }
        return sum(lanes, 0);
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
