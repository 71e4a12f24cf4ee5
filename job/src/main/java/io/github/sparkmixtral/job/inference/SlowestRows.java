package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.job.output.SlowRow;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.Stream;
import org.apache.spark.util.AccumulatorV2;

/** The rows that took longest, in descending order; no more than {@value #MOST}. */
public final class SlowestRows extends AccumulatorV2<SlowRow, SlowRow[]> {
    private static final long serialVersionUID = 1L;
    private static final int MOST = 5;

    /** Replaced and never changed: the executor's heartbeat reads it while rows are added. */
    private volatile SlowRow[] rows = {};

    @Override
    public boolean isZero() {
        return rows.length == 0;
    }

    @Override
    public AccumulatorV2<SlowRow, SlowRow[]> copy() {
        SlowestRows copy = new SlowestRows();
        copy.rows = rows;
        return copy;
    }

    @Override
    public void reset() {
        rows = new SlowRow[0];
    }

    @Override
    public void add(SlowRow row) {
        if (rows.length < MOST || row.seconds() > rows[MOST - 1].seconds()) {
            keep(Stream.concat(Arrays.stream(rows), Stream.of(row)));
        }
    }

    @Override
    public void merge(AccumulatorV2<SlowRow, SlowRow[]> other) {
        keep(Stream.concat(Arrays.stream(rows), Arrays.stream(other.value())));
    }

    private void keep(Stream<SlowRow> all) {
        rows = all.sorted(Comparator.comparingDouble(SlowRow::seconds).reversed())
                .limit(MOST)
                .toArray(SlowRow[]::new);
    }

    @Override
    public SlowRow[] value() {
        return rows;
    }
}
