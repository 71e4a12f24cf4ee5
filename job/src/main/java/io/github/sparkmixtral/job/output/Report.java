package io.github.sparkmixtral.job.output;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.LongSummaryStatistics;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * What a manifest says, for people: one line for each matter, each with its name before it.
 *
 * @param manifest the contents of {@code _manifest.json}
 */
public record Report(JsonNode manifest) {
    /** The manifest has more. */
    private static final int SLOWEST = 3;

    private static final int MARGIN = 10;

    /** Several lines, all of them indented, without an end of line after the last one. */
    public String text() {
        List<String> lines = new ArrayList<>();
        add(lines, "rows", rows(), details());
        add(lines, "errors", errors());
        add(lines, "tokens", tokens());
        add(lines, "run", run(), predicted());
        add(lines, "cost", cost());
        add(lines, "per row", perRow());
        add(lines, "slowest", slowest().toArray(String[]::new));
        add(lines, "experts", experts());
        return String.join("\n", lines);
    }

    /** @param texts a line for each; empty ones are left out */
    private static void add(List<String> lines, String name, String... texts) {
        String before = name;
        for (String text : texts) {
            if (!text.isEmpty()) {
                lines.add("  " + before + " ".repeat(MARGIN - before.length()) + text);
                before = "";
            }
        }
    }

    private String rows() {
        long failed = number("/rows/failed");
        long rows = number("/rows/total");
        long wanted = number("/request_count");
        return format("%,d", rows)
                + (wanted > rows ? format(" of %,d", wanted) : "")
                + format(": %,d answered", number("/rows/answered"))
                + (failed == 0 ? ", none with an error" : format(", %,d with errors", failed));
    }

    private String details() {
        List<String> details = new ArrayList<>();
        addCount(details, number("/rows/finish_reasons/length"), "cut at max_tokens");
        addCount(details, number("/rows/resumed"), "answered before");
        addCount(details, number("/rows/copied"), "with an equal row's answer");
        return String.join(", ", details);
    }

    private static void addCount(List<String> details, long count, String what) {
        if (count > 0) {
            details.add(format("%,d %s", count, what));
        }
    }

    private String errors() {
        return manifest.at("/rows/errors").properties().stream()
                .sorted(Map.Entry.comparingByValue((a, b) -> Long.compare(b.asLong(), a.asLong())))
                .map(error -> format("%,d %s", error.getValue().asLong(), error.getKey()))
                .collect(Collectors.joining(", "));
    }

    private String tokens() {
        long prompt = number("/tokens/prompt");
        return format("%,d in", prompt)
                + (prompt == 0 ? "" : format(" (%.0f%% from the cache)", 100 * value("/tokens/cache_hit_rate")))
                + format(", %,d out", number("/tokens/completion"));
    }

    private String run() {
        return format(
                "%s: %,d rows, %,.1f rows/s, %,.1f tokens/s",
                seconds(value("/time/seconds")),
                number("/time/rows"),
                value("/time/rows_per_second"),
                value("/time/completion_tokens_per_second"));
    }

    /** Nothing for a run that no dry run was before. */
    private String predicted() {
        return manifest.has("prediction")
                ? "the dry run has predicted " + seconds(value("/prediction/predicted_seconds"))
                : "";
    }

    /** Nothing if no price is known. */
    private String cost() {
        return manifest.has("cost")
                ? format(
                        "%,.2f: %,.3f hours of executors at %s",
                        value("/cost/total"),
                        value("/cost/executor_hours"),
                        manifest.at("/cost/price_per_hour").asText())
                : "";
    }

    /** Nothing for a run that answered no row. */
    private String perRow() {
        double most = value("/time/seconds_per_row_p95");
        return most == 0
                ? ""
                : "half of them within " + seconds(value("/time/seconds_per_row_p50")) + ", 95% within "
                        + seconds(most);
    }

    private List<String> slowest() {
        List<String> rows = new ArrayList<>();
        for (JsonNode row : manifest.path("slowest_rows")) {
            if (rows.size() < SLOWEST) {
                rows.add(format(
                        "%s: %s, %,d tokens in, %,d out",
                        row.path("custom_id").asText(),
                        seconds(row.path("seconds").asDouble()),
                        row.path("prompt_tokens").asLong(),
                        row.path("completion_tokens").asLong()));
            }
        }
        return rows;
    }

    /** How far the experts' loads are from even; nothing if no backend has counted. */
    private String experts() {
        double sum = 0;
        double most = 0;
        int worst = 0;
        int layers = 0;
        for (JsonNode layer : manifest.path("expert_tokens")) {
            LongSummaryStatistics tokens = StreamSupport.stream(layer.spliterator(), false)
                    .mapToLong(JsonNode::asLong)
                    .summaryStatistics();
            double load = tokens.getSum() == 0 ? 1 : tokens.getMax() / tokens.getAverage();
            if (load > most) {
                most = load;
                worst = layers;
            }
            sum += load;
            layers++;
        }
        return layers == 0
                ? ""
                : format(
                        "the busiest of a layer has %.1f times the mean load, %.1f times in layer %d",
                        sum / layers, most, worst);
    }

    private static String seconds(double seconds) {
        long whole = Math.round(seconds);
        return whole < 100
                ? format("%.1f s", seconds)
                : whole < 3600
                        ? format("%d min %d s", whole / 60, whole % 60)
                        : format("%d h %d min", whole / 3600, whole % 3600 / 60);
    }

    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }

    private long number(String pointer) {
        return manifest.at(pointer).asLong();
    }

    private double value(String pointer) {
        return manifest.at(pointer).asDouble();
    }
}
