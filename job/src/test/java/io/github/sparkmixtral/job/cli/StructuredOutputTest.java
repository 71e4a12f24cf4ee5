package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Answers that have to be something, by the job's options and by rows' own parameters. */
class StructuredOutputTest {
    private static final String SCHEMA =
            "{\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"schema\": {\"type\": \"object\", \"properties\":"
                    + " {\"river\": {\"enum\": [\"Rhine\", \"Elbe\"]}, \"km\": {\"type\": \"integer\", \"minimum\": 100, \"maximum\": 999}},"
                    + " \"required\": [\"river\", \"km\"]}}}";

    @TempDir
    private Path directory;

    private static String text(Row row) {
        return row.getAs("generated_text");
    }

    @Test
    void theJobsFormatHoldsForRowsThatHaveNone() throws Exception {
        Path format = Files.writeString(directory.resolve("format.json"), SCHEMA);
        Path input = write(
                directory.resolve("in.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"Name a river.\"}",
                "{\"custom_id\": \"b\", \"prompt\": \"Is it long?\", \"structured_outputs\": {\"choice\": [\"yes\", \"no\"]}}",
                "{\"custom_id\": \"c\", \"prompt\": \"copy 12\", \"response_format\": {\"type\": \"text\"}}",
                "{\"custom_id\": \"d\", \"prompt\": \"copy 12\", \"structured_outputs\": {\"json\": {\"not\": {}}}}");
        Path output = directory.resolve("out");
        Outcome outcome = run(
                "--model",
                MODEL,
                "--input",
                input,
                "--output",
                output,
                "--temperature",
                "0",
                "--max-tokens",
                "64",
                "--response-format",
                format,
                "--max-error-ratio",
                "1");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(output);
        JsonNode river = new ObjectMapper().readTree(text(rows.get(0)));
        assertThat(river.path("river").asText()).isIn("Rhine", "Elbe");
        assertThat(river.path("km").asInt()).isBetween(100, 999);
        assertThat(rows.get(0).<String>getAs("finish_reason")).isEqualTo("stop");
        assertThat(text(rows.get(1))).isIn("yes", "no");
        assertThat(text(rows.get(2))).doesNotStartWith("{");
        assertThat(rows.get(3).getAs("error").toString())
                .contains("invalid_parameters", "the JSON schema at #/not is a keyword that is not supported");
    }

    @Test
    void aFormatThatCannotBeHeldEndsTheJobBeforeItBegins() throws Exception {
        Path input = write(directory.resolve("in.jsonl"), "{\"prompt\": \"Name a river.\"}");
        Path output = directory.resolve("out");
        Outcome outcome = generate(input, output, "--structured-outputs", "{\"regex\": \"(\"}");
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.lastLine())
                .isEqualTo(
                        "spark-mixtral: --structured-outputs cannot be held: the regular expression has a ( without a ), at character 1 of (");
        assertThat(generate(input, output, "--response-format", "nowhere.json").lastLine())
                .startsWith(
                        "spark-mixtral: --response-format must be a JSON object or a file with one, and nowhere.json cannot be"
                                + " read");
        assertThat(generate(input, output, "--response-format", SCHEMA, "--structured-outputs", "{}")
                        .lastLine())
                .contains("exclude each other");
        assertThat(output).doesNotExist();
    }
}
