package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.generate;
import static io.github.sparkmixtral.job.SparkFixture.rows;
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
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a rerun of the same command does with what is there. */
class ResumeTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static final String TABLE = "answers_" + System.nanoTime();

    @TempDir
    private Path directory;

    private Path input;
    private Path output;

    @BeforeEach
    void writeInput() throws IOException {
        output = directory.resolve("out");
        input = write(directory.resolve("p.jsonl"), lines(1, 60));
    }

    private static String[] lines(int first, int last) {
        List<String> lines = new ArrayList<>();
        for (int i = first; i <= last; i++) {
            lines.add(i % 9 == 0 ? "" : "{\"custom_id\": \"r" + i + "\", \"prompt\": \"copy " + i + "\"}");
        }
        return lines.toArray(String[]::new);
    }

    private static Map<String, FileTime> times(Path output) throws IOException {
        Map<String, FileTime> times = new HashMap<>();
        for (Path file : chunks(output)) {
            times.put(file.getFileName().toString(), Files.getLastModifiedTime(file));
        }
        return times;
    }

    private static List<Path> chunks(Path output) throws IOException {
        try (Stream<Path> files = Files.list(output)) {
            return files.filter(file -> file.getFileName().toString().startsWith("part-"))
                    .sorted()
                    .toList();
        }
    }

    private static JsonNode manifest(Path output) throws IOException {
        return JSON.readTree(output.resolve("_manifest.json").toFile());
    }

    private static List<String> texts(Path output) {
        return rows(output).stream()
                .map(row -> row.getAs("custom_id") + ": " + row.getAs("generated_text") + row.getAs("error"))
                .toList();
    }

    private static void assertDone(Outcome outcome) {
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
    }

    @Test
    void completeOutputIsLeftAlone() throws IOException {
        assertDone(generate(input, output, "--chunk-rows", 10));
        Map<String, FileTime> before = times(output);
        FileTime success = Files.getLastModifiedTime(output.resolve("_SUCCESS"));

        assertDone(generate(input, output, "--chunk-rows", 10));

        assertThat(times(output)).isEqualTo(before).hasSize(6);
        assertThat(Files.getLastModifiedTime(output.resolve("_SUCCESS"))).isEqualTo(success);
    }

    @Test
    void missingChunksAreAnsweredAndTheOthersKept() throws IOException {
        assertDone(generate(input, output, "--chunk-rows", 10));
        List<String> undisturbed = texts(output);
        List<Path> chunks = chunks(output);
        Map<String, FileTime> before = times(output);
        Files.delete(output.resolve("_SUCCESS"));
        Files.delete(output.resolve("_manifest.json"));
        Files.delete(chunks.get(1));
        Files.delete(chunks.get(4));
        // What a kill leaves of a chunk that was being published.
        Files.writeString(output.resolve(".part-00001-00000000.parquet.x"), "half");

        assertDone(generate(input, output));

        assertThat(texts(output)).isEqualTo(undisturbed);
        assertThat(chunks(output)).isEqualTo(chunks);
        Map<String, FileTime> after = times(output);
        for (int kept : List.of(0, 2, 3, 5)) {
            String name = chunks.get(kept).getFileName().toString();
            assertThat(after.get(name)).isEqualTo(before.get(name));
        }
        assertThat(output.resolve(".part-00001-00000000.parquet.x")).doesNotExist();
        JsonNode manifest = manifest(output);
        assertThat(manifest.at("/rows/resumed").asInt()).isEqualTo(34);
        assertThat(manifest.at("/rows/total").asInt()).isEqualTo(54);
        assertThat(manifest.at("/attempts").asInt()).isEqualTo(2);
        assertThat(manifest.at("/counts/succeeded").asInt()).isEqualTo(54);
        assertThat(manifest.at("/terminal_reason").asText()).isEqualTo("completed");
    }

    @Test
    void rowsAppendedToTheInputAreAnsweredAndTheOthersKept() throws IOException {
        assertDone(generate(input, output, "--chunk-rows", 10));
        Map<String, FileTime> before = times(output);
        List<String> old = texts(output);
        Files.writeString(input, Files.readString(input) + String.join("\n", lines(61, 75)) + "\n");

        assertDone(generate(input, output, "--chunk-rows", 10));

        Map<String, FileTime> after = times(output);
        assertThat(after).containsAllEntriesOf(before).hasSizeGreaterThan(before.size());
        assertThat(texts(output)).containsAll(old).hasSize(54 + 13);
    }

    @Test
    void anotherJobOrInputIsRefusedAndSaysWhatDiffers() throws IOException {
        assertDone(generate(input, output));

        Outcome options = generate(input, output, "--seed", 5, "--max-num-seqs", 8, "--top-p", "0.5");
        Files.writeString(input, Files.readString(input).replace("copy 7", "copy X"));
        Outcome changed = generate(input, output);

        assertThat(options.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(options.lastLine())
                .isEqualTo("spark-mixtral: the output " + output
                        + " is another job's: --seed was 0 and is 5; --top-p was 1.0"
                        + " and is 0.5. Give another --output, or replace it with --output-mode overwrite");
        assertThat(changed.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(changed.lastLine()).contains("p.jsonl has changed");
    }

    @Test
    void tableIsResumedByItsIds() throws IOException {
        spark().range(0, 50)
                .selectExpr("concat('r', id) as custom_id", "concat('copy ', id) as prompt")
                .createOrReplaceTempView("resumed_prompts");
        Object[] table = {"--input-format", "table", "--chunk-rows", 10};
        assertDone(generate(Path.of("resumed_prompts"), output, table));
        List<String> undisturbed = texts(output);
        Files.delete(output.resolve("_SUCCESS"));
        Files.delete(chunks(output).getFirst());
        spark().range(0, 60)
                .selectExpr("concat('r', id) as custom_id", "concat('copy ', id) as prompt")
                .createOrReplaceTempView("resumed_prompts");

        assertDone(generate(Path.of("resumed_prompts"), output, table));

        assertThat(texts(output)).containsAll(undisturbed).hasSize(60).doesNotHaveDuplicates();
    }

    @Test
    void failedRowsAreAskedAgainOnRequestOnly() throws IOException {
        Files.writeString(input, "{\"prompt\": \"copy 1\"}\n{\"prompt\": null}\n{\"prompt\": \"copy 3\"}\n");
        assertDone(generate(input, output, "--chunk-rows", 1));
        Map<String, FileTime> before = times(output);

        assertDone(generate(input, output, "--chunk-rows", 1));
        assertThat(times(output)).isEqualTo(before);

        assertDone(generate(input, output, "--chunk-rows", 1, "--retry-failed", "all"));
        List<String> changed = new ArrayList<>();
        times(output).forEach((name, time) -> {
            if (!time.equals(before.get(name))) {
                changed.add(name);
            }
        });
        assertThat(changed).singleElement().asString().startsWith("part-00001-");
        assertThat(rows(output)).hasSize(3);
    }

    @Test
    void allRowsFailedIsFiveWhateverIsAllowed() throws IOException {
        Files.writeString(input, "{\"prompt\": null}\n{\"prompt\": 5}\n");

        Outcome outcome = generate(input, output, "--max-error-ratio", "1.0");

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.NOT_GOOD_ENOUGH);
        assertThat(outcome.lastLine()).startsWith("spark-mixtral: none of 2 rows could be answered; all rows are in ");
        assertThat(output.resolve("_SUCCESS")).doesNotExist();
    }

    @Test
    void openAiBatchOutputIsWrittenAndResumed() throws IOException {
        Files.writeString(
                input,
                "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", \"body\": {\"messages\":"
                        + " [{\"role\": \"user\", \"content\": \"copy 1\"}], \"logprobs\": true, \"top_logprobs\": 2}}\n"
                        + "{\"custom_id\": \"b\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\":"
                        + " {\"prompt\": \"copy\"}}\n"
                        + "{\"custom_id\": \"c\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", \"body\": {}}\n");

        assertDone(generate(input, output, "--output-format", "jsonl"));

        List<String> answers = new ArrayList<>();
        for (Path file : chunks(output)) {
            answers.addAll(Files.readAllLines(file));
        }
        assertThat(answers).hasSize(2);
        JsonNode chat = JSON.readTree(answers.get(0));
        assertThat(chat.at("/custom_id").asText()).isEqualTo("a");
        assertThat(chat.at("/response/status_code").asInt()).isEqualTo(200);
        assertThat(chat.at("/response/body/object").asText()).isEqualTo("chat.completion");
        assertThat(chat.at("/response/body/choices/0/message/content").asText()).isNotEmpty();
        assertThat(chat.at("/response/body/choices/0/logprobs/content/0/top_logprobs"))
                .hasSize(2);
        assertThat(chat.at("/response/body/usage/total_tokens").asInt()).isPositive();
        assertThat(chat.get("error").isNull()).isTrue();
        assertThat(JSON.readTree(answers.get(1)).at("/response/body/object").asText())
                .isEqualTo("text_completion");
        List<Path> errors;
        try (Stream<Path> files = Files.list(output)) {
            errors = files.filter(file -> file.getFileName().toString().startsWith("errors-"))
                    .toList();
        }
        JsonNode error = JSON.readTree(Files.readString(errors.getFirst()));
        assertThat(error.at("/custom_id").asText()).isEqualTo("c");
        assertThat(error.at("/response/body/error/code").asText()).isEqualTo("invalid_messages");
        assertThat(manifest(output).at("/counts/errored").asInt()).isEqualTo(1);
        assertThat(manifest(output).at("/tokens/completion").asInt()).isPositive();
        FileTime time = Files.getLastModifiedTime(errors.getFirst());
        assertDone(generate(input, output, "--output-format", "jsonl"));
        assertThat(Files.getLastModifiedTime(errors.getFirst())).isEqualTo(time);
    }

    @Test
    void bedrocksBatchInputHasBedrocksOutput() throws IOException {
        Files.writeString(
                input,
                "{\"recordId\": \"R1\", \"modelInput\": {\"prompt\": \"<s>[INST] copy 1 [/INST]\", \"max_tokens\": 3}}\n"
                        + "{\"recordId\": \"R2\", \"modelInput\": {\"messages\": [{\"role\": \"user\", \"content\": \"copy 1\"}],"
                        + " \"max_tokens\": 3}}\n"
                        + "{\"recordId\": \"R3\", \"modelInput\": {\"prompt\": \"\"}}\n");

        assertDone(generate(input, output, "--output-format", "jsonl"));

        List<String> answers = Files.readAllLines(chunks(output).getFirst());
        JsonNode prompt = JSON.readTree(answers.get(0));
        JsonNode messages = JSON.readTree(answers.get(1));
        assertThat(prompt.at("/recordId").asText()).isEqualTo("R1");
        assertThat(prompt.at("/modelInput/max_tokens").asInt()).isEqualTo(3);
        assertThat(prompt.at("/modelOutput/outputs/0/text").asText().strip())
                .as("both are the same tokens")
                .isEqualTo(messages.at("/modelOutput/outputs/0/text").asText());
        assertThat(prompt.at("/modelOutput/usage/prompt_tokens"))
                .isEqualTo(messages.at("/modelOutput/usage/prompt_tokens"));
        assertThat(manifest(output).at("/counts/errored").asInt()).isEqualTo(1);
    }

    @Test
    void columnsBecomeDirectoriesAndChunksAreStillCounted() throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            lines.add("{\"prompt\": \"copy " + i + "\", \"lang\": \"" + (i % 3 == 0 ? "de" : "fr") + "\"}");
        }
        write(input, lines.toArray(String[]::new));

        assertDone(generate(input, output, "--partition-by", "lang", "--chunk-rows", 5));
        List<String> undisturbed = texts(output);
        assertThat(output.resolve("lang=de")).isDirectory();
        assertThat(output.resolve("_chunks")).isDirectory();
        Files.delete(output.resolve("_SUCCESS"));
        try (Stream<Path> markers = Files.list(output.resolve("_chunks"))) {
            Files.delete(markers.findFirst().orElseThrow());
        }

        assertDone(generate(input, output, "--partition-by", "lang", "--chunk-rows", 5));

        assertThat(texts(output)).isEqualTo(undisturbed);
        assertThat(manifest(output).at("/rows/resumed").asInt()).isEqualTo(15);
    }

    @Test
    void answersGoToATableOfTheCatalog() throws IOException {
        spark().sql("drop table if exists " + TABLE);
        Object[] arguments = {
            "--model",
            io.github.sparkmixtral.job.SparkFixture.MODEL,
            "--input",
            input,
            "--output-table",
            TABLE,
            "--temperature",
            0,
            "--max-tokens",
            4
        };

        assertDone(io.github.sparkmixtral.job.SparkFixture.run(arguments));

        List<Row> rows = spark().table(TABLE).orderBy("custom_id").collectAsList();
        assertThat(rows).hasSize(54);
        Files.writeString(input, Files.readString(input) + "{\"custom_id\": \"r99\", \"prompt\": \"copy 99\"}\n");
        assertDone(io.github.sparkmixtral.job.SparkFixture.run(arguments));
        spark().catalog().refreshTable(TABLE);
        assertThat(spark().table(TABLE).count()).isEqualTo(55);
        spark().sql("drop table " + TABLE);
    }
}
