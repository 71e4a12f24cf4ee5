package io.github.sparkmixtral.job.inference;

import java.util.Arrays;
import org.apache.spark.util.AccumulatorV2;

/** {@code [layers, experts]} how many tokens each expert has had; without layers if nobody counts. */
public final class ExpertTokens extends AccumulatorV2<long[][], long[][]> {
    private static final long serialVersionUID = 1L;

    /** Replaced and never changed. */
    private volatile long[][] tokens = {};

    @Override
    public boolean isZero() {
        return tokens.length == 0;
    }

    @Override
    public AccumulatorV2<long[][], long[][]> copy() {
        ExpertTokens copy = new ExpertTokens();
        copy.tokens = tokens;
        return copy;
    }

    @Override
    public void reset() {
        tokens = new long[0][];
    }

    @Override
    public void add(long[][] more) {
        tokens = tokens.length == 0 ? more : sum(more, 1);
    }

    /** What has come since an earlier count of the same engine. */
    static long[][] since(long[][] earlier, long[][] now) {
        ExpertTokens counted = new ExpertTokens();
        counted.tokens = now;
        return earlier.length == 0 ? now : counted.sum(earlier, -1);
    }

    private long[][] sum(long[][] others, int sign) {
        long[][] sum = Arrays.stream(tokens).map(long[]::clone).toArray(long[][]::new);
        for (int layer = 0; layer < others.length; layer++) {
            for (int expert = 0; expert < others[layer].length; expert++) {
                sum[layer][expert] += sign * others[layer][expert];
            }
        }
        return sum;
    }

    @Override
    public void merge(AccumulatorV2<long[][], long[][]> other) {
        add(other.value());
    }

    @Override
    public long[][] value() {
        return tokens;
    }
}
