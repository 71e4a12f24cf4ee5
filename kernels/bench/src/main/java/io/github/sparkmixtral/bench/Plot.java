package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.bench.Measurement.What;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Draws figures as Mermaid diagrams, which Markdown viewers show. */
final class Plot {

    private Plot() {}

    /** One diagram for each context and number of threads that was decoded at several batch sizes: tokens per second against the batch. */
    static List<String> ofBatches(List<Measurement> steps) {
        return steps.stream()
                .filter(step -> step.what() == What.DECODE)
                .collect(Collectors.groupingBy(
                        step -> List.of(step.context(), step.threads()), LinkedHashMap::new, Collectors.toList()))
                .values()
                .stream()
                .filter(line -> line.size() > 1)
                .map(Plot::ofBatch)
                .toList();
    }

    private static String ofBatch(List<Measurement> line) {
        List<Measurement> sorted =
                line.stream().sorted(Comparator.comparingInt(Measurement::size)).toList();
        String threads = line.getFirst().threads() == 0
                ? ""
                : ", threads " + line.getFirst().threads();
        return """
                ```mermaid
                xychart-beta
                    title "Decoding at context %d%s"
                    x-axis "sequences decoded together" [%s]
                    y-axis "tokens/s" 0 --> %.0f
                    line [%s]
                ```
                """.formatted(
                        line.getFirst().context(),
                        threads,
                        join(sorted, step -> Integer.toString(step.size())),
                        1.1
                                * sorted.stream()
                                        .mapToDouble(Measurement::tokensPerSecond)
                                        .max()
                                        .orElseThrow(),
                        join(sorted, step -> String.format(Locale.ROOT, "%.1f", step.tokensPerSecond())));
    }

    private static String join(List<Measurement> line, Function<Measurement, String> value) {
        return line.stream().map(value).collect(Collectors.joining(", "));
    }
}
