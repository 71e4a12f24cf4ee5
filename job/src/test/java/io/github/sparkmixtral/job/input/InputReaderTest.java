package io.github.sparkmixtral.job.input;

import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.github.sparkmixtral.job.cli.OptionParser;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.service.RowRequest;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputReaderTest {

    @TempDir
    private Path directory;

    private static JobOptions options(Object... arguments) {
        List<String> all = new ArrayList<>(List.of("--model", "m", "--output", "out"));
        Stream.of(arguments).map(Object::toString).forEach(all::add);
        return OptionParser.parse(all.toArray(String[]::new), new PrintWriter(new StringWriter()))
                .orElseThrow();
    }

    private static Input read(Object... arguments) {
        return new InputReader(spark(), options(arguments).source()).read();
    }

    private static String fault(ExitCode code, Object... arguments) {
        JobException thrown = catchThrowableOfType(JobException.class, () -> read(arguments));
        assertThat(thrown).isNotNull();
        assertThat(thrown.exitCode()).isEqualTo(code);
        return thrown.getMessage();
    }

    private static List<PromptRow> prompts(Input input) {
        return input.rows().collectAsList().stream()
                .map(row -> input.reader().read(row))
                .sorted(Comparator.comparing(PromptRow::id))
                .toList();
    }

    private static List<String> columns(Input input) {
        return Arrays.asList(input.rows().columns()).subList(0, input.columns());
    }

    /** The text of a row's prompt; null where it has none. */
    private static String prompt(PromptRow row) {
        RowRequest.Field prompt = row.request() == null ? null : row.request().prompt();
        return prompt == null || prompt.value() == null ? null : CellValues.text(prompt.value());
    }

    private static List<String> ids(Input input) {
        return prompts(input).stream().map(PromptRow::id).toList();
    }

    @AfterEach
    void restore() {
        spark().conf().unset("spark.sql.files.maxPartitionBytes");
    }

    @Test
    void linesOfJsonKeepTheirColumnsAndTheirNumbers() throws IOException {
        Path file = write(
                directory.resolve("a.jsonl"),
                "\ufeff{\"prompt\": \"one\", \"tags\": [\"x\"], \"deep\": {\"k\": 1}, \"empty\": {}}",
                "",
                "  ",
                "{\"prompt\": \"two\", \"extra\": null}\r",
                "{broken");

        Input input = read("--input", file);

        assertThat(input.survey()).isEqualTo(new Input.Survey(3, false, false, false, false, false));
        assertThat(columns(input)).containsExactly("_corrupt_record", "deep", "empty", "extra", "prompt", "tags");
        assertThat(prompts(input).stream().map(InputReaderTest::prompt)).containsExactly("one", "two", null);
        assertThat(ids(input)).containsExactly("a.jsonl#1", "a.jsonl#4", "a.jsonl#5");
        Row first = input.rows().filter("prompt = 'one'").head();
        assertThat(first.<String>getList(first.fieldIndex("tags"))).containsExactly("x");
        assertThat(first.getStruct(first.fieldIndex("deep")).getLong(0)).isEqualTo(1);
        Row corrupt = input.rows().filter("_corrupt_record is not null").head();
        assertThat(corrupt.getString(0)).isEqualTo("{broken");
    }

    @Test
    void lineNumbersDoNotDependOnHowTheFileIsSplit() throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 1; i <= 3000; i++) {
            lines.add(i % 7 == 0 ? "" : "{\"prompt\": \"" + "x".repeat(i % 90) + " " + i + "\"}");
        }
        Path file = write(directory.resolve("big.jsonl"), lines.toArray(String[]::new));
        Path second = write(directory.resolve("small.jsonl"), "{\"prompt\": \"y 1\"}");

        spark().conf().set("spark.sql.files.maxPartitionBytes", "8k");
        Input input = read("--input", file, second);

        assertThat(input.rows().rdd().getNumPartitions()).isGreaterThan(10);
        assertThat(input.survey().rows()).isEqualTo(3001 - 3000 / 7);
        assertThat(prompts(input)).allSatisfy(row -> {
            String number = prompt(row).substring(prompt(row).indexOf(' ') + 1);
            assertThat(row.id()).endsWith("#" + number);
        });
    }

    @Test
    void mixedTypesKeepTheRowAndItsError() throws IOException {
        Path file = write(
                directory.resolve("a.jsonl"),
                "{\"prompt\": \"one\"}",
                "{\"prompt\": 2}",
                "{\"prompt\": {\"a\": 3}}",
                "{\"messages\": \"x\"}",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}");

        Input input = read("--input", file);

        assertThat(prompts(input)).extracting(PromptRow::error).containsOnlyNulls();
        assertThat(prompts(input).stream().map(InputReaderTest::prompt))
                .containsExactly("one", "2", "{\"a\":3}", null, null);
        assertThat(input.rows()
                        .select("prompt")
                        .as(org.apache.spark.sql.Encoders.STRING())
                        .collectAsList())
                .contains("one", "2", "{\"a\":3}");
    }

    @Test
    void aKeyThatIsThereTwiceIsThatLinesErrorAlone() throws IOException {
        Path file = write(
                directory.resolve("a.jsonl"),
                "{\"prompt\": \"one\", \"deep\": [{\"k\": 1}]}",
                "{\"prompt\": \"two\", \"prompt\": \"again\"}",
                "{\"prompt\": \"three\", \"deep\": [{\"k\": 1, \"k\": 2}]}");

        Input input = read("--input", file);

        assertThat(columns(input)).containsExactly("deep", "prompt");
        assertThat(prompts(input).stream()
                        .map(row ->
                                row.error() == null ? prompt(row) : row.error().message()))
                .satisfiesExactly(
                        first -> assertThat(first).isEqualTo("one"),
                        second ->
                                assertThat(second).startsWith("a.jsonl line 2").contains("prompt"),
                        third -> assertThat(third).startsWith("a.jsonl line 3").contains("'k'"));
        assertThat(input.rows().count()).isEqualTo(3);
        input.rows().select("deep").write().parquet(directory.resolve("deep").toString());
    }

    @Test
    void compressedFilesDirectoriesAndGlobs() throws IOException {
        Path nested = Files.createDirectories(directory.resolve("data/day=1"));
        write(nested.resolve("x.jsonl"), "{\"prompt\": \"a\"}");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(directory.resolve("data/y.json.gz")))) {
            out.write("{\"prompt\": \"b\"}\n{\"prompt\": \"c\"}".getBytes(StandardCharsets.UTF_8));
        }
        Files.writeString(directory.resolve("data/_ignored.txt"), "x");

        assertThat(ids(read("--input", directory.resolve("data"))))
                .containsExactly("day=1/x.jsonl#1", "y.json.gz#1", "y.json.gz#2");
        assertThat(ids(read("--input", directory + "/da*/y*"))).containsExactly("y.json.gz#1", "y.json.gz#2");
    }

    @Test
    void csvCellsAreTextAndMayHoldLineBreaks() throws IOException {
        Path file = write(
                directory.resolve("a.csv"),
                "id,prompt,temperature,note",
                "007,\"say \"\"hi\"\",",
                "twice\",0.5,",
                "8,12345,,n",
                "9,too,few");

        Input input = read("--input", file);

        List<PromptRow> rows = prompts(input);
        assertThat(rows.stream().map(PromptRow::id)).containsExactly("007", "8", "9");
        assertThat(prompt(rows.get(0))).isEqualTo("say \"hi\",\ntwice");
        assertThat(rows.get(0).request().parameters()).hasToString("{temperature=0.5}");
        assertThat(prompt(rows.get(1))).isEqualTo("12345");
        assertThat(rows.get(2).error().message())
                .isEqualTo("a.csv row 3: the row has more or fewer cells than the header");
        assertThat(columns(input)).containsExactly("id", "prompt", "temperature", "note");
    }

    @Test
    void csvFilesOfDifferentHeadersAreRefused() throws IOException {
        Path first = write(directory.resolve("a.csv"), "prompt,other", "a,b");
        Path second = write(directory.resolve("b.csv"), "other,prompt", "b,a");

        assertThat(fault(ExitCode.INPUT_INVALID, "--input", first, second)).contains("header");
    }

    @Test
    void textIsOnePromptALine() throws IOException {
        Path file = write(directory.resolve("a.txt"), "one {\"", "", "two");

        Input input = read("--input", file);

        assertThat(columns(input)).containsExactly("text");
        assertThat(prompts(input).stream().map(InputReaderTest::prompt)).containsExactly("one {\"", "two");
        assertThat(ids(input)).containsExactly("a.txt#1", "a.txt#3");
    }

    @Test
    void parquetHasTypedMessagesAndRowIndexes() {
        spark().sql(
                        "select array(named_struct('role', 'user', 'content', concat('q', id))) as messages,"
                                + " cast(null as string) as prompt, 0.5d as temperature, id as number, null as nothing from range(5)")
                .coalesce(1)
                .selectExpr("messages", "prompt", "temperature", "number", "cast(nothing as string) nothing")
                .write()
                .parquet(directory.resolve("a.parquet").toString());

        Input input = read("--input", directory.resolve("a.parquet"));

        List<PromptRow> rows = prompts(input);
        assertThat(rows.stream().map(row -> row.request().messages().value().toString()))
                .containsExactlyInAnyOrder(
                        "[{\"role\":\"user\",\"content\":\"q0\"}]",
                        "[{\"role\":\"user\",\"content\":\"q1\"}]",
                        "[{\"role\":\"user\",\"content\":\"q2\"}]",
                        "[{\"role\":\"user\",\"content\":\"q3\"}]",
                        "[{\"role\":\"user\",\"content\":\"q4\"}]");
        assertThat(rows).allSatisfy(row -> {
            assertThat(row.error()).isNull();
            assertThat(row.request().parameters()).hasToString("{temperature=0.5}");
            String position = row.id().substring(row.id().indexOf('#') + 1);
            assertThat(row.request().messages().value().toString()).contains("q" + (Integer.parseInt(position) - 1));
        });
        assertThat(columns(input)).containsExactly("messages", "prompt", "temperature", "number", "nothing");
    }

    @Test
    void tableNeedsAnId() {
        spark().range(3)
                .selectExpr("id as key", "concat('p', id) as prompt", "null as void")
                .createOrReplaceTempView("prompts");

        Input input = read("--input", "prompts", "--input-format", "table", "--id-column", "key");

        assertThat(ids(input)).containsExactly("0", "1", "2");
        assertThat(columns(input)).containsExactly("key", "prompt", "void");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", "prompts", "--input-format", "table"))
                .contains("the table prompts has no column custom_id or id", "--id-column");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", "nowhere", "--input-format", "table"))
                .isEqualTo("no such table: nowhere");
    }

    @Test
    void duplicateIdsAreFoundBeforeAnythingRuns() throws IOException {
        Path file = write(
                directory.resolve("a.jsonl"),
                "{\"custom_id\": \"x\", \"prompt\": \"1\"}",
                "{\"custom_id\": \"y\", \"prompt\": \"2\"}",
                "{\"custom_id\": \"x\", \"prompt\": \"3\"}");

        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file))
                .isEqualTo(
                        "the custom_id x is on 2 rows, among them a.jsonl line 1 and a.jsonl line 3: ids must be unique;"
                                + " name another column with --id-column, or give --id-column none to have ids made of file"
                                + " and position");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, file)).contains("--input names ", "more than once");
    }

    @Test
    void rowsWithoutAnIdGetOneBesideThoseThatHaveOne() throws IOException {
        Path file = write(
                directory.resolve("a.jsonl"), "{\"id\": 5, \"prompt\": \"1\"}", "{\"id\": null, \"prompt\": \"2\"}");

        assertThat(ids(read("--input", file))).containsExactly("5", "a.jsonl#2");
    }

    @Test
    void columnsAreChosenByOption() throws IOException {
        Path file = write(directory.resolve("a.jsonl"), "{\"q\": \"hi\", \"key\": \"k\", \"lang\": \"de\"}");

        assertThat(prompts(read("--input", file, "--prompt-column", "q", "--id-column", "key")))
                .singleElement()
                .satisfies(row -> {
                    assertThat(prompt(row)).isEqualTo("hi");
                    assertThat(row.id()).isEqualTo("k");
                });
        assertThat(prompt(prompts(read("--input", file, "--prompt-template", "{lang}: {q}"))
                        .getFirst()))
                .isEqualTo("de: hi");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file))
                .isEqualTo(
                        "the input has no column prompt or messages: name one with --prompt-column, --messages-column or"
                                + " --prompt-template; its columns are key, lang, q");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, "--prompt-column", "p"))
                .isEqualTo("--prompt-column names p, which is no column of the input; its columns are q, key, lang");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, "--id-column", "nr"))
                .startsWith("--id-column names nr, which is no column");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, "--messages-column", "chat"))
                .startsWith("--messages-column names chat, which is no column");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, "--prompt-template", "{q} {answer}"))
                .startsWith("--prompt-template names answer, which is no column");
    }

    @Test
    void columnsToScoreWithMustBeThereAndComparable() throws IOException {
        Path file = write(
                directory.resolve("a.jsonl"),
                "{\"prompt\": \"hi\", \"label\": \"k\", \"rank\": 3, \"json\": {\"a\": 1}, \"share\": 0.5}");

        assertThat(ids(read("--input", file, "--expected-column", "label", "--score-by", "rank")))
                .containsExactly("a.jsonl#1");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, "--expected-column", "answer"))
                .isEqualTo("--expected-column names answer, which is no column of the input; its columns are json,"
                        + " label, rank, share, prompt");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, "--expected-column", "label", "--score-by", "kind"))
                .startsWith("--score-by names kind, which is no column of the input");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, "--expected-column", "json"))
                .isEqualTo("the input's column json must hold text, whole numbers or booleans, or arrays of them, for"
                        + " --expected-column with --expected-match exact, not struct<a:bigint>");
        assertThat(ids(read("--input", file, "--expected-column", "json", "--expected-match", "json")))
                .containsExactly("a.jsonl#1");
        assertThat(ids(read("--input", file, "--expected-column", "share", "--expected-match", "number")))
                .containsExactly("a.jsonl#1");
        assertThat(fault(
                        ExitCode.INPUT_INVALID,
                        "--input",
                        file,
                        "--expected-column",
                        "share",
                        "--expected-match",
                        "f1"))
                .endsWith(" for --expected-column with --expected-match f1, not double");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file, "--expected-column", "label", "--score-by", "share"))
                .isEqualTo("the input's column share must hold text, whole numbers or booleans for --score-by, not"
                        + " double");
    }

    @Test
    void columnsThatDifferInCaseAreTwo() throws IOException {
        Path file = write(directory.resolve("a.jsonl"), "{\"prompt\": \"hi\", \"Prompt\": \"ho\"}");

        spark().conf().set("spark.sql.caseSensitive", true);

        assertThat(prompt(prompts(read("--input", file)).getFirst())).isEqualTo("hi");
    }

    @Test
    void inputsWithoutRowsAreRefused() throws IOException {
        Path empty = Files.createFile(directory.resolve("a.jsonl"));
        Path blank = write(directory.resolve("b.jsonl"), "", "  ");
        Path header = write(directory.resolve("c.csv"), "prompt,id");
        Path array = write(directory.resolve("d.json"), "[1, 2]", "\"a\"");
        Path none = write(directory.resolve("e.json"), "[]");

        assertThat(fault(ExitCode.INPUT_INVALID, "--input", empty)).isEqualTo("the input has no rows: " + empty);
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", blank)).isEqualTo("the input has no rows: " + blank);
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", header)).isEqualTo("the input has no rows: " + header);
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", none)).isEqualTo("the input has no rows: " + none);
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", array)).startsWith("no line of the input is a JSON object");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", directory.resolve("none.jsonl")))
                .isEqualTo("no such input: " + directory.resolve("none.jsonl"));
    }

    @Test
    void formatIsGuessedOrAskedFor() throws IOException {
        Path unknown = write(directory.resolve("prompts.dat"), "{\"prompt\": \"a\"}");
        Path known = write(directory.resolve("prompts.txt"), "a");

        assertThat(fault(ExitCode.USAGE, "--input", unknown))
                .isEqualTo("the format of prompts.dat cannot be guessed from its name: give --input-format");
        assertThat(fault(ExitCode.USAGE, "--input", directory)).contains("--input-format");
        assertThat(ids(read("--input", unknown, "--input-format", "jsonl"))).containsExactly("prompts.dat#1");
        assertThat(ids(read("--input", known))).containsExactly("prompts.txt#1");
    }

    @Test
    void wrongTypesOfWholeColumnsAreRefused() {
        spark().range(3)
                .selectExpr("id as prompt")
                .write()
                .parquet(directory.resolve("p").toString());
        spark().range(3)
                .selectExpr("id as messages")
                .write()
                .parquet(directory.resolve("m").toString());

        assertThat(fault(ExitCode.INPUT_INVALID, "--input", directory.resolve("p")))
                .isEqualTo("the input's column prompt must hold text, not bigint");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", directory.resolve("m")))
                .startsWith("the input's column messages must hold an array of structs {role, content}, or text");
    }

    @Test
    void unreadableFilesAreInvalidInput() throws IOException {
        Path file = Files.writeString(directory.resolve("a.parquet"), "not parquet at all");
        Path gzip = Files.writeString(directory.resolve("a.jsonl.gz"), "not gzip at all");

        assertThat(fault(ExitCode.INPUT_INVALID, "--input", file)).startsWith("the input cannot be read: ");
        assertThat(fault(ExitCode.INPUT_INVALID, "--input", gzip)).startsWith("the input cannot be read: ");
    }
}
