package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.Mixtral;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Embeddings, scores, classes and prompts' log-probabilities as columns of a table, with the demo's model. */
class ReadingTasksJobTest {
    private static final Path MODEL = Path.of("../conf/demo/model.gguf");
    private static final Path GOLDEN = Path.of("../kernels/engine/src/test/resources/golden/demo/readings.json");
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path directory;

    private Outcome answer(Path input, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of(
                "--model", MODEL, "--input", input, "--output", directory.resolve("out"), "--activations", "f32"));
        arguments.addAll(List.of(more));
        return run(arguments.toArray());
    }

    private List<Row> answered(Path input, Object... more) {
        Outcome outcome = answer(input, more);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        return rows(directory.resolve("out"));
    }

    private static JsonNode golden(String what) throws IOException {
        return JSON.readTree(GOLDEN.toFile()).get(what);
    }

    private Path input(JsonNode golden, String... fields) throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < golden.size(); i++) {
            ObjectNode line = JSON.createObjectNode().put("custom_id", "row-%02d".formatted(i));
            for (int field = 0; field < fields.length; field += 2) {
                line.set(fields[field], golden.get(i).get(fields[field + 1]));
            }
            lines.add(line.toString());
        }
        return write(directory.resolve("in.jsonl"), lines.toArray(String[]::new));
    }

    @ParameterizedTest
    @CsvSource({"mean", "last"})
    void embeddingsAreAColumn(String pooling) throws Exception {
        JsonNode golden = golden("embeddings");
        List<Row> rows = answered(input(golden, "prompt", "text"), "--task", "embed", "--pooling", pooling);
        assertThat(rows).hasSize(golden.size());
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            assertThat(row.<String>getAs("generated_text")).isNull();
            assertThat(row.<String>getAs("finish_reason")).isNull();
            assertThat(row.<Row>getAs("error")).isNull();
            assertThat(row.<Row>getAs("usage").getInt(0))
                    .isEqualTo(golden.get(i).get("tokens").asInt());
            assertClose(row.getList(row.fieldIndex("embedding")), golden.get(i).get(pooling), 1);
        }
    }

    private static void assertClose(List<Float> embedding, JsonNode golden, double length) {
        assertThat(embedding).hasSameSizeAs(golden);
        for (int i = 0; i < golden.size(); i++) {
            assertThat((double) embedding.get(i)).isCloseTo(golden.get(i).doubleValue() / length, within(1e-3));
        }
    }

    private static double length(JsonNode vector) {
        double squares = 0;
        for (JsonNode value : vector) {
            squares += value.doubleValue() * value.doubleValue();
        }
        return Math.sqrt(squares);
    }

    @Test
    void requestsForEmbeddingsGetOpenAisAnswers() throws Exception {
        JsonNode golden = golden("embeddings");
        Path input = write(
                directory.resolve("batch.jsonl"),
                "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/embeddings\", \"body\": {\"model\": \"m\", \"input\":"
                        + " %s, \"encoding_format\": \"float\"}}"
                                .formatted(golden.get(0).get("text")),
                "{\"custom_id\": \"b\", \"url\": \"/v1/embeddings\", \"body\": {\"input\": [\"x\", \"y\"]}}",
                "{\"custom_id\": \"c\", \"url\": \"/v1/chat/completions\", \"body\": {\"messages\": [{\"role\": \"user\","
                        + " \"content\": \"x\"}]}}");
        Outcome outcome = answer(input, "--task", "embed", "--normalize", "--output-format", "jsonl");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<JsonNode> lines = new ArrayList<>();
        try (Stream<Path> files = Files.list(directory.resolve("out"))) {
            for (Path file :
                    files.filter(file -> file.toString().endsWith(".jsonl")).toList()) {
                for (String line : Files.readAllLines(file)) {
                    lines.add(JSON.readTree(line));
                }
            }
        }
        assertThat(lines).hasSize(3);
        for (JsonNode line : lines) {
            JsonNode body = line.path("response").path("body");
            switch (line.get("custom_id").asText()) {
                case "a" -> {
                    assertThat(body.get("object").asText()).isEqualTo("list");
                    List<Float> vector = new ArrayList<>();
                    body.path("data").path(0).path("embedding").forEach(value -> vector.add(value.floatValue()));
                    JsonNode expected = golden.get(0).get("mean");
                    assertClose(vector, expected, length(expected));
                    assertThat(body.path("usage").path("prompt_tokens").asInt()).isEqualTo(10);
                }
                case "b" ->
                    assertThat(line.path("error").path("message").asText())
                            .isEqualTo("batch.jsonl line 2: input must be a string, not an array");
                default ->
                    assertThat(line.path("error").path("message").asText())
                            .contains("the row asks for the task chat, but the job's is embed");
            }
        }
    }

    @Test
    void completionsAreScored() throws Exception {
        JsonNode golden = golden("scores");
        List<Row> rows = answered(
                input(golden, "prompt", "prompt", "answer", "completion"),
                "--task",
                "score",
                "--completion-column",
                "answer",
                "--logprobs",
                1);
        for (int i = 0; i < rows.size(); i++) {
            JsonNode expected = golden.get(i);
            int tokens = expected.get("token_ids").size();
            Row score = rows.get(i).getAs("score");
            assertThat(score.getDouble(0)).isCloseTo(expected.get("logprob").doubleValue(), within(1e-3 * tokens));
            assertThat(score.getInt(1)).isEqualTo(tokens);
            assertThat(Math.log(score.getDouble(2))).isCloseTo(-score.getDouble(0) / tokens, within(1e-9));
            List<Row> logprobs = rows.get(i).getList(rows.get(i).fieldIndex("logprobs"));
            assertThat(logprobs).hasSize(tokens);
            assertThat(logprobs.getFirst().getInt(0))
                    .isEqualTo(expected.get("token_ids").get(0).asInt());
            assertThat(logprobs.getFirst().getList(3)).hasSize(1);
        }
    }

    @Test
    void textsWithoutPromptsAreScoredAsTheyAre() throws Exception {
        JsonNode golden = golden("scores").get(5);
        Path input = write(
                directory.resolve("in.jsonl"),
                "{\"custom_id\": \"a\", \"text\": %s}".formatted(golden.get("completion")));
        Row score = answered(input, "--task", "score", "--completion-column", "text")
                .getFirst()
                .getAs("score");
        assertThat(score.getDouble(0)).isCloseTo(golden.get("logprob").doubleValue(), within(1e-2));
    }

    @Test
    void classesHaveProbabilities() throws Exception {
        Path input = write(
                directory.resolve("in.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"Reverse the list: red, blue\", \"expected\": \"blue, red\"}",
                "{\"custom_id\": \"b\", \"prompt\": \"Reverse the list: red, blue\", \"guided_choice\": [\"one\", \"two\"]}");
        List<Row> rows = answered(
                input,
                "--task",
                "classify",
                "--choices",
                "red,green",
                "--choices",
                "black",
                "--expected-column",
                "expected");
        Map<String, Double> first = rows.get(0).getJavaMap(rows.get(0).fieldIndex("choice_probabilities"));
        assertThat(first.keySet()).containsExactlyInAnyOrder("red", "green", "black");
        assertThat(first.values().stream().mapToDouble(x -> x).sum()).isCloseTo(1, within(1e-9));
        String label = rows.get(0).getAs("generated_text");
        assertThat(first.get(label))
                .isEqualTo(first.values().stream().mapToDouble(x -> x).max().orElseThrow());
        assertThat(rows.get(0).<String>getAs("finish_reason")).isEqualTo("stop");
        Map<String, Double> second = rows.get(1).getJavaMap(rows.get(1).fieldIndex("choice_probabilities"));
        assertThat(second.keySet()).containsExactlyInAnyOrder("one", "two");
    }

    @Test
    void promptsHaveLogprobsBesideTheirAnswers() throws Exception {
        JsonNode golden = golden("scores").get(5);
        Path input = write(
                directory.resolve("in.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": %s}".formatted(golden.get("completion")),
                "{\"custom_id\": \"b\", \"prompt\": \"x\", \"prompt_logprobs\": 2}");
        List<Row> rows = answered(input, "--task", "complete", "--max-tokens", 2);
        assertThat(rows.get(0).isNullAt(rows.get(0).fieldIndex("prompt_logprobs")))
                .isTrue();
        List<Row> own = rows.get(1).getList(rows.get(1).fieldIndex("prompt_logprobs"));
        assertThat(own).hasSize(1);
        assertThat(own.getFirst().getList(3)).hasSize(2);
        rows = answered(
                input, "--task", "complete", "--max-tokens", 2, "--prompt-logprobs", 0, "--output-mode", "overwrite");
        List<Row> prompt = rows.get(0).getList(rows.get(0).fieldIndex("prompt_logprobs"));
        for (int i = 0; i < prompt.size(); i++) {
            assertThat((double) prompt.get(i).getFloat(2))
                    .isCloseTo(golden.get("token_logprobs").get(i).doubleValue(), within(1e-3));
        }
    }

    @Test
    void tablesAreEmbeddedByTheApi() throws Exception {
        JsonNode golden = golden("embeddings").get(0);
        var table = spark().createDataFrame(
                        List.of(RowFactory.create("a", golden.get("text").asText())),
                        new StructType().add("custom_id", DataTypes.StringType).add("prompt", DataTypes.StringType));
        Mixtral mixtral =
                Mixtral.load(spark(), MODEL.toString()).with("task", "embed").with("activations", "f32");
        Row row = mixtral.generate(table).first();
        assertClose(row.getList(row.fieldIndex("embedding")), golden.get("mean"), 1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--task chat --choices a,b | --choices needs --task classify, not chat",
                "--task embed --completion-column c | --completion-column needs --task score, not embed",
                "--task score --pooling last | --pooling needs --task embed, not score",
                "--normalize | --normalize needs --task embed, not chat",
                "--task embed --n 2 | --n needs answers that are generated, which --task embed has not",
                "--task embed --system-prompt x | --system-prompt needs --task chat",
                "--task score --prompt-logprobs 1 | --prompt-logprobs needs answers that are generated",
                "--task classify --choices ,b | --choices has an empty choice",
                "--task classify --choices a,b,a | --choices has a choice twice",
                "--task classify --choices a --structured-outputs {\"choice\":[\"b\"]} | --choices and --structured-outputs exclude",
                "--task classify --response-format {\"type\":\"json_object\"} | --response-format needs answers that are generated",
                "--task summarize | summarize"
            })
    void optionsThatDoNotFitTheTaskAreRefused(String options, String message) throws Exception {
        Path input = write(directory.resolve("in.jsonl"), "{\"prompt\": \"x\"}");
        Outcome outcome = answer(input, (Object[]) options.split(" ", -1));
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.lastLine()).contains(message);
    }

    @Test
    void aMissingCompletionColumnEndsTheJobBeforeTheModelLoads() throws Exception {
        Path input = write(directory.resolve("in.jsonl"), "{\"prompt\": \"x\"}");
        Outcome outcome = answer(input, "--task", "score");
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.INPUT_INVALID);
        assertThat(outcome.lastLine()).contains("--completion-column", "completion", "its columns are");
    }
}
