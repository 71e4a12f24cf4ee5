package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code spark-mixtral show} on outputs as jobs leave them. */
class ShowTest {
    private static final JsonMapper JSON = new JsonMapper();

    @TempDir
    private Path directory;

    private Path output;
    private Path input;

    @BeforeEach
    void writeInput() throws IOException {
        output = directory.resolve("out");
        input = write(
                directory.resolve("p.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"copy 1\", \"kind\": \"x/y\"}",
                "{\"custom_id\": \"b\", \"prompt\": \"\", \"kind\": \"z\"}",
                "{\"custom_id\": \"c\", \"prompt\": \"copy 3\", \"kind\": null}",
                "{\"custom_id\": \"d\", \"prompt\": null, \"kind\": \"z\"}");
    }

    private static String shown(Object... arguments) {
        Outcome outcome =
                run(Stream.concat(Stream.of("show"), Stream.of(arguments)).toArray());
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        return outcome.out();
    }

    private static String refused(Object... arguments) {
        Outcome outcome =
                run(Stream.concat(Stream.of("show"), Stream.of(arguments)).toArray());
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.out()).isEmpty();
        return outcome.lastLine();
    }

    @ParameterizedTest
    @ValueSource(strings = {"parquet", "jsonl"})
    void aCompleteOutputIsShownWithReportErrorsAndRows(String format) {
        assertThat(generate(input, output, "--output-format", format).exitCode())
                .isEqualTo(ExitCode.DONE);

        assertThat(shown(output).lines())
                .anyMatch(line -> line.matches(output + ": 4 rows in \\d files?, complete"))
                .contains("  rows      4: 2 answered, 2 with errors", "Errors, each with one of its rows", "Rows")
                .anyMatch(line -> line.matches("  errors    2 invalid_prompt"))
                .anyMatch(line -> line.matches("  2  invalid_prompt  [bd]: .+"))
                .anyMatch(line -> line.matches("  slowest   [ac]: [\\d.]+ s, \\d+ tokens in, 4 out"))
                .anyMatch(line -> line.startsWith("  experts   the busiest of a layer has "))
                .anyMatch(line -> line.matches("  a  (length|stop) +\\S.*"))
                .anyMatch(line -> line.matches("  b  invalid_prompt  .*prompt.*"));
        String failed = shown(output, "--errors", "-n", "1");
        assertThat(failed.substring(failed.indexOf("Rows with errors")).lines())
                .hasSize(2)
                .last()
                .asString()
                .matches("  [bd]  invalid_prompt  .*");
        assertThat(shown(output, "-n", 0)).doesNotContain("Rows\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"parquet", "jsonl"})
    void oneRowIsShownInFull(String format) throws Exception {
        generate(input, output, "--output-format", format);

        JsonNode row = JSON.readTree(shown(output, "--id", "c"));

        assertThat(row.path("custom_id").asText()).isEqualTo("c");
        if (format.equals("parquet")) {
            assertThat(row.path("prompt").asText()).isEqualTo("copy 3");
            assertThat(row.at("/usage/completion_tokens").asInt()).isPositive();
            assertThat(row.path("error").isNull()).isTrue();
        } else {
            assertThat(row.at("/response/body/usage/completion_tokens").asInt()).isPositive();
        }
        assertThat(refused(output, "--id", "nobody"))
                .isEqualTo("spark-mixtral: no row of " + output + " has the id nobody");
    }

    @Test
    void columnsThatAreDirectoriesOrHaveOtherNamesAreThere() throws Exception {
        generate(
                input,
                output,
                "--partition-by",
                "kind",
                "--output-columns",
                "custom_id=key,generated_text=my.answer,error=fault");

        JsonNode row = JSON.readTree(shown(output, "--id", "a"));
        assertThat(row.path("kind").asText()).isEqualTo("x/y");
        assertThat(row.path("key").asText()).isEqualTo("a");
        assertThat(row.path("my.answer").asText()).isNotEmpty();
        assertThat(JSON.readTree(shown(output, "--id", "c")).path("kind").isNull())
                .isTrue();
        assertThat(shown(output)).contains("  b  invalid_prompt  ", "  2  invalid_prompt  ");
    }

    @Test
    void valuesOfEveryTypeAreReadable() throws Exception {
        Path table = directory.resolve("table");
        spark().sql("""
                        SELECT 'a' AS custom_id, 'copy 1' AS prompt, array('x', null) AS list, map('k', 1.5D) AS map,
                          named_struct('deep', array(named_struct('n', 1))) AS struct, DATE '2026-12-01' AS date,
                          TIMESTAMP '2026-12-01 10:11:12.5Z' AS time, TIMESTAMP_NTZ '2026-12-01 10:11:12' AS local,
                          12.30BD AS decimal, CAST(-0.00001BD AS DECIMAL(38, 5)) AS small, X'0102' AS bytes, true AS flag,
                          CAST(7 AS TINYINT) AS tiny, 1.5F AS single, CAST(null AS INT) AS nothing, array() AS empty
                        """).drop("empty").write().parquet(table.toString());
        generate(table, output);

        JsonNode row = JSON.readTree(shown(output, "--id", "a"));

        assertThat(row.path("list").toString()).isEqualTo("[\"x\",null]");
        assertThat(row.path("map").toString()).isEqualTo("{\"k\":1.5}");
        assertThat(row.path("struct").toString()).isEqualTo("{\"deep\":[{\"n\":1}]}");
        assertThat(row.path("date").asText()).isEqualTo("2026-12-01");
        assertThat(row.path("time").asText()).isEqualTo("2026-12-01T10:11:12.500Z");
        assertThat(row.path("local").asText()).isEqualTo("2026-12-01T10:11:12");
        assertThat(row.path("decimal").decimalValue()).isEqualByComparingTo("12.30");
        assertThat(row.path("small").decimalValue()).isEqualByComparingTo("-0.00001");
        assertThat(row.path("bytes").asText()).isEqualTo("AQI=");
        assertThat(row.path("flag").asBoolean()).isTrue();
        assertThat(row.path("tiny").asInt()).isEqualTo(7);
        assertThat(row.path("single").asDouble()).isEqualTo(1.5);
        assertThat(row.path("nothing").isNull()).isTrue();
    }

    @Test
    void anUnfinishedOutputTellsHowFarItIs() throws Exception {
        Path many = write(
                directory.resolve("many.jsonl"),
                IntStream.range(0, 60)
                        .mapToObj(i -> "{\"custom_id\": \"r" + i + "\", \"prompt\": \""
                                + (i % 10 == 3 ? "" : "copy " + i) + "\"}")
                        .toArray(String[]::new));
        Object[] slow = {"--max-num-seqs", "1", "--chunk-rows", "10", "--max-total-tokens", "300"};
        Outcome stopped = generate(many, output, slow);
        assertThat(stopped.exitCode()).as(stopped.lastLine()).isEqualTo(ExitCode.STOPPED);

        long rows = spark().read().parquet(output.toString()).count();
        assertThat(rows).isBetween(1L, 59L);
        String first = shown(output).lines().findFirst().orElseThrow();
        assertThat(first)
                .matches(output + ": " + rows
                        + " of 60 rows in \\d+ files?, unfinished; the command that began it goes on");
        // As after a kill: what the manifest says is no longer what is there.
        String told = shown(output, "-n", 0);
        try (Stream<Path> files = Files.list(output)) {
            Path part = files.filter(file -> file.getFileName().toString().startsWith("part-"))
                    .findFirst()
                    .orElseThrow();
            Files.delete(part);
        }
        long left = spark().read().parquet(output.toString()).count();
        assertThat(shown(output, "-n", 0))
                .startsWith(output + ": " + left + " of 60 rows")
                .doesNotContain("  run  ");
        assertThat(told).contains("  run  ");
    }

    @Test
    void rowsOfATableAreCountedInTheirFiles() {
        spark().read().json(input.toString()).createOrReplaceTempView("shown_prompts");
        assertThat(generate(Path.of("shown_prompts"), output, "--input-format", "table")
                        .exitCode())
                .isEqualTo(ExitCode.DONE);
        assertThat(output.resolve("_manifest.json").toFile().delete()).isTrue();
        assertThat(output.resolve("_SUCCESS").toFile().delete()).isTrue();

        assertThat(shown(output))
                .matches("(?s)\\Q" + output + "\\E: 4 rows in 1 file, unfinished.*")
                .contains("  2  invalid_prompt  ");
    }

    @Test
    void whatIsNoOutputIsRefusedWithOneSentence() throws Exception {
        Path empty = Files.createDirectory(directory.resolve("empty"));
        Path other = Files.createDirectory(directory.resolve("other"));
        write(other.resolve("x.txt"), "x");
        Path figure =
                Files.createDirectories(directory.resolve("figure/answers")).getParent();
        write(figure.resolve("answers/_job.json"), "{}");
        Path index = Files.createDirectory(directory.resolve("index"));
        write(index.resolve("_index.json"), "{}");
        Path broken = Files.createDirectory(directory.resolve("broken"));
        write(broken.resolve("_job.json"), "{\"schema_version\": 1");

        assertThat(refused())
                .isEqualTo(
                        "spark-mixtral: the output is missing: give the --output directory of a job (--help shows every option)");
        assertThat(refused(output))
                .isEqualTo("spark-mixtral: " + output + " does not exist: give the --output directory of a job");
        assertThat(refused(input))
                .isEqualTo("spark-mixtral: " + input + " is a file: give the --output directory of a job");
        assertThat(refused(empty))
                .isEqualTo("spark-mixtral: " + empty + " is empty: give the --output directory of a job");
        assertThat(refused(other))
                .isEqualTo("spark-mixtral: " + other + " is no job's output, for it has no _job.json");
        assertThat(refused(figure))
                .isEqualTo("spark-mixtral: " + figure
                        + " is no job's output, for it has no _job.json: its answers are in " + figure + "/answers");
        assertThat(refused(index))
                .isEqualTo("spark-mixtral: " + index + " is an index of documents, and no job's output");
        assertThat(refused(broken)).contains("_job.json cannot be used, it is not valid JSON");
        assertThat(refused("no-such-scheme://x/y")).startsWith("spark-mixtral: no-such-scheme://x/y cannot be read: ");
        assertThat(refused(output, "more")).startsWith("spark-mixtral: give one output to show, not ");
        assertThat(refused(output, "--rows", "-1")).contains("--rows must be at least 0");
        assertThat(refused(output, "--id", "a", "--errors")).contains("--id and --errors exclude each other");
        assertThat(refused(output, "--eror")).contains("unknown option --eror; did you mean --errors?");
    }
}
