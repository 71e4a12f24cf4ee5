package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.bench.Limits.Limit;
import io.github.sparkmixtral.bench.Measurement.What;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class EngineBenchTest {

    @TempDir
    private Path folder;

    @Test
    void measuresStepsAndJobsWithEachNumberOfThreads() throws IOException {
        Path json = folder.resolve("figures.jsonl");
        int exit = EngineBench.commandLine()
                .execute(
                        ("--backend=cpu --shape=tiny --layers=1 --prefill=16 --batch=1,2 --context=8 --steps=2 --rounds=1"
                                        + " --warm-up=0 --threads=1,2 --job=2x8x2 --shared-prefix=0,4 --plot --json="
                                        + json)
                                .split(" "));
        assertThat(exit).isZero();
        List<String> figures = new ArrayList<>();
        for (String line : Files.readAllLines(json)) {
            JsonNode figure = new ObjectMapper().readTree(line);
            assertThat(figure.has("shareOfBytes")).isFalse();
            figures.add(
                    figure.get("kind").asText().equals("job")
                            ? "job " + figure.get("job").get("sharedPrefix") + " " + figure.get("threads")
                            : figure.get("what").asText() + " " + figure.get("size") + " " + figure.get("threads"));
        }
        assertThat(figures)
                .containsExactly(
                        "PREFILL 16 1",
                        "DECODE 1 1",
                        "DECODE 2 1",
                        "PREFILL 16 2",
                        "DECODE 1 2",
                        "DECODE 2 2",
                        "job 0 1",
                        "job 4 1",
                        "job 0 2",
                        "job 4 2");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--start | --start needs a --model, which --write makes",
                "--write=a.gguf --model=b.gguf | --write writes random weights: leave out --model",
                "--job=3x4 | --job must be PROMPTSxINxOUT, such as 32x128x64, not '3x4'",
                "--context=0 | --context must be at least 1, not 0",
                "--batch=-1 | --batch must be at least 0, not -1",
                "--rounds=0 | --rounds must be at least 1, not 0",
            })
    void tellsWhatIsWrongWithOptions(String options, String message) {
        StringWriter err = new StringWriter();
        CommandLine command = EngineBench.commandLine().setErr(new PrintWriter(err));
        List<String> all = new ArrayList<>(List.of("--backend=cpu", "--shape=tiny"));
        all.addAll(List.of(options.split(" ")));
        assertThat(command.execute(all.toArray(String[]::new))).isEqualTo(1);
        assertThat(err.toString().strip()).isEqualTo("EngineBench: " + message);
    }

    @Test
    void limitsAreMediansOfTheirRounds() {
        try (Limits limits = new Limits(List.of(2, 1), 1 << 20, 100_000)) {
            IntStream.range(0, 3).forEach(_ -> limits.round());
            assertThat(limits.limits()).extracting(Limit::threads).containsExactly(1, 2);
            for (Limit limit : limits.limits()) {
                for (Range range : List.of(limit.bytesPerSecond(), limit.flopsPerSecond())) {
                    assertThat(range.lowest()).isGreaterThan(1e6).isLessThanOrEqualTo(range.median());
                    assertThat(range.median()).isLessThanOrEqualTo(range.highest());
                }
            }
        }
    }

    @Test
    void aRangeHoldsTheMedianOfRates() {
        assertThat(Range.of(10, List.of(1.0, 5.0, 2.0))).isEqualTo(new Range(5, 2, 10));
        assertThat(Range.of(10, List.of(1.0, 5.0)).median()).isCloseTo(6, within(1e-9));
    }

    @Test
    void plotsTokensPerSecondAgainstTheBatch() {
        List<Measurement> steps = List.of(
                Measurement.of(What.PREFILL, 512, 0, 0, List.of(1.0), 1, 1),
                Measurement.of(What.DECODE, 4, 128, 0, List.of(0.1), 1, 1),
                Measurement.of(What.DECODE, 1, 128, 0, List.of(0.05), 1, 1),
                Measurement.of(What.DECODE, 1, 4096, 0, List.of(0.07), 1, 1));
        assertThat(Plot.ofBatches(steps)).containsExactly("""
                        ```mermaid
                        xychart-beta
                            title "Decoding at context 128"
                            x-axis "sequences decoded together" [1, 4]
                            y-axis "tokens/s" 0 --> 44
                            line [20.0, 40.0]
                        ```
                        """);
    }

    @Test
    void aProcessIsWarmWhenAPromptFirstReachesNineTenthsOfTheSteadyRate() {
        List<Start.Prompt> prompts = new ArrayList<>();
        double end = 2;
        for (double rate : new double[] {100, 300, 850, 910, 880, 1000, 990, 1010}) {
            prompts.add(new Start.Prompt(end += 0.5, rate));
        }
        Start start = Start.of(0.5, 1, 2, prompts);
        assertThat(start.steadyTokensPerSecond()).isCloseTo(1000, within(1e-9));
        assertThat(start.warm()).isEqualTo(4);
        assertThat(start.line()).isEqualTo("| 0.50 | 1.00 | 2.00 | 4.00 | 1000.0 |");
    }
}
