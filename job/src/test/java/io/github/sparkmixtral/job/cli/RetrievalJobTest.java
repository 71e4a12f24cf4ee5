package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.rows;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Indexes of documents, and rows that are answered from them. */
class RetrievalJobTest {
    private static final Path DEMO = MODEL.getParent();

    @TempDir
    private Path directory;

    private Path documents;
    private Path questions;
    private Path index;
    private Path output;

    @BeforeEach
    void writeDocuments() throws IOException {
        documents = write(
                directory.resolve("documents.jsonl"),
                "{\"id\": \"a\", \"text\": \"The mayor of Tylsho is Wamfondlar By. Tylsho has 9365 inhabitants.\", \"page\": 3}",
                "{\"id\": \"b\", \"text\": \"Flan Motors has 2735 workers. The head of Flan Motors is Sam Prothbrais.\"}",
                "{\"id\": \"c\", \"text\": \"The grey table weighs 780 grams. The grey table was made by Drend.\"}");
        questions = write(
                directory.resolve("questions.jsonl"),
                "{\"custom_id\": \"1\", \"prompt\": \"Who is the mayor of Tylsho?\", \"topic\": \"grey table\"}",
                "{\"custom_id\": \"2\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello.\"}, {\"role\": \"assistant\","
                        + " \"content\": \"Hello.\"}, {\"role\": \"user\", \"content\": \"How many workers does Flan Motors have?\"}],"
                        + " \"topic\": \"grey table\"}",
                "{\"custom_id\": \"3\", \"prompt\": \"xyz\", \"topic\": \"grey table\"}",
                "{\"custom_id\": \"4\", \"prompt\": \"\", \"topic\": \"grey table\"}");
        index = directory.resolve("index");
        output = directory.resolve("out");
    }

    private Outcome index(Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("index", "--input", documents, "--output", index));
        arguments.addAll(List.of(more));
        return run(arguments.toArray());
    }

    private void requireIndex(Object... more) {
        Outcome outcome = index(more);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
    }

    private Outcome answer(Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("--context-index", index));
        arguments.addAll(List.of(more));
        return answerWithout(arguments.toArray());
    }

    /** Without an index, unless one is given. */
    private Outcome answerWithout(Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("--model", MODEL, "--input", questions, "--output", output));
        arguments.addAll(List.of("--temperature", 0, "--max-tokens", 12));
        arguments.addAll(List.of(more));
        return run(arguments.toArray());
    }

    private ObjectNode descriptor() throws IOException {
        return (ObjectNode)
                new ObjectMapper().readTree(index.resolve("_index.json").toFile());
    }

    private List<Path> parts() throws IOException {
        try (Stream<Path> files = Files.list(index)) {
            return files.filter(file -> file.getFileName().toString().startsWith("part-"))
                    .toList();
        }
    }

    private static List<String> passages(Row row) {
        return row.<Row>getList(row.fieldIndex("contexts")).stream()
                .map(passage -> passage.getString(0))
                .toList();
    }

    @Test
    void theDemosQuestionsAreAnsweredFromItsDocuments() {
        documents = DEMO.resolve("documents.jsonl");
        requireIndex("--chunk-size", 100, "--chunk-overlap", 0, "--partitions", 3);
        questions = DEMO.resolve("questions.jsonl");
        Outcome outcome = answer("--context-k", 3);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        var answers = spark().read().parquet(output.toString());
        var known = answers.where("document IS NOT NULL");
        assertThat(known.count()).isEqualTo(100);
        assertThat(known.where("exists(contexts, c -> contains(c.text, sentence))")
                        .count())
                .as("questions whose passage was found")
                .isGreaterThanOrEqualTo(98);
        assertThat(known.where("trim(generated_text) = expected").count())
                .as("right answers")
                .isGreaterThanOrEqualTo(90);
        assertThat(known.where("size(contexts) BETWEEN 1 AND 3").count()).isEqualTo(100);
    }

    @Test
    void passagesStandInPromptsAndInAColumn() throws IOException {
        requireIndex();
        Outcome outcome = answer("--context-k", 1, "--drop-columns", "topic");
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        List<Row> rows = rows(output);
        assertThat(rows.getFirst().schema().apply("contexts").dataType().sql())
                .isEqualTo("ARRAY<STRUCT<id: STRING, score: DOUBLE, text: STRING>>");
        assertThat(rows.get(0).<String>getAs("generated_text")).isEqualTo("Wamfondlar By");
        assertThat(passages(rows.get(0))).containsExactly("a#1");
        assertThat(rows.get(1).<String>getAs("generated_text")).isEqualTo("2735");
        assertThat(passages(rows.get(1))).containsExactly("b#1");
        assertThat(rows.get(1).<String>getAs("messages")).doesNotContain("Context");
        assertThat(passages(rows.get(2))).isEmpty();
        assertThat(rows.get(2).<Row>getAs("error")).isNull();
        assertThat(rows.get(3).<Row>getAs("error").getString(0)).isEqualTo("invalid_prompt");
        assertThat(passages(rows.get(3))).isEmpty();
    }

    @Test
    void templatesAndQueriesSayWhatIsAskedAndSearched() throws IOException {
        questions = write(
                directory.resolve("questions.jsonl"),
                "{\"custom_id\": \"1\", \"question\": \"Who made the grey table?\", \"topic\": \"Tylsho\", \"context\": \"mine\"}");
        requireIndex();
        Outcome outcome = answer("--prompt-template", "Context:\n{context}\n\nQuestion: {question}", "--context-k", 2);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(passages(rows(output).getFirst())).startsWith("c#1");
        assertThat(rows(output).getFirst().<String>getAs("generated_text")).isEqualTo("Drend");
        Outcome queried = answer(
                "--prompt-template",
                "{context} {question}",
                "--context-query",
                "{topic} mayor",
                "--context-k",
                1,
                "--output-mode",
                "overwrite",
                "--output-format",
                "jsonl");
        assertThat(queried.exitCode()).as(queried.lastLine()).isEqualTo(ExitCode.DONE);
        var line = spark().read()
                .json(output + "/part-*.jsonl")
                .selectExpr("response.body.contexts")
                .first();
        assertThat(line.<Row>getList(0).getFirst().<String>getAs("id")).isEqualTo("a#1");
    }

    @Test
    void passagesAreWholeAndWithinTheirTokens() throws IOException {
        requireIndex("--chunk-size", 40, "--chunk-overlap", 0);
        Outcome outcome = answer("--context-query", "topic", "--context-k", 9, "--context-max-tokens", 24);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        Row row = rows(output).getFirst();
        assertThat(passages(row)).hasSize(1).first().asString().startsWith("c#");
        Outcome nothing = answer("--context-max-tokens", 1, "--output-mode", "overwrite");
        assertThat(nothing.exitCode()).as(nothing.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(passages(rows(output).getFirst())).isEmpty();
    }

    @Test
    void vectorsAreTheModelsAndFusedWithWords() throws IOException {
        requireIndex(
                "--model",
                MODEL,
                "--chunk-unit",
                "tokens",
                "--chunk-size",
                24,
                "--chunk-overlap",
                0,
                "--partitions",
                2);
        assertThat(descriptor().path("vectors").path("dimension").asInt()).isEqualTo(128);
        for (String mode : List.of("vector", "hybrid")) {
            Outcome outcome = answer("--context-mode", mode, "--context-k", 2, "--output-mode", "overwrite");
            assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
            List<Row> rows = rows(output);
            assertThat(passages(rows.get(0))).hasSize(2);
            // Words say nothing of this question, vectors do.
            assertThat(passages(rows.get(2))).hasSize(2);
            assertThat(rows.get(3).<Row>getAs("error").getString(0)).isEqualTo("invalid_prompt");
        }
        Files.writeString(questions, "{\"custom_id\": \"1\", \"prompt\": \"" + "word ".repeat(5000) + "\"}\n");
        Outcome long1 = answer("--context-mode", "vector", "--output-mode", "overwrite");
        assertThat(long1.exitCode()).isEqualTo(ExitCode.NOT_GOOD_ENOUGH);
        assertThat(rows(output).getFirst().<Row>getAs("error").getString(0)).isEqualTo("context_length_exceeded");
    }

    @Test
    void aRemoteIndexIsFetchedOnce() throws IOException {
        requireIndex();
        Path cache = directory.resolve("cache");
        Outcome outcome = answerWithout("--context-index", "flaky:" + index, "--context-k", 1, "--model-cache", cache);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(passages(rows(output).getFirst())).containsExactly("a#1");
        String part = parts().getFirst().getFileName().toString();
        try (Stream<Path> files = Files.walk(cache)) {
            assertThat(files.map(file -> file.getFileName().toString())).containsOnlyOnce(part);
        }
    }

    @Test
    void oneCommandFromDocumentsToAnswers() throws IOException {
        Object[] options = {"--documents", documents, "--context-k", 1, "--chunk-size", 500};
        Outcome outcome = answerWithout(options);
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        index = directory.resolve("out.index");
        assertThat(rows(output).getFirst().<String>getAs("generated_text")).isEqualTo("Wamfondlar By");
        List<Path> before = parts();
        assertThat(answerWithout(options).exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(parts()).isEqualTo(before);
        Files.writeString(documents, "{\"id\": \"d\", \"text\": \"More.\"}\n", java.nio.file.StandardOpenOption.APPEND);
        Outcome grown = answerWithout(options);
        assertThat(grown.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(grown.lastLine()).contains("out.index is another one", "more documents");
    }

    @Test
    void anIndexIsMadeOnceAndReplacedAsAWhole() throws IOException {
        requireIndex();
        List<Path> parts = parts();
        requireIndex();
        assertThat(parts()).isEqualTo(parts);
        Outcome other = index("--chunk-size", 50);
        assertThat(other.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(other.lastLine()).contains("--chunk-size was 1000 and is 50");
        assertThat(index("--output-mode", "error").exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);

        assertThat(answer().exitCode()).isEqualTo(ExitCode.DONE);
        requireIndex("--output-mode", "overwrite");
        assertThat(parts()).hasSize(1).doesNotContainAnyElementsOf(parts);
        Outcome resumed = answer();
        assertThat(resumed.exitCode())
                .as("the same documents and options: %s", resumed.lastLine())
                .isEqualTo(ExitCode.DONE);
        requireIndex("--chunk-size", 50, "--output-mode", "overwrite");
        Outcome changed = answer();
        assertThat(changed.exitCode()).isEqualTo(ExitCode.OUTPUT_EXISTS);
        assertThat(changed.lastLine()).contains("the index of --context-index is another one");
    }

    @Test
    void documentsWithoutATextAreCountedAndLeftOut() throws IOException {
        Files.writeString(
                documents,
                "{\"id\": \"d\", \"text\": \" \"}\n{\"id\": \"e\"}\nno json\n{\"id\": \"f\", \"text\": 7}\n",
                java.nio.file.StandardOpenOption.APPEND);
        requireIndex();
        assertThat(descriptor().path("documents").asInt()).isEqualTo(3);
        assertThat(descriptor().path("skipped").asInt()).isEqualTo(4);
        Path none = write(directory.resolve("none.jsonl"), "{\"id\": \"e\", \"text\": \"\"}");
        Outcome outcome = run("index", "--input", none, "--output", directory.resolve("empty"));
        assertThat(outcome.exitCode()).isEqualTo(ExitCode.INPUT_INVALID);
        assertThat(outcome.lastLine()).contains("no document has a text to index", "none.jsonl line 1: text is empty");
        assertThat(directory.resolve("empty")).doesNotExist();
    }

    private void requireRefused(String reason, ExitCode code, Outcome outcome) {
        assertThat(outcome.lastLine()).startsWith("spark-mixtral: ").contains(reason);
        assertThat(outcome.exitCode()).as(reason).isEqualTo(code);
        assertThat(output).doesNotExist();
    }

    @Test
    void whatCannotBeSearchedIsRefused() throws IOException {
        requireRefused("does not exist: build it", ExitCode.USAGE, answer());
        Files.createDirectories(index);
        requireRefused("has no _index.json", ExitCode.USAGE, answer());
        Files.writeString(index.resolve("part-00000-ab12.tar"), "");
        requireRefused("is incomplete", ExitCode.USAGE, answer());
        requireIndex();
        requireRefused(
                "has no vectors, which --context-mode hybrid needs",
                ExitCode.USAGE,
                answer("--context-mode", "hybrid"));
        requireRefused("--context-k must be at least 1, not 0", ExitCode.USAGE, answer("--context-k", 0));
        requireRefused("--prompt-template has no {context}", ExitCode.USAGE, answer("--prompt-template", "{prompt}"));
        requireRefused(
                "--context-query is missing",
                ExitCode.USAGE,
                answer("--prompt-template", "{context} {prompt} {topic}"));
        requireRefused("--context-query names nothing", ExitCode.INPUT_INVALID, answer("--context-query", "nothing"));
        requireRefused("no meaning with --task embed", ExitCode.USAGE, answer("--task", "embed"));
        requireRefused("--context-k needs --context-index", ExitCode.USAGE, answerWithout("--context-k", 3));
        requireRefused("--chunk-size needs --documents", ExitCode.USAGE, answerWithout("--chunk-size", 3));
        requireRefused(
                "--prompt-template has {context}, but no passages",
                ExitCode.INPUT_INVALID,
                answerWithout("--prompt-template", "{context} {topic}"));
        String whole = descriptor().toString();
        ObjectNode descriptor = descriptor();
        descriptor
                .putObject("vectors")
                .put("model", "00")
                .put("model_name", "other.gguf")
                .put("dimension", 64);
        Files.writeString(index.resolve("_index.json"), descriptor.toString());
        requireRefused("has vectors of another model (other.gguf)", ExitCode.USAGE, answer("--context-mode", "vector"));
        Files.writeString(
                index.resolve("_index.json"),
                descriptor.put("schema_version", 9).toString());
        requireRefused("is of another version", ExitCode.USAGE, answer());
        Files.writeString(index.resolve("_index.json"), "{");
        requireRefused("is not what spark-mixtral index writes", ExitCode.USAGE, answer());
        requireRefused("is not what spark-mixtral index writes", ExitCode.OUTPUT_EXISTS, index());
        Files.writeString(index.resolve("_index.json"), whole);
        Files.delete(parts().getFirst());
        requireRefused("is damaged: part-", ExitCode.USAGE, answer());
        requireRefused("is damaged: part-", ExitCode.USAGE, index());
    }

    @Test
    void optionsOfAnIndexAreChecked() throws IOException {
        requireRefused("--chunk-size must be at least 1", ExitCode.USAGE, index("--chunk-size", 0));
        requireRefused(
                "--chunk-overlap must be less than --chunk-size, which is 10, not 10",
                ExitCode.USAGE,
                index("--chunk-size", 10, "--chunk-overlap", 10));
        requireRefused("--chunk-unit tokens needs --model", ExitCode.USAGE, index("--chunk-unit", "tokens"));
        requireRefused("--bm25-only is of no use", ExitCode.USAGE, index("--bm25-only"));
        requireRefused(
                "--text-column names body, which is no column", ExitCode.INPUT_INVALID, index("--text-column", "body"));
        requireRefused("unknown option --context-k", ExitCode.USAGE, index("--context-k", 3));
        Path foreign = Files.createDirectories(directory.resolve("foreign"));
        Files.writeString(foreign.resolve("mine.txt"), "");
        requireRefused(
                "is no index, for it holds mine.txt",
                ExitCode.OUTPUT_EXISTS,
                run("index", "--input", documents, "--output", foreign));
        Outcome help = run("index", "--help");
        assertThat(help.out()).contains("--chunk-size=N", "--text-column=NAME", "Makes an index of documents");
        assertThat(Arrays.stream(help.out().split("\n")).allMatch(line -> line.length() <= 110))
                .isTrue();
    }
}
