package io.github.sparkmixtral.job.estimate;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.input.Input;
import io.github.sparkmixtral.job.input.PromptRow;
import io.github.sparkmixtral.service.RequestSizes.Size;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.sql.Row;

/** What rows ask for, counted; the counts of several tasks make one. Its size hardly depends on the number of rows. */
public final class CheckedRows implements Serializable {
    private static final long serialVersionUID = 1L;

    private final SortedMap<String, Failures> failures = new TreeMap<>();
    private final TreeMap<Integer, Long> byPromptTokens = new TreeMap<>();
    private final Sample sample;
    private long rows;
    private long mostGenerated;
    private EngineMemory memory;

    /**
     * A row that fails.
     *
     * @param file URI; empty for a table
     * @param position in the file; 0 for a table
     * @param id null for a row that has none
     */
    public record Failure(String file, long position, String id, String message) implements Serializable {
        private static final Comparator<Failure> IN_ORDER = Comparator.comparing(Failure::file)
                .thenComparingLong(Failure::position)
                .thenComparing(failure -> String.valueOf(failure.id));
    }

    /** The rows that fail for one reason. */
    public static final class Failures implements Serializable {
        private static final long serialVersionUID = 1L;

        /** Rows that are named. */
        private static final int NAMED = 10;

        private final List<Failure> first = new ArrayList<>();
        private long rows;

        public long rows() {
            return rows;
        }

        /** The first ones in the order of the input. */
        public List<Failure> first() {
            return Collections.unmodifiableList(first);
        }

        private void add(long more, List<Failure> named) {
            rows += more;
            first.addAll(named);
            first.sort(Failure.IN_ORDER);
            if (first.size() > NAMED) {
                first.subList(NAMED, first.size()).clear();
            }
        }
    }

    /**
     * Of no row.
     *
     * @param mostSampled rows that the sample may have
     * @param memory that an engine takes where rows are counted
     */
    CheckedRows(int mostSampled, EngineMemory memory) {
        this.sample = new Sample(mostSampled);
        this.memory = memory;
    }

    void add(Row row, PromptRow prompt, Size size) {
        rows++;
        if (size.error() != null) {
            failures.computeIfAbsent(size.error().code(), _ -> new Failures())
                    .add(1, List.of(failure(row, prompt, size.error())));
            return;
        }
        byPromptTokens.merge(size.promptTokens(), 1L, Long::sum);
        mostGenerated += size.mostGenerated();
        sample.add(prompt.id(), size.promptTokens() + size.mostGenerated(), bytes(row, size), row);
    }

    private static Failure failure(Row row, PromptRow prompt, RequestError error) {
        int file = row.fieldIndex(Input.FILE);
        int position = row.fieldIndex(Input.POSITION);
        boolean located = prompt.location().isEmpty() || error.message().startsWith(prompt.location());
        return new Failure(
                row.isNullAt(file) ? "" : row.getString(file),
                row.isNullAt(position) ? 0 : row.getLong(position),
                prompt.id(),
                located ? error.message() : prompt.location() + ": " + error.message());
    }

    private static long bytes(Row row, Size size) {
        scala.Option<Object> line = row.schema().getFieldIndex(Input.LINE);
        // A token of text is some four bytes long.
        return line.isDefined() ? ((byte[]) row.get((Integer) line.get())).length : 4L * size.promptTokens();
    }

    /** These rows and those. */
    CheckedRows plus(CheckedRows other) {
        other.failures.forEach((code, more) ->
                failures.computeIfAbsent(code, _ -> new Failures()).add(more.rows, more.first));
        other.byPromptTokens.forEach((tokens, count) -> byPromptTokens.merge(tokens, count, Long::sum));
        sample.add(other.sample);
        rows += other.rows;
        mostGenerated += other.mostGenerated;
        memory = memory.worse(other.memory);
        return this;
    }

    public long rows() {
        return rows;
    }

    /** By the codes of their errors. */
    public SortedMap<String, Failures> failures() {
        return Collections.unmodifiableSortedMap(failures);
    }

    /** Rows that the engine is asked. */
    public long askable() {
        return rows - failures.values().stream().mapToLong(Failures::rows).sum();
    }

    /** How many of those rows have how many prompt tokens. */
    public SortedMap<Integer, Long> byPromptTokens() {
        return Collections.unmodifiableSortedMap(byPromptTokens);
    }

    public long promptTokens() {
        return byPromptTokens.entrySet().stream()
                .mapToLong(entry -> entry.getKey() * entry.getValue())
                .sum();
    }

    /** Tokens that all of their answers together may have. */
    long mostGenerated() {
        return mostGenerated;
    }

    /** What an engine takes where there is least for it. */
    public EngineMemory memory() {
        return memory;
    }

    Sample sample() {
        return sample;
    }

    /** Prompt tokens that a share of the rows does not exceed; 0 without rows. */
    public int promptTokens(double share) {
        long wanted = (long) Math.ceil(askable() * share);
        long seen = 0;
        for (var entry : byPromptTokens.entrySet()) {
            seen += entry.getValue();
            if (seen >= wanted) {
                return entry.getKey();
            }
        }
        return 0;
    }
}
