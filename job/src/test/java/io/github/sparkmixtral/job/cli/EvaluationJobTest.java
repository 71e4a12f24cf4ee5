package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvaluationJobTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path directory;

    private Path output;
    private Path first;

    @BeforeEach
    void nameTheOutputs() {
        output = directory.resolve("out");
        first = directory.resolve("first");
    }

    private static JsonNode manifest(Path output) throws IOException {
        return JSON.readTree(output.resolve("_manifest.json").toFile());
    }

    /** Answers two prompts; returns the answers, which are the same in every run. */
    private List<String> answers(Path where) throws IOException {
        Path input = plain();
        Outcome outcome = generate(input, where);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        return texts(where, "generated_text");
    }

    private Path plain() throws IOException {
        return write(
                directory.resolve("plain.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"one\"}",
                "{\"custom_id\": \"b\", \"prompt\": \"two\"}",
                "{\"custom_id\": \"old\", \"prompt\": \"three\"}");
    }

    private static List<String> texts(Path where, String column) {
        return spark().read().parquet(where.toString()).select("prompt", column).collectAsList().stream()
                .sorted(Comparator.comparing(
                        row -> List.of("one", "two", "three").indexOf(row.getString(0))))
                .map(row -> row.getString(1))
                .toList();
    }

    /** Gives other answers than {@link SparkFixture#generate}: any tokens. */
    private static Outcome generateNonsense(Path input, Path where, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("--model", SparkFixture.MODEL, "--input", input, "--output"));
        arguments.addAll(List.of(where, "--temperature", 100, "--max-tokens", 8, "--ignore-eos"));
        arguments.addAll(List.of(more));
        return run(arguments.toArray());
    }

    /** Two rows with labels, one of which is right, and one that has an error. */
    private Path labelled(List<String> texts) throws IOException {
        return write(
                directory.resolve("labelled.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"one\", \"label\": "
                        + JSON.writeValueAsString(List.of("?", texts.get(0))) + "}",
                "{\"custom_id\": \"b\", \"prompt\": \"two\", \"label\": [\"never\"]}",
                "{\"custom_id\": \"c\", \"prompt\": null, \"label\": [\"never\"]}");
    }

    @Test
    void scoreBelowTheLeastEndsWithFiveEachTimeAndTheOutputIsComplete() throws IOException {
        Path input = labelled(answers(first));
        Object[] options = {"--expected-column", "label", "--min-score", "0.5"};

        Outcome low = generate(input, output, options);
        Outcome again = generate(input, output, options);
        Outcome enough = generate(input, output, "--expected-column", "label", "--min-score", "0.3");
        String rescored = Files.readString(output.resolve("_manifest.json"));
        Outcome plain = generate(input, output);

        assertThat(low.exitCode()).isEqualTo(ExitCode.NOT_GOOD_ENOUGH);
        assertThat(low.lastLine())
                .isEqualTo(
                        "spark-mixtral: the score 0.3333 of 3 rows (95 % interval 6.1 % to 79.2 %) is below --min-score"
                                + " 0.5; the output is complete, in " + output);
        assertThat(output.resolve("_SUCCESS")).exists();
        assertThat(rows(output)).hasSize(3);
        assertThat(again).isEqualTo(low);
        assertThat(enough.exitCode()).as(enough.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(JSON.readTree(rescored).at("/score/min_score").asDouble()).isEqualTo(0.3);
        assertThat(plain.exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(Files.readString(output.resolve("_manifest.json"))).isEqualTo(rescored);
    }

    @Test
    void completeOutputMayBeScoredInAnotherWay() throws IOException {
        List<String> texts = answers(first);
        Path input = write(
                directory.resolve("p.jsonl"),
                "{\"prompt\": \"one\", \"label\": "
                        + JSON.writeValueAsString(texts.get(0).toUpperCase(java.util.Locale.ROOT)) + "}",
                "{\"prompt\": \"two\", \"label\": \"(\"}");
        generate(input, output);
        assertThat(manifest(output).has("score")).isFalse();

        Outcome f1 = generate(input, output, "--expected-column", "label", "--expected-match", "f1");
        assertThat(f1.exitCode()).as(f1.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(manifest(output).at("/score/match").asText()).isEqualTo("f1");
        generate(input, output, "--expected-column", "label", "--expected-match", "regex");

        assertThat(manifest(output).at("/score/rows").asLong()).isEqualTo(1);
        assertThat(manifest(output).at("/score/faulty_rows").asLong()).isEqualTo(1);
        assertThat(manifest(output).at("/score/first_fault").asText())
                .isEqualTo("p.jsonl#2: the expected answer '(' is no regular expression: Unclosed group near index 1");
        assertThat(generate(input, output, "--expected-column", "none").lastLine())
                .isEqualTo("spark-mixtral: the output cannot be scored: it has no column none");
        assertThat(generate(input, output, "--expected-column", "usage").lastLine())
                .contains("the output's column usage must hold text, whole numbers or booleans, or arrays of them, for"
                        + " --expected-column with --expected-match exact, not struct<");
    }

    @Test
    void answersAreComparedWithThoseOfAnEarlierRun() throws IOException {
        generateNonsense(plain(), first, "--output-columns", "custom_id=key,generated_text=text");
        List<String> texts = texts(first, "text");
        Path input = labelled(answers(directory.resolve("good")));

        Outcome outcome = generate(input, output, "--baseline", first, "--expected-column", "label");

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        JsonNode baseline = manifest(output).path("baseline");
        assertThat(baseline.path("uri").asText()).isEqualTo(first.toString());
        assertThat(baseline.path("rows").asLong()).isEqualTo(2);
        assertThat(baseline.path("only_in_output").asLong()).isEqualTo(1);
        assertThat(baseline.path("only_in_baseline").asLong()).isEqualTo(1);
        assertThat(baseline.path("changed").asLong()).isEqualTo(2);
        assertThat(baseline.path("score"))
                .isEqualTo(JSON.readTree(
                        "{\"rows\": 2, \"baseline_mean\": 0.0, \"mean\": 0.5, \"better\": 1, \"worse\": 0,"
                                + " \"test\": \"McNemar's exact test\", \"p_value\": 1.0}"));
        List<Row> changed = spark().read()
                .parquet(output.resolve("_baseline").toString())
                .orderBy("custom_id")
                .collectAsList();
        assertThat(changed.stream().map(row -> row.<String>getAs("custom_id"))).containsExactly("a", "b");
        assertThat(changed.stream().map(row -> row.<String>getAs("baseline_answer")))
                .containsExactly(texts.get(0), texts.get(1));
        assertThat(rows(output)).as("readers see the answers only").hasSize(3);
        assertThat(output.resolve("_SUCCESS")).exists();
    }

    @Test
    void batchOutputsAreComparedAndARerunMayNameAnotherBaseline() throws IOException {
        Path input = write(directory.resolve("p.jsonl"), "{\"custom_id\": \"a\", \"prompt\": \"one\"}");
        generate(input, first, "--output-format", "jsonl");
        generate(input, output, "--output-format", "jsonl", "--baseline", first);
        assertThat(manifest(output).at("/baseline/rows").asLong()).isEqualTo(1);
        assertThat(manifest(output).at("/baseline/changed").asLong()).isZero();
        Path other = directory.resolve("other");
        generateNonsense(input, other);

        Outcome outcome = generate(input, output, "--output-format", "jsonl", "--baseline", other);

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(manifest(output).at("/baseline/changed").asLong()).isEqualTo(1);
        assertThat(manifest(output).at("/baseline").has("score")).isFalse();
    }

    @Test
    void baselineThatIsNoneIsRefused() throws IOException {
        Path input = write(directory.resolve("p.txt"), "one");
        Path foreign = Files.createDirectory(directory.resolve("foreign"));
        generate(input, first);
        Path incomplete = directory.resolve("incomplete");
        generate(
                write(directory.resolve("q.jsonl"), "{\"prompt\": \"a\"}", "{\"prompt\": null}"),
                incomplete,
                "--fail-on-error");

        assertRefused(
                input, directory.resolve("none"), " does not exist: give the --output directory of an earlier run");
        assertRefused(
                input,
                foreign,
                " is no job's output, for it has no _job.json: give the --output directory of an" + " earlier run");
        assertRefused(input, incomplete, " is incomplete, for it has no _SUCCESS: run its job again until it is done");
        assertRefused(input, output, " overlaps with --output: give another output");
        assertRefused(input, output.resolve("sub"), " overlaps with --output: give another output");
        Files.writeString(first.resolve("_manifest.json"), "{");
        assertRefused(input, first, " cannot be used, for its _manifest.json is no JSON: give another run's");
        assertThat(run("--model", SparkFixture.MODEL, "--input", input, "--output", output, "--baseline", "no:such")
                        .lastLine())
                .startsWith("spark-mixtral: --baseline no:such cannot be read: ");
    }

    private void assertRefused(Path input, Path baseline, String why) {
        Outcome outcome =
                run("--model", SparkFixture.MODEL, "--input", input, "--output", output, "--baseline", baseline);

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.lastLine()).isEqualTo("spark-mixtral: --baseline " + baseline + why);
        assertThat(output).doesNotExist();
    }

    @Test
    void safePromptIsInTheTokensOfEachConversation() throws IOException {
        Path input = write(
                directory.resolve("p.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"one\"}",
                "{\"custom_id\": \"b\", \"prompt\": \"one\", \"safe_prompt\": false}");

        Outcome outcome = generate(input, output, "--safe-prompt");
        Outcome other = generate(input, output);

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Integer> tokens = rows(output).stream()
                .map(row -> row.<Row>getAs("usage").getInt(0))
                .toList();
        assertThat(tokens.get(0)).isGreaterThan(tokens.get(1) + 20);
        assertThat(other.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(other.lastLine()).contains("--safe-prompt was true and is not given");
    }
}
