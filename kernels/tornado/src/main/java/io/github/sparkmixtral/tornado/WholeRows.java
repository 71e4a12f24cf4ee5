package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.AllLogits;
import io.github.sparkmixtral.engine.Logits;
import io.github.sparkmixtral.engine.MixedLogits;
import io.github.sparkmixtral.engine.TopLogits;
import java.util.Arrays;

/** The rows of a step of which every logit is fetched, as it turns out which they are. Keeps its memory for the next step. */
final class WholeRows {

    private final int vocabulary;
    private int[] rows = {};

    /** {@code [rows, vocabulary]}; may be longer. */
    private float[] logits = {};

    WholeRows(int vocabulary) {
        this.vocabulary = vocabulary;
    }

    /** Forgets those of the last step. */
    void clear() {
        rows = new int[0];
    }

    /**
     * Fetches rows of those whose logits were computed last, neighbours in one go.
     *
     * @param more ascending, and above all that are here
     * @param first number of the first row that was computed
     */
    void add(int[] more, int first, DecoderPlan plan) {
        int at = rows.length;
        rows = Arrays.copyOf(rows, at + more.length);
        System.arraycopy(more, 0, rows, at, more.length);
        int size = Math.multiplyExact(rows.length, vocabulary);
        if (logits.length < size) {
            logits = Arrays.copyOf(logits, size);
        }
        while (at < rows.length) {
            int end = at + 1;
            while (end < rows.length && rows[end] == rows[end - 1] + 1) {
                end++;
            }
            plan.copy(rows[at] - first, rows[end - 1] + 1 - first, logits, at);
            at = end;
        }
    }

    /** All that is known of a step's logits. */
    Logits beside(TopLogits best) {
        return rows.length == 0 ? best : new MixedLogits(best, rows, new AllLogits(vocabulary, logits));
    }
}
