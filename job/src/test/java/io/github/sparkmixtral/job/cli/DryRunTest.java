package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DryRunTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path directory;

    private Path input;
    private Path output;

    @BeforeEach
    void writeInput() throws IOException {
        output = directory.resolve("out");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            lines.add("{\"custom_id\": \"r" + i + "\", \"prompt\": \"Copy this list: " + "plum, ".repeat(1 + i % 7) + i
                    + "\"}");
        }
        lines.set(11, "{\"custom_id\": \"r11\", \"prompt\": \"" + "word ".repeat(5000) + "\"}");
        lines.set(23, "{\"custom_id\": \"r23\", \"prompt\": null}");
        lines.set(29, "{\"custom_id\": \"r29\", \"prompt\": \"x\", \"top_p\": 3}");
        lines.set(37, "{\"custom_id\": \"r37\", \"prompt\": \"\"}");
        input = write(directory.resolve("prompts.jsonl"), lines.toArray(String[]::new));
    }

    private JsonNode manifest() throws IOException {
        return JSON.readTree(output.resolve("_manifest.json").toFile());
    }

    private Map<String, Long> files() throws IOException {
        Map<String, Long> times = new TreeMap<>();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.toList()) {
                times.put(file.toString(), Files.getLastModifiedTime(file).toMillis());
            }
        }
        return times;
    }

    private static String line(Outcome outcome, String label) {
        return outcome.out()
                .lines()
                .filter(line -> line.startsWith(label))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no line begins with " + label + " in\n" + outcome.out()));
    }

    private static long number(String text, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        assertThat(matcher.find()).as(text).isTrue();
        return Long.parseLong(matcher.group(1).replace(",", ""));
    }

    @Test
    void tellsTheRowsThatFailAndTheTokensThatTheRunThenCounts() throws IOException {
        Map<String, Long> before = files();
        Outcome dry = generate(input, output, "--dry-run", "--calibration-seconds", "0");
        assertThat(dry.exitCode()).as(dry.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(files()).isEqualTo(before);
        assertThat(line(dry, "rows")).isEqualTo("rows        60, of them 60 to answer in 1 chunk");
        assertThat(line(dry, "output")).endsWith("/out is not there yet");
        assertThat(line(dry, "would fail")).isEqualTo("would fail  4 rows");
        assertThat(line(dry, "  invalid_prompt")).matches("  invalid_prompt +2  r23, r37");
        assertThat(line(dry, "  invalid_parameters")).matches("  invalid_parameters +1  r29");
        assertThat(line(dry, "  context_length_exceeded")).matches("  context_length_exceeded +1  r11");
        assertThat(dry.out())
                .contains("    prompts.jsonl line 24: prompt is null")
                .contains("    prompts.jsonl line 12: the prompt has 5");
        assertThat(line(dry, "time")).isEqualTo("time        not estimated, for --calibration-seconds is 0");
        assertThat(line(dry, "memory"))
                .startsWith("memory      an executor takes ")
                .contains(" on the backend cpu, where ")
                .contains(": weights ")
                .contains(", keys and values of 262,144 tokens 512 MiB");

        assertThat(generate(input, output).exitCode()).isEqualTo(ExitCode.DONE);
        JsonNode manifest = manifest();
        assertThat(JSON.convertValue(manifest.at("/rows/errors"), Map.class))
                .isEqualTo(Map.of("invalid_prompt", 2, "invalid_parameters", 1, "context_length_exceeded", 1));
        assertThat(number(line(dry, "prompts"), "([0-9,]+) tokens in 56 rows"))
                .isEqualTo(manifest.at("/tokens/prompt").asLong());
        assertThat(manifest.has("prediction")).isFalse();
        assertThat(manifest.has("cost")).isFalse();
    }

    @Test
    void calibrationIsRememberedAndComparedWithTheRun() throws IOException {
        Map<String, Long> before = files();
        Object[] asked = {"--max-tokens", "16", "--price-per-hour", "3.5"};
        List<Object> dryRun = new ArrayList<>(List.of(
                "--model",
                SparkFixture.MODEL,
                "--input",
                input,
                "--output",
                output,
                "--dry-run",
                "--calibration-seconds",
                "30"));
        dryRun.addAll(List.of(asked));
        Outcome dry = run(dryRun.toArray());
        assertThat(dry.exitCode()).as(dry.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(files()).isEqualTo(before);
        assertThat(line(dry, "time"))
                .matches(
                        "time        about .+ \\(.+ to .+\\), of which the rows take \\d+ s: all of them were answered");
        assertThat(line(dry, "measured"))
                .startsWith("measured    56 rows in ")
                .contains(" on 1 of 1 executors, 2 tasks");
        assertThat(line(dry, "answers")).contains(" tokens a row expected (");
        assertThat(line(dry, "cost")).endsWith(": 3.5 an hour for the machine of each of 1 executors");
        Path kept = Path.of(line(dry, "kept").replaceFirst("kept +in ", ""));
        assertThat(kept).exists();
        double predicted = JSON.readTree(kept.toFile()).at("/seconds").asDouble();

        // Other rows than the forecast is for are not compared with it.
        List<Object> other = new ArrayList<>(List.of("--model", SparkFixture.MODEL, "--input", input, "--output"));
        other.add(directory.resolve("other"));
        other.addAll(List.of(asked));
        assertThat(run(other.toArray()).exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(JSON.readTree(directory.resolve("other/_manifest.json").toFile())
                        .has("prediction"))
                .isFalse();
        assertThat(kept).exists();

        other.set(5, output);
        assertThat(run(other.toArray()).exitCode()).isEqualTo(ExitCode.DONE);
        JsonNode manifest = manifest();
        double seconds = manifest.at("/time/seconds").asDouble();
        assertThat(manifest.at("/prediction/predicted_seconds").asDouble()).isEqualTo(predicted);
        assertThat(manifest.at("/prediction/seconds").asDouble()).isEqualTo(seconds);
        assertThat(manifest.at("/prediction/error").asDouble()).isCloseTo(predicted / seconds - 1, within(1e-9));
        assertThat(manifest.at("/prediction/executors").asInt()).isEqualTo(1);
        assertThat(manifest.at("/cost/price_per_hour").asDouble()).isEqualTo(3.5);
        assertThat(manifest.at("/cost/executor_hours").asDouble()).isCloseTo(seconds / 3600, within(0.001));
        assertThat(manifest.at("/cost/total").asDouble())
                .isCloseTo(3.5 * manifest.at("/cost/executor_hours").asDouble(), within(1e-12));
        assertThat(kept).doesNotExist();
    }

    /** Rows that take longer than the calibration: the sample is broken off, and an estimate made of what it has done. */
    @Test
    void calibrationEndsInTime() {
        long start = System.nanoTime();
        Outcome dry = run(
                "--model",
                SparkFixture.MODEL,
                "--input",
                input,
                "--output",
                output,
                "--dry-run",
                "--calibration-seconds",
                "1",
                "--max-tokens",
                "3000",
                "--ignore-eos");
        assertThat(dry.exitCode()).as(dry.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat((System.nanoTime() - start) / 1e9).isLessThan(15);
        assertThat(line(dry, "time")).matches("time        about .+ \\(.+ to .+\\)");
        assertThat(line(dry, "measured")).startsWith("measured    0 rows in 1.");
        assertThat(line(dry, "answers"))
                .contains(": none was complete in that time, so that they are taken to be as long as they may be");
        forget(dry);
    }

    private static void forget(Outcome dry) {
        assertThat(Path.of(line(dry, "kept").replaceFirst("kept +in ", ""))
                        .toFile()
                        .delete())
                .isTrue();
    }

    @Test
    void tellsWhatIsLeftOfAnOutputAndLeavesItAsItIs() throws IOException {
        Object[] slow = {"--max-num-seqs", "1", "--chunk-rows", "10", "--max-total-tokens", "300"};
        assertThat(generate(input, output, slow).exitCode()).isEqualTo(ExitCode.STOPPED);
        long answered = spark().read().parquet(output.toString()).count();
        Map<String, Long> before = files();
        Outcome dry = generate(input, output, "--dry-run", "--calibration-seconds", "0", "--retry-failed", "none");
        assertThat(dry.exitCode()).as(dry.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(line(dry, "output"))
                .endsWith("/out exists and is incomplete, and holds " + answered + " of the rows");
        assertThat(line(dry, "rows")).startsWith("rows        60, of them " + (60 - answered) + " to answer in ");
        assertThat(files()).isEqualTo(before);

        Outcome replacing =
                generate(input, output, "--dry-run", "--calibration-seconds", "0", "--output-mode", "overwrite");
        assertThat(line(replacing, "output")).endsWith("/out exists and is incomplete, and would be replaced");
        assertThat(line(replacing, "rows")).startsWith("rows        60, of them 60 to answer in ");
        assertThat(files()).isEqualTo(before);

        assertThat(generate(input, output).exitCode()).isEqualTo(ExitCode.DONE);
        Map<String, Long> complete = files();
        Outcome done = generate(input, output, "--dry-run", "--expected-column", "custom_id");
        assertThat(done.exitCode()).as(done.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(files()).isEqualTo(complete);
        Outcome another = generate(input, output, "--dry-run", "--seed", "5");
        assertThat(another.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(another.lastLine()).contains("--seed");
    }

    @Test
    void tableOfTheCatalogIsCheckedToo() throws IOException {
        spark().read().json(input.toString()).createOrReplaceTempView("dry_prompts");
        Outcome dry = generate(
                Path.of("dry_prompts"), output, "--input-format", "table", "--dry-run", "--calibration-seconds", "0");
        assertThat(dry.exitCode()).as(dry.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(line(dry, "would fail")).isEqualTo("would fail  4 rows");
        assertThat(output).doesNotExist();
    }

    @Test
    void whatARunWouldRefuseIsRefusedAndNothingIsMadeForIt() throws IOException {
        Path documents = write(directory.resolve("documents.jsonl"), "{\"id\": \"d\", \"text\": \"Plums are fruit.\"}");
        Map<String, Long> before = files();
        Outcome noIndex = generate(input, output, "--dry-run", "--documents", documents);
        assertThat(noIndex.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(noIndex.lastLine()).contains("out.index does not exist: build it with spark-mixtral index");
        Outcome tooLong = generate(input, output, "--dry-run", "--max-model-len", "5000");
        assertThat(tooLong.exitCode()).isEqualTo(ExitCode.USAGE);
        Outcome passkey =
                run("passkey", "--model", SparkFixture.MODEL, "--output", directory.resolve("passkey"), "--dry-run");
        assertThat(passkey.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(passkey.lastLine()).startsWith("spark-mixtral: --dry-run is for jobs");
        assertThat(files()).isEqualTo(before);
    }

    /** The cache holds 64 tokens; the template takes some of them. */
    @Test
    void whatTheCacheDoesNotHoldFails() throws IOException {
        Object[] small = {"--kv-cache-memory", "128k", "--max-num-seqs", "2"};
        List<Object> asked = new ArrayList<>(List.of(small));
        asked.addAll(List.of("--dry-run", "--calibration-seconds", "0"));
        List<String> lines = new ArrayList<>();
        for (int words : new int[] {3, 80}) {
            lines.add("{\"custom_id\": \"" + words + "\", \"prompt\": \"" + "plum ".repeat(words) + "\"}");
        }
        Path few = write(directory.resolve("few.jsonl"), lines.toArray(String[]::new));
        Outcome dry = generate(few, output, asked.toArray());
        assertThat(line(dry, "  context_length_exceeded")).matches("  context_length_exceeded +1  80");
        assertThat(dry.out()).contains("must fit into 64: shorten it, or raise --kv-cache-memory");
        assertThat(generate(few, output, small).exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(manifest().at("/rows/errors/context_length_exceeded").asInt())
                .isEqualTo(1);
    }

    @Test
    void tooManyFailuresAreSaid() throws IOException {
        Outcome dry = generate(input, output, "--dry-run", "--calibration-seconds", "0", "--max-error-ratio", "0.05");
        assertThat(dry.out()).contains("  These are too many: the run would end with exit code 5.\n");
    }

    @Test
    void classesOfTheHistogramEndAtPowersOfTwo() {
        assertThat(DryRunReport.histogram(new TreeMap<>(Map.of(16, 4L, 17, 1L, 120, 2L))))
                .containsExactly(
                        "up to      16             4  " + "#".repeat(40),
                        "up to      32             1  " + "#".repeat(10),
                        "up to      64             0",
                        "up to     128             2  " + "#".repeat(20));
    }
}
