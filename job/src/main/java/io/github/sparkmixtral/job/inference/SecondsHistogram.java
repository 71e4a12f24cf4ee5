package io.github.sparkmixtral.job.inference;

import java.util.Arrays;
import org.apache.spark.util.AccumulatorV2;

/**
 * How many rows took how long. A class of times is 5 % wide, so quantiles are right to that; its size does not depend on the number
 * of rows.
 */
public final class SecondsHistogram extends AccumulatorV2<Double, long[]> {
    private static final long serialVersionUID = 1L;
    private static final double LEAST = 1e-3;
    private static final double STEP = Math.log(1.05);

    /** The last class begins at four days. */
    private static final int CLASSES = 400;

    private final long[] counts = new long[CLASSES];

    @Override
    public boolean isZero() {
        return Arrays.stream(counts).allMatch(count -> count == 0);
    }

    @Override
    public AccumulatorV2<Double, long[]> copy() {
        SecondsHistogram copy = new SecondsHistogram();
        copy.merge(this);
        return copy;
    }

    @Override
    public void reset() {
        Arrays.fill(counts, 0);
    }

    @Override
    public void add(Double seconds) {
        int place = (int) (Math.log(Math.max(seconds, LEAST) / LEAST) / STEP);
        counts[Math.min(place, CLASSES - 1)]++;
    }

    @Override
    public void merge(AccumulatorV2<Double, long[]> other) {
        long[] others = other.value();
        for (int i = 0; i < CLASSES; i++) {
            counts[i] += others[i];
        }
    }

    /** Rows by class of time. */
    @Override
    public long[] value() {
        return counts;
    }

    /**
     * The time that a share of the rows did not exceed.
     *
     * @param share in (0, 1]
     * @return seconds; 0 without rows
     */
    public double quantile(double share) {
        long rows = Arrays.stream(counts).sum();
        long wanted = (long) Math.ceil(rows * share);
        long seen = 0;
        for (int i = 0; i < CLASSES && rows > 0; i++) {
            seen += counts[i];
            if (seen >= wanted) {
                return LEAST * Math.exp((i + 0.5) * STEP);
            }
        }
        return 0;
    }
}
