package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class BatchJobTest {

    @TempDir
    private Path directory;

    private Path output;

    @BeforeEach
    void nameTheOutput() {
        output = directory.resolve("out");
    }

    private static String prompt(int i) {
        return "{\"custom_id\": \"row-%04d\", \"prompt\": \"Question %d: what is %d times %d?\", \"weight\": %d.5}"
                .formatted(i, i % 97, i, i + 1, i);
    }

    /** Line by index of the row; each is wrong in its own way. */
    private static Map<Integer, String> brokenLines() {
        String id = "{\"custom_id\": \"row-%04d\", ";
        List<String> kinds = List.of(
                "\"prompt\": null}",
                "\"prompt\": \"\"}",
                "\"prompt\": \"" + "word ".repeat(5000) + "\"}",
                "\"prompt\": 12}",
                "\"prompt\": [\"a\"]}",
                "\"messages\": [{\"role\": \"assistant\", \"content\": \"no\"}, {\"role\": \"user\", \"content\": \"x\"}]}",
                "\"messages\": [{\"role\": \"wizard\", \"content\": \"x\"}]}",
                "\"prompt\": \"x\", \"top_p\": 3}",
                "\"prompt\": \"x\", \"max_tokens\": \"many\"}",
                "\"prompt\": \"not closed}");
        Map<Integer, String> lines = new TreeMap<>();
        for (int i = 0; i < 20; i++) {
            int row = 50 + 97 * i;
            lines.put(row, id.formatted(row) + kinds.get(i % kinds.size()));
        }
        return lines;
    }

    @Test
    void twoThousandRowsOverEightPartitionsWithTwentyBrokenOnes() throws IOException {
        Map<Integer, String> broken = brokenLines();
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            lines.add(broken.getOrDefault(i, prompt(i)));
        }
        Path input = write(directory.resolve("prompts.jsonl"), lines.toArray(String[]::new));

        Outcome outcome = generate(input, output, "--partitions", 8, "--max-num-seqs", 32);

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(output);
        assertThat(rows).hasSize(2000);
        List<Row> failed = rows.stream()
                .filter(row -> !row.isNullAt(row.fieldIndex("error")))
                .toList();
        assertThat(failed).hasSize(20);
        assertThat(failed).allSatisfy(row -> {
            String message = row.getStruct(row.fieldIndex("error")).getString(1);
            assertThat(message).matches("(?s)prompts\\.jsonl line \\d+.*");
            assertThat(row.isNullAt(row.fieldIndex("generated_text"))).isTrue();
            assertThat(row.isNullAt(row.fieldIndex("usage"))).isTrue();
        });
        assertThat(failed.stream()
                        .map(row -> row.getStruct(row.fieldIndex("error")).getString(0))
                        .collect(Collectors.groupingBy(code -> code, Collectors.counting())))
                .isEqualTo(Map.of(
                        "invalid_prompt", 8L,
                        "context_length_exceeded", 2L,
                        "invalid_messages", 4L,
                        "invalid_parameters", 4L,
                        "invalid_json", 2L));
        assertThat(files(output)).hasSize(8);
        assertThat(output.resolve("_SUCCESS")).exists();
        assertManifest(rows);
        assertEqualToOneByOne(rows);
    }

    private static List<Path> files(Path output) throws IOException {
        try (Stream<Path> files = Files.list(output)) {
            return files.filter(file -> file.toString().endsWith(".parquet")).toList();
        }
    }

    private void assertManifest(List<Row> rows) throws IOException {
        JsonNode manifest =
                new ObjectMapper().readTree(output.resolve("_manifest.json").toFile());
        assertThat(manifest.at("/status").asText()).isEqualTo("done");
        assertThat(manifest.at("/rows/total").asLong()).isEqualTo(2000);
        assertThat(manifest.at("/rows/failed").asLong()).isEqualTo(20);
        assertThat(manifest.at("/rows/errors/invalid_json").asLong()).isEqualTo(2);
        long completionTokens = rows.stream()
                .filter(row -> !row.isNullAt(row.fieldIndex("usage")))
                .mapToLong(row -> row.getStruct(row.fieldIndex("usage")).getInt(1))
                .sum();
        assertThat(manifest.at("/tokens/completion").asLong())
                .isEqualTo(completionTokens)
                .isPositive();
        assertThat(manifest.at("/rows/finish_reasons/length").asLong()
                        + manifest.at("/rows/finish_reasons/stop").asLong())
                .isEqualTo(1980);
        assertThat(manifest.at("/options/partitions").asText()).isEqualTo("8");
        assertThat(manifest.at("/options/kv-cache-memory").asText()).isEqualTo("auto");
        assertThat(manifest.at("/versions/spark").asText()).startsWith("4.2");
        assertThat(manifest.at("/model/experts").asInt()).isPositive();
    }

    /** Every answered row, asked alone: one sequence at a time, in an engine of its own. */
    private void assertEqualToOneByOne(List<Row> rows) throws IOException {
        Set<Integer> broken = brokenLines().keySet();
        List<String> good = IntStream.range(0, 2000)
                .filter(i -> !broken.contains(i))
                .mapToObj(BatchJobTest::prompt)
                .toList();
        Path alone = write(directory.resolve("alone.jsonl"), good.toArray(String[]::new));
        Path aloneOutput = directory.resolve("alone");

        Outcome outcome = generate(alone, aloneOutput, "--max-num-seqs", 1, "--partitions", 1);

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        Map<String, String> texts = rows.stream()
                .filter(row -> !row.isNullAt(row.fieldIndex("generated_text")))
                .collect(Collectors.toMap(
                        row -> row.getString(row.fieldIndex("custom_id")),
                        row -> row.getString(row.fieldIndex("generated_text"))));
        assertThat(texts).hasSize(1980);
        assertThat(rows(aloneOutput))
                .hasSize(1980)
                .allSatisfy(row -> assertThat(row.getString(row.fieldIndex("generated_text")))
                        .isEqualTo(texts.get(row.getString(row.fieldIndex("custom_id")))));
    }

    @Test
    void batchFileOfVllmIsUnderstood() throws IOException {
        Path input = write(
                directory.resolve("openai_example_batch.jsonl"),
                "{\"custom_id\": \"request-1\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", \"body\": {\"model\":"
                        + " \"meta-llama/Meta-Llama-3-8B-Instruct\", \"messages\": [{\"role\": \"system\", \"content\": \"You are a helpful"
                        + " assistant.\"},{\"role\": \"user\", \"content\": \"Hello world!\"}],\"max_completion_tokens\": 3}}",
                "{\"custom_id\": \"request-2\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": \"Hello\","
                        + " \"max_tokens\": 2}}",
                "{\"custom_id\": \"request-3\", \"method\": \"POST\", \"url\": \"/v1/embeddings\", \"body\": {\"input\": \"x\"}}");

        Outcome outcome = generate(input, output);

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(output);
        assertThat(rows).hasSize(3);
        assertThat(rows.get(0).getStruct(rows.get(0).fieldIndex("usage")).getInt(1))
                .isEqualTo(3);
        assertThat(rows.get(1).getStruct(rows.get(1).fieldIndex("usage")).getInt(0))
                .isEqualTo(2);
        assertThat(rows.get(1).getStruct(rows.get(1).fieldIndex("usage")).getInt(1))
                .isEqualTo(2);
        assertThat(rows.get(2).getStruct(rows.get(2).fieldIndex("error")).getString(0))
                .isEqualTo("unsupported_url");
        assertThat(rows.get(0).schema().fieldNames())
                .containsExactly(
                        "body",
                        "method",
                        "url",
                        "custom_id",
                        "generated_text",
                        "finish_reason",
                        "usage",
                        "error",
                        "model",
                        "seed");
    }

    @Test
    void severalOutputsAndLogprobsHaveTheirColumns() throws IOException {
        Path input = write(
                directory.resolve("p.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"one\", \"n\": 3, \"temperature\": 1.0, \"seed\": 9}",
                "{\"custom_id\": \"b\", \"prompt\": \"two\", \"logprobs\": 2, \"ignore_eos\": true}",
                "{\"custom_id\": \"c\", \"prompt\": 3}");

        Outcome outcome = generate(input, output, "--seed", 5);

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(output);
        Row several = rows.get(0);
        Row logprobs = rows.get(1);
        List<Row> outputs = several.getList(several.fieldIndex("outputs"));
        assertThat(outputs).hasSize(3);
        assertThat(outputs.get(0).getString(1)).isEqualTo(several.getString(several.fieldIndex("generated_text")));
        assertThat(outputs.stream().map(output -> output.getInt(0))).containsExactly(0, 1, 2);
        assertThat(several.getLong(several.fieldIndex("seed"))).isEqualTo(9);
        assertThat(several.isNullAt(several.fieldIndex("logprobs"))).isTrue();
        assertThat(logprobs.getLong(logprobs.fieldIndex("seed"))).isEqualTo(5);
        List<Row> tokens = logprobs.getList(logprobs.fieldIndex("logprobs"));
        assertThat(tokens).hasSize(4).allSatisfy(token -> {
            assertThat(token.getFloat(2)).isNegative();
            List<Row> top = token.getList(3);
            assertThat(top).hasSize(2);
            // Greedy: the chosen token is the likeliest.
            assertThat(top.get(0).getInt(0)).isEqualTo(token.getInt(0));
            assertThat(top.get(0).getFloat(2)).isEqualTo(token.getFloat(2));
        });
        Row failed = rows.get(2);
        assertThat(failed.isNullAt(failed.fieldIndex("outputs"))).isTrue();
        assertThat(failed.isNullAt(failed.fieldIndex("error"))).isFalse();
    }

    @Test
    void labelledRowsAreScored() throws IOException {
        Path input = write(directory.resolve("p.jsonl"), "{\"prompt\": \"one\"}", "{\"prompt\": \"two\"}");
        Path first = directory.resolve("first");
        generate(input, first);
        List<String> texts = rows(first).stream()
                .map(row -> row.getString(row.fieldIndex("generated_text")))
                .toList();
        ObjectMapper json = new ObjectMapper();
        Path labelled = write(
                directory.resolve("labelled.jsonl"),
                "{\"prompt\": \"one\", \"kind\": \"a\", \"label\": " + json.writeValueAsString(texts.get(0)) + "}",
                "{\"prompt\": \"two\", \"kind\": \"a\", \"label\": " + json.writeValueAsString(texts.get(1) + "x")
                        + "}",
                "{\"prompt\": null, \"kind\": \"b\", \"label\": \"never\"}",
                "{\"prompt\": \"two\", \"kind\": \"b\"}");

        Outcome outcome = generate(labelled, output, "--expected-column", "label", "--score-by", "kind");

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        JsonNode score =
                json.readTree(output.resolve("_manifest.json").toFile()).path("score");
        assertThat(score.findParents("interval_95")).hasSize(3).allSatisfy(share -> {
            JsonNode interval = ((ObjectNode) share).remove("interval_95");
            double mean = share.path("mean").asDouble();
            assertThat(mean)
                    .isBetween(interval.path(0).asDouble(), interval.path(1).asDouble());
        });
        assertThat(score).isEqualTo(json.readTree("""
                        {"expected_column": "label", "match": "exact", "rows": 3, "correct": 1, "mean": 0.3333333333333333,
                         "unlabelled_rows": 1, "faulty_rows": 0, "by": "kind",
                         "groups": [
                          {"value": "a", "rows": 2, "correct": 1, "mean": 0.5},
                          {"value": "b", "rows": 1, "correct": 0, "mean": 0.0}]}"""));
        assertThat(json.readTree(first.resolve("_manifest.json").toFile()).has("score"))
                .isFalse();
    }

    @Test
    void existingOutputIsNotTouchedUnlessAsked() throws IOException {
        Path input = write(directory.resolve("p.txt"), "one", "", "two");
        Files.createDirectories(output);
        Files.writeString(output.resolve("precious.txt"), "x");

        Outcome refused = generate(input, output);

        assertThat(refused.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(refused.lastLine())
                .isEqualTo("spark-mixtral: the output " + output
                        + " exists and is not a job's that could be resumed (it has no _job.json): give another --output,"
                        + " remove it, or replace it with --output-mode overwrite");
        assertThat(output.resolve("precious.txt")).exists();

        Outcome replaced = generate(input, output, "--output-mode", "overwrite");

        assertThat(replaced.exitCode()).as(replaced.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(output.resolve("precious.txt")).doesNotExist();
        assertThat(rows(output).stream().map(row -> row.getString(row.fieldIndex("custom_id"))))
                .containsExactly("p.txt#1", "p.txt#3");

        assertThat(generate(input, output, "--output-mode", "error").lastLine())
                .startsWith("spark-mixtral: the output " + output + " exists: ");
    }

    @Test
    void whatAKilledJobHasLeftIsNoOutput() throws IOException {
        Path input = write(directory.resolve("p.txt"), "one");
        Files.createDirectories(output.resolve("_temporary/0"));

        assertThat(generate(input, output).exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(rows(output)).hasSize(1);
    }

    @Test
    void outputThatHoldsTheInputIsRefused() throws IOException {
        Path input = write(directory.resolve("p.txt"), "one");

        Outcome outcome = generate(input, directory, "--output-mode", "overwrite");

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.lastLine()).contains("holds the input p.txt");
        assertThat(input).exists();
    }

    @Test
    void tooManyErrorsEndWithFiveAndKeepTheRows() throws IOException {
        Path input =
                write(directory.resolve("p.jsonl"), "{\"prompt\": \"a\"}", "{\"prompt\": null}", "{\"prompt\": \"b\"}");

        Outcome tolerated = generate(input, directory.resolve("tolerated"), "--max-error-ratio", "0.4");
        Outcome outcome = generate(input, output, "--fail-on-error");

        assertThat(tolerated.exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.NOT_GOOD_ENOUGH);
        assertThat(outcome.lastLine())
                .isEqualTo("spark-mixtral: 1 of 3 rows have errors, more than --fail-on-error allows; all rows are in "
                        + output + "; one error: p.jsonl line 2: prompt is null");
        assertThat(rows(output)).hasSize(3);
        assertThat(output.resolve("_SUCCESS")).doesNotExist();
        assertThat(new ObjectMapper()
                        .readTree(output.resolve("_manifest.json").toFile())
                        .at("/status")
                        .asText())
                .isEqualTo("too_many_errors");
    }

    @Test
    void modelThatCannotBeLoadedEndsWithFour() throws IOException {
        Path input = write(directory.resolve("p.txt"), "one");
        Path broken = Files.writeString(directory.resolve("broken.gguf"), "GGUF no");

        Outcome missing = run("--model", directory.resolve("none"), "--input", input, "--output", output);
        Outcome unreadable = run("--model", broken, "--input", input, "--output", output);

        assertThat(missing.exitCode()).isEqualTo(ExitCode.MODEL_UNUSABLE);
        assertThat(missing.lastLine())
                .isEqualTo(
                        "spark-mixtral: no such model: " + directory.resolve("none")
                                + ": give a path that exists, a URI,"
                                + " or a model of the Hugging Face Hub with its owner, such as mistralai/Mixtral-8x7B-Instruct-v0.1");
        assertThat(unreadable.exitCode()).isEqualTo(ExitCode.MODEL_UNUSABLE);
        assertThat(unreadable.lastLine()).contains("broken.gguf");
        assertThat(output).doesNotExist();
    }

    @Test
    void whatTheExecutorFindsWrongIsToldAsTheRootCause() throws IOException {
        Path input = write(directory.resolve("p.txt"), "one");

        Outcome outcome = generate(input, output, "--kv-cache-memory", "1k");

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.MODEL_UNUSABLE);
        assertThat(outcome.lastLine()).startsWith("spark-mixtral: ").contains("cache");
        assertThat(output.resolve("_SUCCESS")).doesNotExist();
        assertThat(generate(input, output).exitCode()).isEqualTo(ExitCode.DONE);
    }

    @Test
    void limitsOfTheModelAreCheckedBeforeTheRun() throws IOException {
        Path input = write(directory.resolve("p.txt"), "one");

        Outcome length = generate(input, output, "--max-model-len", 1_000_000);
        Outcome backend = generate(input, output, "--backend", "abacus");

        assertThat(length.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(length.lastLine()).contains("--max-model-len must be at most ", "not 1000000");
        assertThat(backend.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(backend.lastLine()).contains("--backend must be one of auto, ", "cpu", ", not abacus");
    }

    @Test
    void samePromptsGiveTheSameSampledTextsHoweverTheyAreSpread() throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            lines.add(prompt(i));
        }
        Path input = write(directory.resolve("p.jsonl"), lines.toArray(String[]::new));
        Path other = directory.resolve("other");

        run(
                "--model",
                SparkFixture.MODEL,
                "--input",
                input,
                "--output",
                output,
                "--max-tokens",
                4,
                "--temperature",
                "1.5",
                "--partitions",
                1,
                "--seed",
                3);
        Outcome outcome = run(
                "--model",
                SparkFixture.MODEL,
                "--input",
                input,
                "--output",
                other,
                "--max-tokens",
                4,
                "--temperature",
                "1.5",
                "--partitions",
                5,
                "--seed",
                3,
                "--max-num-seqs",
                3);

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(rows(other)).hasSize(30);
        assertThat(rows(other)).isEqualTo(rows(output));
    }

    @Test
    @Timeout(120)
    void killedJobLeavesNothingThatLooksCompleteAndTheNextOneRuns() throws IOException {
        Path input = write(directory.resolve("p.txt"), "one", "two", "three");
        SparkContext context = SparkFixture.spark().sparkContext();
        SparkListener killer = new SparkListener() {
            @Override
            public void onTaskStart(SparkListenerTaskStart start) {
                if (Files.exists(output.resolve("_job.json"))) {
                    Thread.ofVirtual().start(context::cancelAllJobs);
                }
            }
        };
        context.addSparkListener(killer);
        Outcome killed;
        try {
            killed = run(
                    "--model",
                    SparkFixture.MODEL,
                    "--input",
                    input,
                    "--output",
                    output,
                    "--max-tokens",
                    4000,
                    "--ignore-eos",
                    "--n",
                    100);
        } finally {
            context.removeSparkListener(killer);
        }

        assertThat(killed.exitCode()).isEqualTo(ExitCode.FAILED);
        assertThat(killed.lastLine()).contains("cancelled");
        assertThat(output.resolve("_SUCCESS")).doesNotExist();
        assertThat(output.resolve("_manifest.json")).doesNotExist();
        assertThat(generate(input, output, "--output-mode", "overwrite").exitCode())
                .isEqualTo(ExitCode.DONE);
        assertThat(rows(output)).hasSize(3);
    }
}
