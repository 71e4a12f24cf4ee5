package io.github.sparkmixtral.job.score;

/**
 * A 95 % confidence interval of a mean of scores, within [0, 1].
 *
 * @param low at most {@code high}
 */
record Interval(double low, double high) {
    /** Of the normal distribution, 97.5 % is below. */
    private static final double Z = 1.959963984540054;

    Interval {
        low = Math.clamp(low, 0, 1);
        high = Math.clamp(high, 0, 1);
    }

    /**
     * Wilson's score interval of a proportion (Wilson 1927, without a correction for continuity).
     *
     * @param trials at least 1
     */
    static Interval wilson(long successes, long trials) {
        double share = (double) successes / trials;
        double square = Z * Z / trials;
        double middle = (share + square / 2) / (1 + square);
        double half = Z * Math.sqrt((share * (1 - share) + square / 4) / trials) / (1 + square);
        // At the ends rounding would leave 1e-17.
        return new Interval(successes == 0 ? 0 : middle - half, successes == trials ? 1 : middle + half);
    }

    /**
     * The mean's normal interval.
     *
     * @param deviation the sample's standard deviation, with n - 1
     * @param n at least 2
     */
    static Interval normal(double mean, double deviation, long n) {
        double half = Z * deviation / Math.sqrt(n);
        return new Interval(mean - half, mean + half);
    }
}
