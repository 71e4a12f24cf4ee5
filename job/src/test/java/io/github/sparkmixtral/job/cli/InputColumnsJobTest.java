package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole runs over inputs whose columns are not as one would wish. */
class InputColumnsJobTest {
    @TempDir
    private Path directory;

    private Path output;

    @BeforeEach
    void nameTheOutput() {
        output = directory.resolve("out");
    }

    private static void assertDone(Outcome outcome) {
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
    }

    private static String code(Row row) {
        Row error = row.getAs("error");
        return error == null ? null : error.getString(0);
    }

    @Test
    void noTextOfAnyColumnEndsTheJob() throws IOException {
        Path input = write(
                directory.resolve("a.jsonl"),
                "{\"custom_id\": \"a\\ud800\", \"prompt\": \"p\"}",
                "{\"custom_id\": \"b\", \"prompt\": \"p\\udc00\"}",
                "{\"custom_id\": \"c\", \"messages\": [{\"role\": \"user\", \"content\": \"\\ud83d\"}]}",
                "{\"custom_id\": \"d\", \"prompt\": \"p\", \"kind\": \"\\ud800\", \"other\": [\"\\udfff\"]}",
                "{\"custom_id\": \"e\", \"prompt\": \"p\", \"kind\": \"x/y=\\ufffe\", \"nul\": \"\\u0000\"}",
                "{\"custom_id\": \"f\\n/\\u0000\", \"prompt\": \"p\\u0000\", \"kind\": \"\"}",
                "{\"custom_id\": \"" + "g".repeat(1 << 20) + "\", \"prompt\": \"p\"}",
                "{\"custom_id\": \"h\", \"prompt\": \"p\", \"ke\\ud800y\": 1}");

        assertDone(generate(input, output, "--partition-by", "kind"));
        assertThat(rows(output).stream().map(InputColumnsJobTest::code).filter(Objects::nonNull))
                .containsExactlyInAnyOrder("invalid_id", "invalid_prompt", "invalid_messages", "invalid_json");
        assertThat(rows(output)).hasSize(8);
        Path lines = directory.resolve("lines");
        assertDone(generate(input, lines, "--output-format", "jsonl"));
        assertThat(spark().read().text(lines.toString()).count()).isEqualTo(8);
    }

    @Test
    void valuesThatNoDirectoryCanHaveAreFoundBeforeTheModelIsLoaded() throws IOException {
        Path nul = write(directory.resolve("a.jsonl"), "{\"prompt\": \"p\", \"kind\": \"x\\u0000\"}");
        Path large = write(directory.resolve("b.jsonl"), "{\"prompt\": \"p\", \"kind\": \"" + "/".repeat(90) + "\"}");

        assertThat(generate(nul, output, "--partition-by", "kind").lastLine())
                .isEqualTo(
                        "spark-mixtral: --partition-by kind has a value that no directory can be called by, because it"
                                + " holds a NUL: x ");
        assertThat(generate(large, output, "--partition-by", "kind").lastLine())
                .contains("because it is too long: ///");
        assertThat(generate(large, output, "--partition-by", "kin").lastLine())
                .isEqualTo(
                        "spark-mixtral: --partition-by names kin, which is no column of the output; of the input it has"
                                + " kind, prompt");
        assertThat(output).doesNotExist();
    }

    @Test
    void anOutputIsAskedAgain() throws IOException {
        Path input = write(
                directory.resolve("a.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"one\", \"kind\": 1}",
                "{\"custom_id\": \"b\", \"prompt\": null, \"kind\": 2}");
        assertDone(generate(input, output));

        Path again = directory.resolve("again");
        assertDone(generate(output, again, "--input-format", "parquet", "--prompt-template", "Row {kind}"));

        assertThat(rows(again).getFirst().schema().fieldNames())
                .containsExactly(rows(output).getFirst().schema().fieldNames());
        assertThat(rows(again).stream().map(InputColumnsJobTest::code)).containsOnlyNulls();
    }

    @Test
    void rowsThatAreAddedMustNotChangeWhatAColumnIs() throws IOException {
        Path input = write(directory.resolve("a.jsonl"), "{\"id\": \"a\", \"prompt\": \"one\"}");
        assertDone(generate(input, output));
        Files.writeString(input, "{\"id\": \"b\", \"prompt\": \"two\"}\n", StandardOpenOption.APPEND);
        assertDone(generate(input, output));
        assertThat(rows(output)).hasSize(2);

        Files.writeString(input, "{\"id\": \"a\", \"prompt\": \"two\"}\n", StandardOpenOption.APPEND);
        Outcome changed = generate(input, output);

        assertThat(changed.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(changed.lastLine())
                .contains("the rows that were added make the column id data, which was an id or a parameter");
    }

    @Test
    void whatNoRowCanBeAnsweredForIsSaidBeforeTheModelIsLoaded() throws IOException {
        Path input = write(
                directory.resolve("a.jsonl"),
                Collections.nCopies(10, "{\"prompt\": 7}").toArray(String[]::new));

        // The cache is too small for any engine, so that one that is loaded would be the fault.
        Outcome outcome = generate(input, output, "--kv-cache-memory", "1k");

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.INPUT_INVALID);
        assertThat(outcome.lastLine())
                .isEqualTo(
                        "spark-mixtral: none of the 10 rows can be answered, all for one reason; one of them: a.jsonl"
                                + " line 1: prompt must be a string, not a number");
        assertThat(output).doesNotExist();
    }

    @Test
    void outputsAreReadByASessionThatDoesNotMindCase() throws IOException {
        Path input = write(
                directory.resolve("a.jsonl"),
                "{\"prompt\": \"p\", \"Model\": \"T\", \"Prompt\": \"q\", \"Error\": null}");

        assertDone(generate(input, output));

        Row row = rows(output).getFirst();
        assertThat(List.of(row.schema().fieldNames())).contains("input_Model", "input_prompt", "Prompt");
        assertThat(row.<String>getAs("input_Model")).isEqualTo("T");
        assertThat(row.<String>getAs("input_prompt")).isEqualTo("p");
    }
}
