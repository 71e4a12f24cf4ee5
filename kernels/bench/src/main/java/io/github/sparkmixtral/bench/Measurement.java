package io.github.sparkmixtral.bench;

import java.util.Arrays;
import java.util.Locale;

/**
 * One figure.
 *
 * @param kind what was measured
 * @param size tokens of the prompt, or sequences that were decoded together
 * @param seconds per step: the median of the rounds
 * @param fastest per step
 * @param slowest per step
 * @param tokensPerSecond by the median
 * @param bytesPerSecond bytes of weights that a step must read, by the median
 * @param share of the memory's measured bandwidth; NaN where that was not given
 */
record Measurement(
        Kind kind,
        int size,
        double seconds,
        double fastest,
        double slowest,
        double tokensPerSecond,
        double bytesPerSecond,
        double share) {

    enum Kind {
        /** A prompt taken in, in one step. */
        PREFILL,
        /** One token for each of several sequences. */
        DECODE
    }

    static Measurement of(Kind kind, int size, double[] seconds, double bytes, Double bandwidth) {
        double[] sorted = seconds.clone();
        Arrays.sort(sorted);
        double median = sorted[sorted.length / 2];
        double share = bandwidth == null ? Double.NaN : bytes / median / bandwidth;
        return new Measurement(
                kind, size, median, sorted[0], sorted[sorted.length - 1], size / median, bytes / median, share);
    }

    static String header() {
        return """
                | what | tokens/s | ms a step (fastest, slowest) | weights read, GB/s | of bandwidth |
                |---|---:|---:|---:|---:|""";
    }

    String line() {
        String what = switch (kind) {
            case PREFILL -> "prompt of " + size;
            case DECODE -> "decode, batch " + size;
        };
        return String.format(
                Locale.ROOT,
                "| %s | %.1f | %.2f (%.2f, %.2f) | %.1f | %s |",
                what,
                tokensPerSecond,
                1e3 * seconds,
                1e3 * fastest,
                1e3 * slowest,
                bytesPerSecond / 1e9,
                Double.isNaN(share) ? "" : String.format(Locale.ROOT, "%.0f %%", 100 * share));
    }
}
