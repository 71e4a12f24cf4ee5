package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.estimate.CheckedRows;
import io.github.sparkmixtral.job.estimate.CheckedRows.Failure;
import io.github.sparkmixtral.job.estimate.CheckedRows.Failures;
import io.github.sparkmixtral.job.estimate.DryRun;
import io.github.sparkmixtral.job.estimate.EngineMemory;
import io.github.sparkmixtral.job.estimate.Prediction;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.job.options.OptionValues;
import io.github.sparkmixtral.job.options.OutputMode;
import io.github.sparkmixtral.job.output.Forecast;
import io.github.sparkmixtral.job.output.JobOutput;
import io.github.sparkmixtral.model.ModelDescription;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a dry run has found, as text.
 *
 * @param inputRows rows of the whole input
 */
record DryRunReport(JobOptions options, ModelDescription model, long inputRows, JobOutput output, DryRun run) {
    /** Of the histogram's longest bar. */
    private static final int WIDTH = 40;

    /** Of one error's message. */
    private static final int MESSAGE = 160;

    /** Prints all of it, and keeps the prediction. */
    void print(PrintWriter out) throws IOException {
        lines().forEach(out::println);
        if (run.prediction().isPresent()) {
            Prediction prediction = run.prediction().get();
            Forecast forecast = new Forecast(
                    Instant.now(),
                    output.rowsToAnswer(),
                    run.cluster().executors(),
                    prediction.seconds(),
                    prediction.interval().low(),
                    prediction.interval().high());
            try {
                output.keep(forecast).ifPresent(file -> out.println(line("kept", "in " + file)));
            } catch (IOException e) {
                out.println(line("kept", "not, so that no run is compared with it: " + e));
            }
        }
        out.flush();
    }

    private static String line(String label, String text) {
        return String.format(Locale.ROOT, "%-12s%s", label, text);
    }

    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }

    List<String> lines() throws IOException {
        List<String> lines = new ArrayList<>();
        lines.add(line(
                "model",
                format(
                        "%s: %,.1f million parameters, %s",
                        options.generation().engine().modelName(), model.parameters() / 1e6, model.format())));
        lines.add(line("output", target()));
        lines.add(line(
                "rows",
                format(
                        "%,d, of them %,d to answer in %,d %s",
                        inputRows, output.rowsToAnswer(), output.tasks(), output.tasks() == 1 ? "chunk" : "chunks")));
        failures(lines);
        tokens(lines);
        lines.add(line("memory", memory()));
        run.prediction()
                .ifPresentOrElse(
                        prediction -> predicted(lines, prediction),
                        () -> lines.add(line(
                                "time",
                                run.rows().askable() == 0
                                        ? "no row would be answered"
                                        : "not estimated, for --calibration-seconds is 0")));
        return lines;
    }

    private String target() throws IOException {
        String existing = output.existing();
        if (existing.isEmpty()) {
            return output.shown() + " is not there yet";
        }
        return output.shown() + " " + existing
                + (options.output().mode() == OutputMode.OVERWRITE
                        ? ", and would be replaced"
                        : format(", and holds %,d of the rows", inputRows - output.rowsToAnswer()));
    }

    private void failures(List<String> lines) {
        SortedMap<String, Failures> failures = run.rows().failures();
        long failed = run.rows().rows() - run.rows().askable();
        lines.add(line("would fail", format("%,d rows", failed)));
        failures.forEach((code, of) -> {
            lines.add(format("  %-26s%,8d  %s", code, of.rows(), ids(of)));
            String message = of.first().getFirst().message();
            lines.add("    " + (message.length() <= MESSAGE ? message : message.substring(0, MESSAGE) + "…"));
        });
        long rows = run.rows().rows();
        if (rows > 0 && (failed == rows || (double) failed / rows > options.toleratedErrorRatio())) {
            lines.add("  These are too many: the run would end with exit code 5.");
        }
    }

    private static String ids(Failures failures) {
        List<String> ids = new ArrayList<>();
        for (Failure failure : failures.first()) {
            ids.add(failure.id() == null ? "(no id)" : failure.id());
        }
        return String.join(", ", ids) + (failures.rows() > ids.size() ? ", …" : "");
    }

    private void tokens(List<String> lines) {
        CheckedRows rows = run.rows();
        if (rows.askable() == 0) {
            return;
        }
        lines.add(line(
                "prompts",
                format(
                        "%,d tokens in %,d rows%s",
                        rows.promptTokens(),
                        rows.askable(),
                        options.generation().columns().hasContexts()
                                ? ", without the passages that are found when they are answered"
                                : "")));
        lines.add(format(
                "  half of the rows have %,d at most, 90 %% have %,d, 99 %% have %,d, the longest has %,d",
                rows.promptTokens(0.5), rows.promptTokens(0.9), rows.promptTokens(0.99), rows.promptTokens(1)));
        histogram(rows.byPromptTokens()).forEach(bar -> lines.add("  " + bar));
    }

    /** Classes up to powers of two. */
    static List<String> histogram(SortedMap<Integer, Long> byTokens) {
        TreeMap<Integer, Long> classes = new TreeMap<>();
        byTokens.forEach((tokens, rows) ->
                classes.merge(tokens <= 1 ? 0 : 32 - Integer.numberOfLeadingZeros(tokens - 1), rows, Long::sum));
        long most = classes.values().stream().mapToLong(Long::longValue).max().orElse(1);
        List<String> bars = new ArrayList<>();
        for (int power = classes.firstKey(); power <= classes.lastKey(); power++) {
            long rows = classes.getOrDefault(power, 0L);
            int length = (int) Math.ceilDiv(WIDTH * rows, most);
            bars.add(format("up to %,7d  %,12d  %s", 1 << power, rows, "#".repeat(length))
                    .stripTrailing());
        }
        return bars;
    }

    private String memory() {
        EngineMemory memory = run.rows().memory();
        if (!memory.refusal().isEmpty()) {
            return "too little for an executor: " + memory.refusal();
        }
        if (!memory.shared()) {
            return "not planned by the backend " + memory.backend();
        }
        return format(
                "an executor takes %s on the backend %s, where %s are free: weights %s, keys and values of %,d tokens %s",
                size(memory.bytes()),
                memory.backend(),
                size(memory.free()),
                size(memory.weights()),
                memory.cacheTokens(),
                size(memory.cache()));
    }

    private static String size(long bytes) {
        return bytes < 1L << 30 ? format("%,.0f MiB", bytes / 0x1p20) : format("%,.1f GiB", bytes / 0x1p30);
    }

    private void predicted(List<String> lines, Prediction prediction) {
        lines.add(line(
                "measured",
                format(
                        "%,d rows in %.1f s on %,d of %,d executors, %,d tasks at once in all; the model was there after %.1f s",
                        prediction.answers(),
                        prediction.measuredSeconds(),
                        prediction.executors(),
                        run.cluster().executors(),
                        run.cluster().tasks(),
                        prediction.loadSeconds())));
        lines.add(format(
                "  all executors: %,.0f prompt tokens/s and %,.0f generated tokens/s at the same time",
                prediction.promptRate(), prediction.generatedRate()));
        if (prediction.cost().promptToken() > 0) {
            lines.add(format(
                    "  one executor: %,.0f tokens/s where it only reads prompts, %,.0f tokens/s where it only generates",
                    1 / prediction.cost().promptToken(), 1 / prediction.cost().generatedToken()));
        }
        if (options.generation().defaults().task().generates()) {
            lines.add(line(
                    "answers",
                    format(
                            "%s tokens a row expected (%s to %s)%s",
                            tokens(prediction.answerLength().mean()),
                            tokens(prediction.answerLength().interval().low()),
                            tokens(prediction.answerLength().interval().high()),
                            prediction.answers() > 0
                                    ? ""
                                    : ": none was complete in that time, so that they are taken to be as long as they may be; give"
                                            + " --calibration-seconds more")));
        }
        Prediction.Range interval = prediction.interval();
        lines.add(line(
                "time",
                format(
                        "about %s (%s to %s)%s",
                        seconds(prediction.seconds()),
                        seconds(interval.low()),
                        seconds(interval.high()),
                        prediction.isMeasured()
                                ? format(
                                        ", of which the rows take %s: all of them were answered",
                                        seconds(prediction.measuredSeconds()))
                                : "")));
        options.estimate().pricePerHour().ifPresent(price -> {
            double each = price * run.cluster().executors() / 3600;
            lines.add(line(
                    "cost",
                    format(
                            "about %s (%s to %s): %s an hour for the machine of each of %,d executors",
                            money(each * prediction.seconds()),
                            money(each * interval.low()),
                            money(each * interval.high()),
                            OptionValues.text(price),
                            run.cluster().executors())));
        });
    }

    private static String tokens(double mean) {
        return format("%,.1f", mean);
    }

    static String money(double amount) {
        return amount >= 1 ? format("%,.2f", amount) : format("%.2g", amount);
    }

    static String seconds(double seconds) {
        if (seconds < 120) {
            return format("%.0f s", seconds);
        }
        return seconds < 7200 ? format("%.1f min", seconds / 60) : format("%,.1f h", seconds / 3600);
    }
}
