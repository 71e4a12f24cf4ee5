package io.github.sparkmixtral.job.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How far a run is.
 *
 * @param done by all of its tasks
 * @param totalRows to answer
 * @param stage what is done as long as no row is answered
 * @param seconds since the first engine was ready, or since the run has begun if none is
 */
record Progress(ProgressReporter.Done done, long totalRows, String stage, double seconds) {
    private static final int LEAST_BAR = 10;
    private static final int MOST_BAR = 40;

    /** Answered rows from which the time left is told: rows of a task are answered in their order, the first one late. */
    private static final long ENOUGH_ROWS = 100;

    boolean hasBegun() {
        return done.rows() > 0;
    }

    /** For a log. */
    String line() {
        return hasBegun() ? rows() + ", " + String.join(", ", figures()) : waiting();
    }

    /** For a status line: as many figures as there is room for, and a bar in what is left. */
    String bar(int columns) {
        if (!hasBegun()) {
            return waiting();
        }
        List<String> figures = figures();
        while (!figures.isEmpty() && length(figures) + 1 + LEAST_BAR + 2 > columns) {
            figures.removeLast();
        }
        int room = Math.min(columns - length(figures) - 3, MOST_BAR);
        String bar = room < LEAST_BAR ? "" : " [" + drawn(room) + "]";
        return rows() + bar + (figures.isEmpty() ? "" : " " + String.join(", ", figures));
    }

    private int length(List<String> figures) {
        return rows().length()
                + (figures.isEmpty() ? 0 : 1 + String.join(", ", figures).length());
    }

    private String drawn(int width) {
        int full = (int) (width * Math.min(done.rows(), totalRows) / totalRows);
        return "=".repeat(full) + (full < width ? ">" + " ".repeat(width - full - 1) : "");
    }

    private String waiting() {
        return String.format(Locale.ROOT, "0 of %,d rows: %s, %s", totalRows, stage, duration(seconds));
    }

    private String rows() {
        // Rounded down: 100 % is for all rows.
        return String.format(
                Locale.ROOT, "%,d of %,d rows (%d%%)", done.rows(), totalRows, 100 * done.rows() / totalRows);
    }

    /** The most wanted first. */
    private List<String> figures() {
        List<String> figures = new ArrayList<>();
        if (done.rows() >= Math.min(ENOUGH_ROWS, Math.ceilDiv(totalRows, 10))) {
            double left = seconds / done.rows() * (totalRows - done.rows());
            figures.add("about " + duration(left) + " left");
        }
        if (done.errors() > 0) {
            figures.add(String.format(Locale.ROOT, "%,d with errors", done.errors()));
        }
        figures.add(String.format(Locale.ROOT, "%,.1f tokens/s", done.completionTokens() / seconds));
        if (done.promptTokens() > 0) {
            figures.add(String.format(
                    Locale.ROOT, "%d%% of prompts cached", 100 * done.cachedTokens() / done.promptTokens()));
        }
        return figures;
    }

    static String duration(double seconds) {
        long rounded = Math.round(seconds);
        if (rounded < 90) {
            return rounded + " s";
        }
        return rounded < 5400
                ? Math.round(seconds / 60) + " min"
                : String.format(Locale.ROOT, "%.1f h", seconds / 3600);
    }
}
