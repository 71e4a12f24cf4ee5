package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs that stop before their end, rows that are equal, and rows in another order. */
class LimitsTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int ROWS = 120;

    @TempDir
    private Path directory;

    private Path input;
    private Path output;

    @BeforeEach
    void writeInput() throws IOException {
        output = directory.resolve("out");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            lines.add("{\"custom_id\": \"r" + i + "\", \"prompt\": \"copy " + i + "\"}");
        }
        input = write(directory.resolve("p.jsonl"), lines.toArray(String[]::new));
    }

    private JsonNode manifest() throws IOException {
        return JSON.readTree(output.resolve("_manifest.json").toFile());
    }

    private static List<String> texts(Path output) {
        return rows(output).stream()
                .map(row -> row.getAs("custom_id") + ": " + row.getAs("generated_text"))
                .toList();
    }

    private List<String> wanted() {
        Path whole = directory.resolve("whole");
        assertThat(generate(input, whole).exitCode()).isEqualTo(ExitCode.DONE);
        return texts(whole);
    }

    @Test
    void budgetStopsTheRunAndTheNextOneGoesOn() throws Exception {
        // Three rows are on their way in each of two tasks; a row has some 15 tokens.
        Object[] slow = {"--max-num-seqs", "1", "--chunk-rows", "30", "--max-total-tokens", "400"};
        Outcome stopped = generate(input, output, slow);
        assertThat(stopped.exitCode()).isEqualTo(ExitCode.STOPPED);
        assertThat(stopped.lastLine())
                .startsWith("spark-mixtral: stopped at the --max-total-tokens 400: ")
                .contains(" of 120 rows are answered");
        assertThat(output.resolve("_SUCCESS")).doesNotExist();
        int answered = rows(output).size();
        assertThat(answered).isBetween(20, 60);
        JsonNode first = manifest();
        assertThat(first.at("/status").asText()).isEqualTo("stopped");
        assertThat(first.at("/terminal_reason").asText()).isEqualTo("max_total_tokens");
        assertThat(first.at("/counts/succeeded").asInt()).isEqualTo(answered);
        assertThat(first.at("/counts/cancelled").asInt()).isEqualTo(ROWS - answered);
        assertThat(first.at("/counts/missing").asInt()).isZero();
        assertThat(first.at("/time/seconds_per_row_p50").asDouble()).isPositive();
        assertThat(first.at("/time/seconds_per_row_p95").asDouble())
                .isGreaterThanOrEqualTo(first.at("/time/seconds_per_row_p50").asDouble());

        assertThat(generate(input, output, slow).exitCode()).isEqualTo(ExitCode.STOPPED);
        assertThat(rows(output).size()).isGreaterThan(answered);
        Outcome finished = generate(input, output);
        assertThat(finished.exitCode()).as(finished.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(texts(output)).isEqualTo(wanted());
        assertThat(manifest().at("/attempts").asInt()).isEqualTo(3);
        assertThat(manifest().at("/terminal_reason").asText()).isEqualTo("completed");
    }

    @Test
    void budgetOfATableOrOtherOrderStopsWithoutLosingRows() throws Exception {
        spark().read().json(input.toString()).createOrReplaceTempView("limited_prompts");
        Object[] asked = {"--input-format", "table", "--max-num-seqs", "1", "--chunk-rows", "30"};
        Path table = Path.of("limited_prompts");
        List<Object> limited = new ArrayList<>(List.of(asked));
        limited.addAll(List.of("--max-total-tokens", "300"));
        assertThat(generate(table, output, limited.toArray()).exitCode()).isEqualTo(ExitCode.STOPPED);
        assertThat(rows(output).size()).isBetween(10, 60);
        assertThat(generate(table, output, asked).exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(texts(output)).isEqualTo(wanted());
    }

    @Test
    void pastDeadlineTouchesNothingAndALateOneChangesNothing() throws Exception {
        Outcome past = generate(input, output, "--deadline", "2020-01-01T00:00Z");
        assertThat(past.exitCode()).isEqualTo(ExitCode.STOPPED);
        assertThat(past.lastLine())
                .isEqualTo("spark-mixtral: the --deadline 2020-01-01T00:00:00Z is past: no row was answered; give a"
                        + " later one");
        assertThat(output).doesNotExist();
        assertThat(generate(input, output, "--deadline", "1h").exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(generate(input, output, "--deadline", "2h").exitCode()).isEqualTo(ExitCode.DONE);
    }

    @Test
    void deadlineThatComesWhileRowsRunStopsThem() throws Exception {
        List<Object> slow = new ArrayList<>(List.of("--model", MODEL, "--input", input, "--output", output));
        slow.addAll(List.of("--max-num-seqs", "1", "--chunk-rows", "60", "--max-tokens", "400", "--ignore-eos"));
        slow.addAll(List.of("--deadline", Instant.now().plus(Duration.ofSeconds(6))));
        Outcome stopped = run(slow.toArray());
        assertThat(stopped.exitCode()).as(stopped.lastLine()).isEqualTo(ExitCode.STOPPED);
        assertThat(manifest().at("/terminal_reason").asText()).isEqualTo("deadline");
        assertThat(manifest().at("/counts/cancelled").asInt()).isPositive();
        try (Stream<Path> files = Files.list(output)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .allMatch(name -> !name.startsWith("part-") || name.matches("part-\\d+-\\w+-first\\d+\\.parquet"));
        }
    }

    @Test
    void equalGreedyRowsAreComputedOnce() throws Exception {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            lines.add("{\"custom_id\": \"r" + i + "\", \"prompt\": \"copy " + i % 10 + "\"}");
        }
        Path equal = write(directory.resolve("equal.jsonl"), lines.toArray(String[]::new));
        assertThat(generate(equal, output).exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(manifest().at("/rows/copied").asInt()).isEqualTo(ROWS - 10);
        assertThat(manifest().at("/rows/answered").asInt()).isEqualTo(ROWS);
        Path drawn = directory.resolve("drawn");
        run("--model", MODEL, "--input", equal, "--output", drawn, "--max-tokens", "4");
        assertThat(JSON.readTree(drawn.resolve("_manifest.json").toFile())
                        .at("/rows/copied")
                        .asInt())
                .isZero();
    }

    @Test
    void rowsInTheOrderOfTheirPrefixesAreTheSameRows() throws Exception {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            String beginning = "The " + List.of("first", "second", "third").get(i % 3) + " text. ".repeat(12);
            lines.add("{\"prompt\": \"" + beginning + "copy " + i + "\"}");
        }
        Collections.shuffle(lines, new Random(7));
        Path mixed = write(directory.resolve("mixed.jsonl"), lines.toArray(String[]::new));
        Path plain = directory.resolve("plain");
        generate(mixed, plain);

        Object[] prefix = {"--order", "prefix", "--chunk-rows", "20"};
        List<Object> limited = new ArrayList<>(List.of(prefix));
        limited.addAll(List.of("--max-num-seqs", "1", "--max-total-tokens", "2000"));
        assertThat(generate(mixed, output, limited.toArray()).exitCode()).isEqualTo(ExitCode.STOPPED);
        assertThat(generate(mixed, output, prefix).exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(texts(output)).isEqualTo(texts(plain));
        Outcome other = generate(mixed, output);
        assertThat(other.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(other.lastLine()).contains("--order was prefix and is input");
    }
}
