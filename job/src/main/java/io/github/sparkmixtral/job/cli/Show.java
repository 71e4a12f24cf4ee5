package io.github.sparkmixtral.job.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.ShowOptions;
import io.github.sparkmixtral.job.output.Report;
import io.github.sparkmixtral.job.output.StoredOutput;
import io.github.sparkmixtral.job.output.StoredOutput.Selection;
import io.github.sparkmixtral.job.output.StoredRow;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import org.apache.hadoop.conf.Configuration;

/**
 * Prints what an output holds: its state, the report of the last run, errors, and rows.
 *
 * @param columns of a line of the sample, the rest of which is left out
 */
record Show(ShowOptions options, Configuration configuration, int columns, PrintWriter out) {
    /** An id that is longer moves its line's other columns. */
    private static final int LONGEST_ID = 40;

    private static final String GAP = "  ";

    /** @throws JobException with exit code 2 if there is nothing to show */
    void run() throws IOException {
        StoredOutput output = StoredOutput.open(options.location(), configuration);
        if (options.id().isPresent()) {
            showRow(output, options.id().get());
            return;
        }
        showState(output);
        if (output.table().isEmpty()) {
            showErrors(output);
            showSample(output);
        }
        out.flush();
    }

    private void showRow(StoredOutput output, String id) throws IOException {
        List<StoredRow> rows = output.rowsOf(id);
        if (rows.isEmpty()) {
            throw JobException.usage("no row of " + output.shown() + " has the id " + id
                    + (output.isComplete() ? "" : "; the output is unfinished"));
        }
        for (StoredRow row : rows) {
            out.println(new JsonMapper().writerWithDefaultPrettyPrinter().writeValueAsString(row.content()));
        }
        out.flush();
    }

    private void showState(StoredOutput output) throws IOException {
        OptionalLong wanted = output.wantedRows();
        long rows = output.rows();
        String of = wanted.isEmpty() || wanted.getAsLong() == rows
                ? ""
                : String.format(Locale.ROOT, " of %,d", wanted.getAsLong());
        JsonNode manifest = output.manifest();
        String state = output.isComplete() || !output.table().isEmpty()
                ? "complete"
                : manifest.path("status").asText().equals("too_many_errors")
                        ? "all rows are there, but too many have errors"
                        : "unfinished; the command that began it goes on";
        String place = output.table().isEmpty()
                ? String.format(Locale.ROOT, "in %,d %s", output.files(), output.files() == 1 ? "file" : "files")
                : "in the table " + output.table();
        out.printf(Locale.ROOT, "%s: %,d%s rows %s, %s%n", output.shown(), rows, of, place, state);
        if (!manifest.isMissingNode()) {
            out.println(new Report(manifest).text());
        }
    }

    private void showErrors(StoredOutput output) throws IOException {
        List<String[]> lines = new ArrayList<>();
        output.failures()
                .forEach((code, failure) -> lines.add(new String[] {
                    String.format(Locale.ROOT, "%,d", failure.rows()), code, failure.id() + ": " + failure.message()
                }));
        if (!lines.isEmpty()) {
            out.printf("%nErrors, each with one of its rows%n");
            print(lines);
        }
    }

    private void showSample(StoredOutput output) throws IOException {
        if (options.rows() == 0) {
            return;
        }
        List<String[]> lines = new ArrayList<>();
        output.read(options.failedOnly() ? Selection.FAILED : Selection.ALL, row -> {
            lines.add(
                    row.failed()
                            ? new String[] {row.id(), row.errorCode(), row.errorMessage()}
                            : new String[] {row.id(), row.finishReason(), row.text()});
            return lines.size() < options.rows();
        });
        if (lines.isEmpty()) {
            out.printf("%n%s%n", options.failedOnly() ? "No row has an error" : "No row is answered yet");
            return;
        }
        out.printf("%n%s%n", options.failedOnly() ? "Rows with errors" : "Rows");
        print(lines);
    }

    /** Three columns, each line in one line of the terminal. */
    private void print(List<String[]> lines) {
        int first = width(lines, 0, LONGEST_ID);
        int second = width(lines, 1, LONGEST_ID);
        for (String[] line : lines) {
            String text = GAP + padded(line[0], first) + GAP + padded(line[1], second) + GAP + oneLine(line[2]);
            out.println(cut(text.stripTrailing()));
        }
    }

    private static int width(List<String[]> lines, int column, int most) {
        return lines.stream()
                .mapToInt(line -> Math.min(most, oneLine(line[column]).length()))
                .max()
                .orElse(0);
    }

    private static String padded(String text, int width) {
        String line = oneLine(text);
        return line + " ".repeat(Math.max(0, width - line.length()));
    }

    /** As JSON writes it: nothing in it moves the cursor. */
    private static String oneLine(String text) {
        StringBuilder line = new StringBuilder();
        text.codePoints().forEach(character -> {
            switch (character) {
                case '\n' -> line.append("\\n");
                case '\r' -> line.append("\\r");
                case '\t' -> line.append("\\t");
                default -> {
                    if (Character.isISOControl(character)) {
                        line.append(String.format("\\u%04x", character));
                    } else {
                        line.appendCodePoint(character);
                    }
                }
            }
        });
        return line.toString();
    }

    private String cut(String line) {
        if (line.codePointCount(0, line.length()) <= columns) {
            return line;
        }
        return line.substring(0, line.offsetByCodePoints(0, columns - 1)) + "…";
    }
}
