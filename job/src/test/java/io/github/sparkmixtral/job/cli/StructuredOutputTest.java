package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Answers that have to be something, by the job's options and by rows' own parameters. */
class StructuredOutputTest {
    private static final String SCHEMA =
            "{\"type\": \"json_schema\", \"json_schema\": {\"name\": \"n\", \"schema\": {\"type\": \"object\", \"properties\":"
                    + " {\"river\": {\"enum\": [\"Rhine\", \"Elbe\"]}, \"km\": {\"type\": \"integer\", \"minimum\": 100, \"maximum\": 999}},"
                    + " \"required\": [\"river\", \"km\"]}}}";

    private static final String RIVERS =
            "{\"choice\": [\"Rhine\", \"Elbe\", \"Oder\", \"Danube\", \"Main\", \"Rhine delta\"]}";

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
                "{\"custom_id\": \"d\", \"prompt\": \"copy 12\", \"structured_outputs\": {\"json\": {\"if\": {}}}}");
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
                .contains("invalid_parameters", "the JSON schema at #/if is a keyword that is not supported");
    }

    /** The choices of a row's answer in their order, with the probability of each; null where there are none. */
    private static Map<String, Double> probabilities(Row row) {
        if (row.isNullAt(row.fieldIndex("choice_probabilities"))) {
            return null;
        }
        Map<String, Double> probabilities = new LinkedHashMap<>();
        List<String> choices = row.getList(row.fieldIndex("choices"));
        choices.forEach(choice -> probabilities.put(
                choice,
                row.<String, Double>getJavaMap(row.fieldIndex("choice_probabilities"))
                        .get(choice)));
        return probabilities;
    }

    private Outcome rivers(Path output, Object... more) throws Exception {
        Path input = write(
                directory.resolve("in.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"Name a river.\", \"choice_probabilities\": 7}",
                "{\"custom_id\": \"b\", \"prompt\": \"Is it long?\", \"structured_outputs\": {\"choice\": [\"yes\", \"no\"]}}",
                "{\"custom_id\": \"c\", \"prompt\": \"copy 12\", \"response_format\": {\"type\": \"text\"}}",
                "{\"custom_id\": \"d\", \"prompt\": 3}",
                "{\"custom_id\": \"e\", \"prompt\": \"Is it long?\", \"guided_choice\": [\"yes\", \"no\"], \"n\": 2}");
        List<Object> arguments = new ArrayList<>(List.of("--model", MODEL, "--input", input, "--output", output));
        arguments.addAll(List.of("--structured-outputs", RIVERS, "--logprobs", "1"));
        arguments.addAll(List.of(more));
        return run(arguments.toArray());
    }

    @Test
    void choicesHaveProbabilitiesWithLogprobs() throws Exception {
        Path output = directory.resolve("out");
        Outcome outcome = rivers(output, "--require-complete");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = SparkFixture.spark()
                .read()
                .parquet(output.toString())
                .selectExpr("*", "map_keys(choice_probabilities) AS choices")
                .orderBy("custom_id")
                .collectAsList();
        Map<String, Double> rivers = probabilities(rows.get(0));
        assertThat(rivers.keySet()).containsExactly("Rhine", "Elbe", "Oder", "Danube", "Main", "Rhine delta");
        assertThat(rivers.values()).allSatisfy(value -> assertThat(value).isBetween(0.0, 1.0));
        assertThat(rivers.values().stream().mapToDouble(value -> value).sum()).isCloseTo(1, within(1e-12));
        assertThat(rivers).containsKey(text(rows.get(0)));
        assertThat(rows.get(0).<Long>getAs("input_choice_probabilities")).isEqualTo(7);
        assertThat(probabilities(rows.get(1)).keySet()).containsExactly("yes", "no");
        assertThat(probabilities(rows.get(2))).isNull();
        assertThat(probabilities(rows.get(3))).isNull();
        assertThat(probabilities(rows.get(4))).isEqualTo(probabilities(rows.get(1)));
        assertThat(rows.get(0).<Row>getAs("usage").getInt(1))
                .as("completion tokens are the answer's only")
                .isEqualTo(
                        rows.get(0).getList(rows.get(0).fieldIndex("logprobs")).size());
    }

    @Test
    void batchLinesHaveProbabilitiesBesideTheirChoices() throws Exception {
        Path output = directory.resolve("out");
        Outcome outcome = rivers(output, "--output-format", "jsonl");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<JsonNode> lines = new ArrayList<>();
        try (Stream<Path> files = Files.list(output)) {
            for (Path file : files.filter(file -> file.getFileName().toString().startsWith("part-"))
                    .toList()) {
                for (String line : Files.readAllLines(file)) {
                    lines.add(new ObjectMapper().readTree(line).at("/response/body"));
                }
            }
        }
        assertThat(lines).hasSize(4);
        JsonNode rivers = lines.get(0).path("choice_probabilities");
        assertThat(rivers.fieldNames())
                .toIterable()
                .containsExactly("Rhine", "Elbe", "Oder", "Danube", "Main", "Rhine delta");
        assertThat(rivers.valueStream().mapToDouble(JsonNode::doubleValue).sum())
                .isCloseTo(1, within(1e-12));
        assertThat(lines.get(1).path("choice_probabilities")).hasSize(2);
        assertThat(lines.get(2).has("choice_probabilities")).isFalse();
        assertThat(lines.get(3).path("choices")).hasSize(2);
        assertThat(lines.get(3).path("choice_probabilities"))
                .isEqualTo(lines.get(1).path("choice_probabilities"));
    }

    @Test
    void tooManyChoicesForProbabilitiesEndTheJobBeforeItBegins() throws Exception {
        Path input = write(directory.resolve("in.jsonl"), "{\"prompt\": \"Name a river.\"}");
        String many = IntStream.range(0, 1001).mapToObj(i -> "\"c" + i + "\"").collect(Collectors.joining(", "));
        Path format = Files.writeString(directory.resolve("many.json"), "{\"choice\": [" + many + "]}");
        Path output = directory.resolve("out");
        Outcome outcome = generate(input, output, "--logprobs", "0", "--structured-outputs", format);
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.lastLine())
                .isEqualTo(
                        "spark-mixtral: --structured-outputs has 1001 choices, but with logprobs there may be 1000 at most, for each"
                                + " is computed by itself: give fewer, or leave logprobs out");
        assertThat(output).doesNotExist();
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
