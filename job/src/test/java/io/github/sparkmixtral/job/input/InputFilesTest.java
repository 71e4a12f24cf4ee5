package io.github.sparkmixtral.job.input;

import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.job.cli.OptionParser;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files as other programs write them. */
class InputFilesTest {

    @TempDir
    private Path directory;

    private static Input read(Object... arguments) {
        List<String> all = new ArrayList<>(List.of("--model", "m", "--output", "out", "--input"));
        Stream.of(arguments).map(Object::toString).forEach(all::add);
        return new InputReader(
                        spark(),
                        OptionParser.parse(all.toArray(String[]::new), new PrintWriter(new StringWriter()))
                                .orElseThrow()
                                .source())
                .read();
    }

    private static String fault(Object... arguments) {
        JobException[] thrown = new JobException[1];
        assertThatExceptionOfType(JobException.class)
                .isThrownBy(() -> read(arguments))
                .satisfies(e -> thrown[0] = e);
        assertThat(thrown[0].exitCode()).isEqualTo(ExitCode.INPUT_INVALID);
        return thrown[0].getMessage();
    }

    private static List<String> columns(Input input) {
        return Arrays.asList(input.rows().columns()).subList(0, input.columns());
    }

    private static List<PromptRow> rows(Input input) {
        return input.rows().collectAsList().stream()
                .map(row -> input.reader().read(row))
                .sorted(Comparator.comparing(PromptRow::id))
                .toList();
    }

    /** Id and prompt, or the error. */
    private static List<String> prompts(Input input) {
        return rows(input).stream()
                .map(row -> row.error() == null
                        ? row.id() + " "
                                + CellValues.text(row.request().prompt().value())
                        : row.error().message())
                .toList();
    }

    private Path file(String name, String text, Charset charset) throws IOException {
        return Files.write(directory.resolve(name), text.getBytes(charset));
    }

    private Path file(String name, String text) throws IOException {
        return file(name, text, StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[{\"prompt\": \"ä\"}, {\"prompt\": \"b\", \"n\": 1.50}]",
                "\ufeff [\n  {\n    \"prompt\": \"ä\"\n  },\r\n  {\"prompt\":\n \"b\"},\n]\n",
                "{\"prompt\": \"ä\"}{\"prompt\": \"b\"}",
                "{\n  \"prompt\": \"ä\"\n}\n{\n  \"prompt\": \"b\"\n}\n",
            })
    void jsonThatDoesNotKeepToLines(String text) throws IOException {
        assertThat(prompts(read(file("a.json", text)))).containsExactly("a.json#1 ä", "a.json#2 b");
    }

    @Test
    void anArrayBesideLines() throws IOException {
        Path array = Files.createDirectories(directory.resolve("in")).resolve("a b{1}.json");
        Files.writeString(array, "[{\"prompt\": \"a\"}, 5, {\"prompt\": \"c\"}]");
        Files.writeString(directory.resolve("in/b [2].jsonl"), "{\"prompt\": \"d\"}\n\n{\"prompt\": \"e\"},\r\n");

        assertThat(prompts(read(directory.resolve("in"))))
                .containsExactly(
                        "a b{1}.json#1 a",
                        "a b{1}.json line 2 must be a JSON object, not a number",
                        "a b{1}.json#3 c",
                        "b [2].jsonl#1 d",
                        "b [2].jsonl#3 e");
    }

    @Test
    void compressedArray() throws IOException {
        try (GZIPOutputStream out = new GZIPOutputStream(Files.newOutputStream(directory.resolve("a.json.gz")))) {
            out.write("[{\"prompt\": \"a\"}]".getBytes(StandardCharsets.UTF_8));
        }

        assertThat(prompts(read(directory.resolve("a.json.gz")))).containsExactly("a.json.gz#1 a");
    }

    @Test
    void linesThatAreNoObjectsFailByThemselves() throws IOException {
        Path file = write(
                directory.resolve("a.jsonl"), "{\"prompt\": \"a\"}", "\"x\"", "7", "[1]", "# no", "{\"prompt\": \"f\"");

        assertThat(prompts(read(file)))
                .satisfiesExactly(
                        row -> assertThat(row).isEqualTo("a.jsonl#1 a"),
                        row -> assertThat(row).isEqualTo("a.jsonl line 2 must be a JSON object, not a string"),
                        row -> assertThat(row).isEqualTo("a.jsonl line 3 must be a JSON object, not a number"),
                        row -> assertThat(row).isEqualTo("a.jsonl line 4 must be a JSON object, not an array"),
                        row -> assertThat(row).startsWith("a.jsonl line 5 is not valid JSON"),
                        row -> assertThat(row).startsWith("a.jsonl line 6 is not valid JSON"));
    }

    @Test
    void aBrokenFirstLineIsThatLinesErrorAlone() throws IOException {
        Path file = write(directory.resolve("a.jsonl"), "{\"prompt\": \"a", "{\"prompt\": \"b\"}");

        assertThat(prompts(read(file)).get(1)).isEqualTo("a.jsonl#2 b");
        assertThat(prompts(read(file)).get(0)).startsWith("a.jsonl line 1 is not valid JSON");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"prompt\":{\"0\":\"a\",\"1\":\"b\"},\"x\":{\"0\":1,\"1\":2}}",
                "{\"0\":{\"prompt\":\"a\"},\"1\":{\"prompt\":\"b\"}}",
                "{\"columns\":[\"prompt\"],\"index\":[0],\"data\":[[\"a\"]]}",
                "[[\"a\"],[\"b\"]]",
                "{\n  \"prompt\":{\n    \"0\":\"a\"\n  }\n}",
            })
    void pandasColumnsAreRefused(String text) throws IOException {
        Path file = file("a.json", text);

        assertThat(fault(file))
                .isEqualTo(
                        "the input a.json holds columns, as pandas' to_json() writes them, and not rows: write it with"
                                + " to_json(path, orient=\"records\", lines=True)");
    }

    @Test
    void aBrokenArrayIsRefusedWithItsPlace() throws IOException {
        assertThat(fault(file("a.json", "[{\"prompt\": \"a\"},\n {\"prompt\" \"b\"}]")))
                .contains("a.json begins like a JSON array and is none: at line 2, column 12 ");
        assertThat(fault(file("b.json", "[{\"prompt\": \"a\"}]\n[{\"prompt\": \"b\"}]")))
                .contains("b.json begins like a JSON array and is none: at line 2, column 1 the array has ended");
    }

    @ParameterizedTest
    @CsvSource({"a.jsonl, UTF-16LE", "a.csv, UTF-16LE", "a.txt, UTF-16LE", "a.txt, UTF-16BE", "a.jsonl, UTF-16BE"})
    void utf16IsRefused(String name, String charset) throws IOException {
        String text = name.endsWith("jsonl") ? "{\"prompt\": \"a\"}\r\n" : "prompt\r\nsome text\r\n";
        Path marked = file(name, "\ufeff" + text, Charset.forName(charset));
        assertThat(fault(marked))
                .isEqualTo("the input " + name + " is " + charset
                        + " and not UTF-8, as PowerShell may write files: convert it with iconv -f " + charset
                        + " -t UTF-8");
        assertThat(fault(file(name, text, Charset.forName(charset)))).contains(" is " + charset);
    }

    @Test
    void textThatIsNotUtf8IsTheLinesErrorAndOfCsvTheFiles() throws IOException {
        assertThat(prompts(read(file("a.txt", "caf\u00e9\nb", StandardCharsets.ISO_8859_1))))
                .containsExactly("a.txt line 1: the line is not UTF-8 text", "a.txt#2 b");
        assertThat(prompts(read(
                        file("a.jsonl", "{\"prompt\": \"\u00e9\"}\n{\"prompt\": \"b\"}", StandardCharsets.ISO_8859_1))))
                .satisfiesExactly(
                        row -> assertThat(row)
                                .startsWith("a.jsonl line 1 is not valid JSON")
                                .contains("UTF-8"),
                        row -> assertThat(row).isEqualTo("a.jsonl#2 b"));
        assertThat(fault(file("a.csv", "prompt\nb\ncaf\u00e9\n", StandardCharsets.ISO_8859_1)))
                .endsWith("a.csv is not UTF-8 text in line 3: convert it, for example with iconv -f WINDOWS-1252 -t"
                        + " UTF-8");
    }

    @Test
    void namesThatHideWhatAFileIs() throws IOException {
        Path gzip = directory.resolve("a.jsonl");
        try (GZIPOutputStream out = new GZIPOutputStream(Files.newOutputStream(gzip))) {
            out.write(1);
        }
        Path orc = file("b.orc", "ORC");
        Path sheet = file("c.csv", "PK\u0003\u0004");

        assertThat(fault(gzip)).endsWith("is compressed by gzip, which its name does not say: let it end with .gz");
        assertThat(fault(orc))
                .isEqualTo("b.orc is an ORC file, which is not read: convert it to Parquet, CSV or JSON lines");
        assertThat(fault(sheet)).endsWith("is a zip archive or a spreadsheet: unpack it, or save it as CSV");
    }

    @Test
    void tablesThatLieInFilesAreNotReadAsFiles() throws IOException {
        Path delta = Files.createDirectories(directory.resolve("t/_delta_log"));
        Files.writeString(delta.resolve("0.json"), "{}");
        Files.writeString(directory.resolve("t/a.parquet"), "");

        assertThat(fault(directory.resolve("t"))).contains("t is a Delta table", "--input-format table");
    }

    @ParameterizedTest
    @CsvSource(
            delimiterString = "->",
            value = {
                "',prompt,label\n0,a,x\n1,b,y\n' -> '_c0, prompt, label'",
                "'prompt,label,\na,x,\nb,y,\n' -> 'prompt, label, _c2'",
                "'\ufeffprompt,label\r\na,x\r\nb,y\r\n' -> 'prompt, label'",
                "'prompt;label\na;x,1\nb;y\n' -> 'prompt, label'",
                "'prompt\tlabel\na\tx\nb\ty\n' -> 'prompt, label'",
                "'\"prompt\"|\"la,bel\"\na|x\nb|y\n' -> 'prompt, la,bel'",
            })
    void csvAsOthersWriteIt(String text, String names) throws IOException {
        Input input = read(file("a.csv", text));

        assertThat(String.join(", ", columns(input))).isEqualTo(names);
        assertThat(prompts(input)).containsExactly("a.csv#1 a", "a.csv#2 b");
    }

    @Test
    void tabsByName() throws IOException {
        assertThat(prompts(read(file("a.tsv", "prompt\tsize, color\na, b\tx\n"))))
                .containsExactly("a.tsv#1 a, b");
    }

    @Test
    void quotesAreDoubledOrEscapedByABackslash() throws IOException {
        assertThat(prompts(read(file("a.csv", "prompt,x\n\"say \\\"hi\\\",\ntwice\",1\n\"C:\\\\\",2\n\"b\",3\n"))))
                .containsExactly("a.csv#1 say \"hi\",\ntwice", "a.csv#2 C:\\", "a.csv#3 b");
        assertThat(prompts(read(file("b.csv", "prompt,x\n\"say \"\"hi\"\"\",1\n\"C:\\\",2\n"))))
                .containsExactly("b.csv#1 say \"hi\"", "b.csv#2 C:\\");
    }

    @Test
    void csvHeadersThatDoNotServe() throws IOException {
        Path first = file("a.csv", "prompt,label\na,x\n");
        Path second = file("b.csv", "prompt;label\na;x\n");

        assertThat(fault(file("c.csv", "prompt,label,prompt\na,x,b\n")))
                .isEqualTo("the CSV header has the column prompt twice: rename one");
        assertThat(fault(first, second))
                .isEqualTo(
                        "the cells of a.csv are separated by ',', those of b.csv by ';': all files need the same separator");
    }

    @Test
    void parquetFilesOfDifferentColumns() throws IOException {
        Path out = directory.resolve("p");
        spark().sql("select 'a' as prompt, 1L as x").write().parquet(out.toString());
        spark().sql("select 'b' as prompt, 'z' as y").write().mode("append").parquet(out.toString());

        Input input = read(out);

        assertThat(columns(input)).containsExactlyInAnyOrder("prompt", "x", "y");
        assertThat(rows(input))
                .hasSize(2)
                .allSatisfy(row -> assertThat(row.error()).isNull());
        Path empty = Files.createFile(out.resolve("z.parquet"));
        assertThat(fault(out)).endsWith(empty + " is empty and no Parquet file: remove it, or write it again");
    }

    @Test
    void typedValuesReachThePromptInPlainNotation() {
        spark().sql("select 1234567890123456789.20BD as a, float(0.1) as b, 1.5E10D as c, date'2024-02-29' as d,"
                        + " true as e, array(1, 2) as f, timestamp'2024-02-29 10:00:00.000001' as g,"
                        + " named_struct('x', 0.0005D) as h")
                .write()
                .parquet(directory.resolve("p").toString());

        Input input = read(directory.resolve("p"), "--prompt-template", "{a} {b} {c} {d} {e} {f} {h} {g}");

        assertThat(CellValues.text(rows(input).getFirst().request().prompt().value()))
                .startsWith("1234567890123456789.20 0.1 15000000000.0 2024-02-29 true [1,2] {\"x\":0.0005}"
                        + " 2024-02-29T10:00:00.000001");
    }
}
