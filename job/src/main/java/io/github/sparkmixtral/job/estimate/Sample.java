package io.github.sparkmixtral.job.estimate;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;
import org.apache.spark.sql.Row;
import scala.util.hashing.MurmurHash3$;

/**
 * A random sample of rows without those of which it has more than it may hold: the rows whose ids have the least hashes. So it does not
 * depend on how rows are spread over tasks, and two samples make one.
 */
final class Sample implements Serializable {
    private static final long serialVersionUID = 1L;

    /** What the driver holds of it. */
    private static final long MOST_BYTES = 32 << 20;

    private static final int SEED = 7;

    private final int mostRows;
    private final TreeSet<Sampled> rows = new TreeSet<>(new ByHash());
    private long bytes;
    private boolean whole = true;

    /** @param cost of the row's answer, as far as is known before */
    private record Sampled(int hash, String id, long cost, long bytes, Row row) implements Serializable {}

    private static final class ByHash implements Comparator<Sampled>, Serializable {
        private static final long serialVersionUID = 1L;

        @Override
        public int compare(Sampled one, Sampled other) {
            int byHash = Integer.compare(one.hash, other.hash);
            return byHash != 0 ? byHash : one.id.compareTo(other.id);
        }
    }

    Sample(int mostRows) {
        this.mostRows = mostRows;
    }

    void add(String id, long cost, long size, Row row) {
        add(new Sampled(MurmurHash3$.MODULE$.stringHash(id, SEED), id, cost, size, row));
    }

    void add(Sample other) {
        other.rows.forEach(this::add);
        whole &= other.whole;
    }

    private void add(Sampled row) {
        if (rows.add(row)) {
            bytes += row.bytes;
        }
        while (rows.size() > mostRows || bytes > MOST_BYTES && rows.size() > 1) {
            bytes -= rows.pollLast().bytes;
            whole = false;
        }
    }

    int size() {
        return rows.size();
    }

    /** Whether no row was left out. */
    boolean isWhole() {
        return whole;
    }

    /**
     * The rows for each of so many tasks. Whatever part of its rows a task comes to, from the first one on, they are cheap and dear ones
     * as all are: it has every so manyth row in the order of costs, and takes them in the order of a van der Corput sequence.
     */
    List<List<Row>> dealt(int tasks) {
        List<Sampled> byCost = new ArrayList<>(rows);
        byCost.sort(Comparator.comparingLong(Sampled::cost));
        List<List<Row>> dealt = new ArrayList<>();
        for (int task = 0; task < tasks; task++) {
            List<Row> own = new ArrayList<>();
            for (int i = task; i < byCost.size(); i += tasks) {
                own.add(byCost.get(i).row);
            }
            dealt.add(spread(own));
        }
        return dealt;
    }

    private static List<Row> spread(List<Row> sorted) {
        int bits = 32 - Integer.numberOfLeadingZeros(Math.max(1, sorted.size() - 1));
        List<Row> spread = new ArrayList<>();
        for (int i = 0; i < 1 << bits; i++) {
            int place = Integer.reverse(i) >>> (32 - bits);
            if (place < sorted.size()) {
                spread.add(sorted.get(place));
            }
        }
        return spread;
    }
}
