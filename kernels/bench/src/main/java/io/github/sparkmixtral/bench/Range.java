package io.github.sparkmixtral.bench;

import java.util.List;
import java.util.Locale;

/** A rate: the median of several rounds, the lowest and the highest. */
record Range(double median, double lowest, double highest) {

    /** What {@code amount} makes a second, where it took each of the {@code seconds} once. */
    static Range of(double amount, List<Double> seconds) {
        return ofRates(seconds.stream().map(s -> amount / s).toList());
    }

    /** Of at least one. */
    static Range ofRates(List<Double> rates) {
        double[] sorted =
                rates.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        int half = sorted.length / 2;
        double median = sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
        return new Range(median, sorted[0], sorted[sorted.length - 1]);
    }

    /** Median and range, in units of that size. */
    String line(double unit) {
        return String.format(Locale.ROOT, "%.1f (%.1f to %.1f)", median / unit, lowest / unit, highest / unit);
    }
}
