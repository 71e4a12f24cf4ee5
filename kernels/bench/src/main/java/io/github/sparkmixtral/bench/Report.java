package io.github.sparkmixtral.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Sets figures of EngineBench beside those of other engines, as Markdown tables: medians of the rounds, and their ratios.
 *
 * <p>Ours are JSON lines in files named {@code steps-WEIGHTS-ROUND.jsonl} and {@code job-WEIGHTS-ROUND.jsonl}; others' are lines
 * with {@code peer}, {@code kind} (how its weights are stored) and some of {@code prefill_tps}, {@code decode_tps} and
 * {@code job_new_tps}, one for each round.
 */
final class Report {

    private static final String OURS = "spark-mixtral";
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** What is compared; a job whose prompts share a prefix is held to the others' job as it is. */
    private enum Column {
        PREFILL("prompt, tokens/s", "prefill_tps"),
        DECODE("decode at batch 1, tokens/s", "decode_tps"),
        JOB("job, new tokens/s", "job_new_tps"),
        SHARED_JOB("job with a shared prefix, new tokens/s", "job_new_tps");

        private final String title;
        private final String peerField;

        Column(String title, String peerField) {
            this.title = title;
            this.peerField = peerField;
        }
    }

    /** An engine with weights of one format: what each round gave. */
    private record Row(
            String engine, String weights, Map<Column, List<Double>> values, Map<Column, List<Double>> shares) {

        Row(String engine, String weights) {
            this(engine, weights, new EnumMap<>(Column.class), new EnumMap<>(Column.class));
        }

        void add(Column column, double value) {
            values.computeIfAbsent(column, _ -> new ArrayList<>()).add(value);
        }

        Optional<Double> value(Column column) {
            return median(values.get(column));
        }

        String cell(Column column) {
            String share = median(shares.get(column))
                    .map(s -> String.format(Locale.ROOT, " (%.0f %%)", 100 * s))
                    .orElse("");
            return value(column)
                    .map(v -> String.format(Locale.ROOT, "%.1f", v) + share)
                    .orElse("");
        }
    }

    private final Map<String, Row> ours = new TreeMap<>();
    private final Map<List<String>, Row> peers = new LinkedHashMap<>();
    private final Map<Integer, List<JsonNode>> limits = new TreeMap<>();

    private Report() {}

    /** Prints the tables of a folder of figures. Arguments: the folder and, if there is one, the file of the others' lines. */
    public static void main(String[] arguments) throws IOException {
        Path peers = arguments.length > 1 ? Path.of(arguments[1]) : null;
        System.out.print(of(Path.of(arguments[0]), peers));
    }

    /** The tables. */
    static String of(Path folder, Path peers) throws IOException {
        Report report = new Report();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.sorted().toList()) {
                String[] name = file.getFileName().toString().split("[-.]");
                if (name.length == 4 && (name[0].equals("steps") || name[0].equals("job")) && name[3].equals("jsonl")) {
                    report.readOurs(file, name[1]);
                }
            }
        }
        if (peers != null) {
            report.readPeers(peers);
        }
        return report.limitTable()
                + report.table()
                + report.ratios()
                + scaling(folder.resolve("threads.jsonl"))
                + growth(folder.resolve("contexts.jsonl"));
    }

    private void readOurs(Path file, String weights) throws IOException {
        Row row = ours.computeIfAbsent(weights, _ -> new Row(OURS, weights));
        for (String line : Files.readAllLines(file)) {
            JsonNode figure = MAPPER.readTree(line);
            switch (figure.path("kind").asText()) {
                case "limit" ->
                    limits.computeIfAbsent(figure.get("threads").asInt(), _ -> new ArrayList<>())
                            .add(figure);
                case "step" -> {
                    boolean prefill = figure.get("what").asText().equals("PREFILL");
                    Column column = prefill ? Column.PREFILL : Column.DECODE;
                    row.add(column, figure.get("tokensPerSecond").asDouble());
                    JsonNode share = figure.get(prefill ? "shareOfFlops" : "shareOfBytes");
                    if (share != null) {
                        row.shares
                                .computeIfAbsent(column, _ -> new ArrayList<>())
                                .add(share.asDouble());
                    }
                }
                case "job" ->
                    row.add(
                            figure.get("job").get("sharedPrefix").asInt() > 0 ? Column.SHARED_JOB : Column.JOB,
                            figure.get("newTokensPerSecond").get("median").asDouble());
                default -> throw new IllegalArgumentException(file + " has a line of another kind: " + line);
            }
        }
    }

    private void readPeers(Path file) throws IOException {
        for (String line : Files.readAllLines(file)) {
            if (!line.startsWith("{")) {
                continue;
            }
            JsonNode figure = MAPPER.readTree(line);
            String engine = figure.path("peer").asText();
            String weights = figure.path("kind").asText();
            Row row = peers.computeIfAbsent(List.of(engine, weights), _ -> new Row(engine, weights));
            for (Column column : Column.values()) {
                if (column != Column.SHARED_JOB && figure.has(column.peerField)) {
                    row.add(column, figure.get(column.peerField).asDouble());
                }
            }
        }
    }

    private String limitTable() {
        StringBuilder table = new StringBuilder();
        limits.forEach((threads, rounds) -> table.append(String.format(
                Locale.ROOT,
                "This machine's limits with %d thread%s, median: reads %.1f GB/s, multiplies and adds %.1f GFLOP/s.%n",
                threads,
                threads == 1 ? "" : "s",
                limit(rounds, "bytesPerSecond"),
                limit(rounds, "flopsPerSecond"))));
        return table + "\n";
    }

    private static double limit(List<JsonNode> rounds, String field) {
        return Range.ofRates(rounds.stream()
                                .map(round -> round.get(field).get("median").asDouble())
                                .toList())
                        .median()
                / 1e9;
    }

    private String table() {
        StringBuilder table = new StringBuilder("| engine | weights |");
        for (Column column : Column.values()) {
            table.append(' ').append(column.title);
            switch (column) {
                case PREFILL -> table.append(" (of the multiply-add peak)");
                case DECODE -> table.append(" (of the read bandwidth)");
                case JOB, SHARED_JOB -> {}
            }
            table.append(" |");
        }
        table.append("\n|---|---|---:|---:|---:|---:|\n");
        Stream.concat(ours.values().stream(), peers.values().stream())
                .forEach(row -> table.append(line(
                        row.engine + " | " + row.weights,
                        Stream.of(Column.values()).map(row::cell).toList())));
        return table + "\n";
    }

    private String ratios() {
        if (peers.isEmpty()) {
            return "";
        }
        StringBuilder table = new StringBuilder("| ours against |");
        Stream.of(Column.values())
                .forEach(column -> table.append(' ').append(column.title).append(" |"));
        table.append("\n|---|---:|---:|---:|---:|\n");
        table.append(line(
                "the best of all, each in its best format",
                Stream.of(Column.values())
                        .map(column -> ratio(best(ours, column), best(peers, peerColumn(column))))
                        .toList()));
        for (Row peer : peers.values()) {
            Row same = ours.get(peer.weights);
            if (same != null) {
                table.append(line(
                        peer.engine + ", both " + peer.weights,
                        Stream.of(Column.values())
                                .map(column -> ratio(same.value(column), peer.value(peerColumn(column))))
                                .toList()));
            }
        }
        return table + "\n";
    }

    /** Of prompts with several threads, where they were measured. */
    private static String scaling(Path file) throws IOException {
        List<JsonNode> steps = steps(file, "threads");
        return steps.size() < 2
                ? ""
                : String.format(
                        Locale.ROOT,
                        "Prompts with %d threads instead of %d: %.2f x the tokens/s.%n%n",
                        steps.getLast().get("threads").asInt(),
                        steps.getFirst().get("threads").asInt(),
                        steps.getLast().get("tokensPerSecond").asDouble()
                                / steps.getFirst().get("tokensPerSecond").asDouble());
    }

    /** Of the time per token with the context, where it was measured. */
    private static String growth(Path file) throws IOException {
        List<JsonNode> steps = steps(file, "context");
        return steps.size() < 2
                ? ""
                : String.format(
                        Locale.ROOT,
                        "Decoding at a context of %d tokens instead of %d: %.2f x the time per token.%n%n",
                        steps.getLast().get("context").asInt(),
                        steps.getFirst().get("context").asInt(),
                        steps.getLast().get("seconds").asDouble()
                                / steps.getFirst().get("seconds").asDouble());
    }

    /** The steps of a file, by a field; none where it is not there. */
    private static List<JsonNode> steps(Path file, String field) throws IOException {
        List<JsonNode> steps = new ArrayList<>();
        for (String line : Files.exists(file) ? Files.readAllLines(file) : List.<String>of()) {
            JsonNode figure = MAPPER.readTree(line);
            if (figure.path("kind").asText().equals("step")) {
                steps.add(figure);
            }
        }
        steps.sort(Comparator.comparingInt(step -> step.get(field).asInt()));
        return steps;
    }

    private static Column peerColumn(Column column) {
        return column == Column.SHARED_JOB ? Column.JOB : column;
    }

    private static Optional<Double> best(Map<?, Row> rows, Column column) {
        return rows.values().stream()
                .map(row -> row.value(column))
                .flatMap(Optional::stream)
                .max(Double::compare);
    }

    private static String ratio(Optional<Double> ours, Optional<Double> theirs) {
        return ours.flatMap(o -> theirs.map(t -> String.format(Locale.ROOT, "%.2f x", o / t)))
                .orElse("");
    }

    private static String line(String head, List<String> cells) {
        return "| " + head + " | " + String.join(" | ", cells) + " |\n";
    }

    private static Optional<Double> median(List<Double> values) {
        return values == null || values.isEmpty()
                ? Optional.empty()
                : Optional.of(Range.ofRates(values).median());
    }
}
