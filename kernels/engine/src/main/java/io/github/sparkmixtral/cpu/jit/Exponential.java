package io.github.sparkmixtral.cpu.jit;

/**
 * The numbers of the one exponential that all kernels compute, on whatever machine: {@code e^x = 2^n * e^r}, where {@code n} is the integer next to
 * {@code x / ln 2}.
 */
public final class Exponential {

    public static final float LOG2_E = 1.442695041f;

    /** ln 2 in two floats, the first with few bits, so that a small integer times it is exact. */
    public static final float LN2_HIGH = 0.693359375f;

    public static final float LN2_LOW = -2.12194440e-4f;

    /** Added and taken off again, this rounds to an integer, which stands in the low bits in between: 1.5 * 2^23. */
    public static final float ROUNDER = 12582912f;

    /** Exponents are clamped to what neither overflows nor becomes subnormal. */
    public static final float LARGEST = 88;

    public static final float SMALLEST = -87;

    /**
     * Taylor coefficients {@code 1/n!} from {@code n = 7} down to 0; on {@code |r| <= ln(2) / 2} what is left out is below half a unit in the last
     * place.
     */
    static final float[] COEFFICIENTS = {1 / 5040f, 1 / 720f, 1 / 120f, 1 / 24f, 1 / 6f, 1 / 2f, 1, 1};

    /** @param n from 0 to 7 */
    public static float coefficient(int n) {
        return COEFFICIENTS[7 - n];
    }

    private Exponential() {}
}
