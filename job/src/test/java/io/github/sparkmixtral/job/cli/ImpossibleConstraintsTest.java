package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Constraints that no answer can be held to: a row's own fail that row, the job's end it before it begins. */
class ImpossibleConstraintsTest {

    private record Impossible(String constraint, String message) {}

    private static final List<Impossible> IMPOSSIBLE = List.of(
            new Impossible("{\"regex\": \"a{2,1}\"}", "the regular expression has a wrong {, at character 2 of a{2,1}"),
            new Impossible(
                    "{\"json\": {\"properties\": {\"a\": {\"if\": {}}}}}",
                    "the JSON schema at #/properties/a/if is a keyword that is not supported"),
            new Impossible(
                    "{\"json\": {\"type\": \"string\", \"minLength\": 3, \"maxLength\": 2}}",
                    "the JSON schema at # wants a string of at least 3 and at most 2 characters"),
            new Impossible(
                    "{\"grammar\": \"start ::= [a]\"}", "the rule 'root', which a grammar begins with, is missing"),
            new Impossible(
                    "{\"grammar\": \"root ::= [b] | root [a]\"}",
                    "the rule 'root' begins with itself (root -> root), which no text can be read with: let it end with itself"
                            + " instead"),
            new Impossible("{\"choice\": []}", "the choices must be a list of strings that is not empty"));

    @TempDir
    private Path directory;

    @Test
    void aRowsOwnFailsThatRow() throws Exception {
        List<String> lines = new ArrayList<>();
        for (Impossible each : IMPOSSIBLE) {
            lines.add("{\"custom_id\": \"%d\", \"prompt\": \"Say a.\", \"structured_outputs\": %s}"
                    .formatted(lines.size(), each.constraint()));
        }
        lines.add(
                "{\"custom_id\": \"two\", \"prompt\": \"Say a.\", \"guided_regex\": \"a\", \"guided_choice\": [\"a\"]}");
        lines.add("{\"custom_id\": \"well\", \"prompt\": \"Say a.\", \"guided_regex\": \"[ab]\"}");
        Path input = write(directory.resolve("in.jsonl"), lines.toArray(String[]::new));
        Path output = directory.resolve("out");
        Outcome outcome = generate(input, output, "--max-error-ratio", "1");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(output);
        for (int i = 0; i < IMPOSSIBLE.size(); i++) {
            assertThat(rows.get(i).getAs("error").toString())
                    .contains(
                            "invalid_parameters",
                            "in.jsonl line " + (i + 1),
                            IMPOSSIBLE.get(i).message());
        }
        assertThat(rows.get(IMPOSSIBLE.size()).getAs("error").toString())
                .contains("guided_regex and guided_choice all say what the answer has to be: give one of them");
        assertThat(rows.getLast().<String>getAs("generated_text")).isIn("a", "b");
    }

    @Test
    void theJobsEndsItBeforeItBegins() throws Exception {
        Path input = write(directory.resolve("in.jsonl"), "{\"prompt\": \"Say a.\"}");
        Path output = directory.resolve("out");
        for (Impossible each : IMPOSSIBLE) {
            Outcome outcome = generate(input, output, "--structured-outputs", each.constraint());
            assertThat(outcome.exitCode()).as(each.constraint()).isEqualTo(ExitCode.USAGE);
            assertThat(outcome.lastLine())
                    .isEqualTo("spark-mixtral: --structured-outputs cannot be held: " + each.message());
        }
        Outcome misspelt = generate(input, output, "--response-format", "{\"type\": \"json_object\", \"schma\": {}}");
        assertThat(misspelt.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(misspelt.lastLine())
                .isEqualTo(
                        "spark-mixtral: --response-format has the unknown field 'schma': it may have type, schema, value");
        assertThat(output).doesNotExist();
    }
}
