package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.bench.Limits.Limit;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How fast a backend took in a prompt, or decoded.
 *
 * @param what which of the two
 * @param size tokens of the prompt, or sequences that were decoded together
 * @param context tokens of each sequence before decoding began; 0 for a prompt
 * @param threads worker threads that were asked for; 0 for all processors
 * @param seconds per step: the median of the rounds
 * @param fastest per step
 * @param slowest per step
 * @param tokensPerSecond by the median
 * @param flopsPerSecond floating-point operations of a step's matrix products, by the median
 * @param bytesPerSecond bytes of weights, as their file has them, that a step must read, by the median
 * @param shareOfFlops of the measured peak; null where that was not measured
 * @param shareOfBytes of the memory's measured bandwidth; null where that was not measured
 */
record Measurement(
        What what,
        int size,
        int context,
        int threads,
        double seconds,
        double fastest,
        double slowest,
        double tokensPerSecond,
        double flopsPerSecond,
        double bytesPerSecond,
        Double shareOfFlops,
        Double shareOfBytes)
        implements Figure {

    enum What {
        /** A prompt taken in, in one step. */
        PREFILL,
        /** One token for each of several sequences. */
        DECODE
    }

    static final String HEADER = """
            | what | tokens/s | ms a step (fastest, slowest) | GFLOP/s | of peak | weights read, GB/s | of bandwidth |
            |---|---:|---:|---:|---:|---:|---:|""";

    /**
     * From the seconds per step of each round.
     *
     * @param flops of a step
     * @param bytes of a step
     */
    static Measurement of(
            What what, int size, int context, int threads, List<Double> seconds, double flops, double bytes) {
        double[] sorted = seconds.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        double median = sorted[sorted.length / 2];
        return new Measurement(
                what,
                size,
                context,
                threads,
                median,
                sorted[0],
                sorted[sorted.length - 1],
                size / median,
                flops / median,
                bytes / median,
                null,
                null);
    }

    /** This, held to what the machine can do at most. */
    Measurement within(Limit limit) {
        return shares(
                flopsPerSecond / limit.flopsPerSecond().median(),
                bytesPerSecond / limit.bytesPerSecond().median());
    }

    /** This, held to bytes per second measured elsewhere. */
    Measurement within(double bandwidth) {
        return shares(shareOfFlops, bytesPerSecond / bandwidth);
    }

    private Measurement shares(Double flops, Double bytes) {
        return new Measurement(
                what,
                size,
                context,
                threads,
                seconds,
                fastest,
                slowest,
                tokensPerSecond,
                flopsPerSecond,
                bytesPerSecond,
                flops,
                bytes);
    }

    @Override
    public String kind() {
        return "step";
    }

    /** What was measured, in words. */
    String title() {
        String words = switch (what) {
            case PREFILL -> "prompt of " + size;
            case DECODE -> "decode, batch " + size + ", context " + context;
        };
        return threads == 0 ? words : words + ", threads " + threads;
    }

    @Override
    public String line() {
        return String.format(
                Locale.ROOT,
                "| %s | %.1f | %.2f (%.2f, %.2f) | %.1f | %s | %.1f | %s |",
                title(),
                tokensPerSecond,
                1e3 * seconds,
                1e3 * fastest,
                1e3 * slowest,
                flopsPerSecond / 1e9,
                percent(shareOfFlops),
                bytesPerSecond / 1e9,
                percent(shareOfBytes));
    }

    private static String percent(Double share) {
        return share == null ? "" : String.format(Locale.ROOT, "%.0f %%", 100 * share);
    }
}
