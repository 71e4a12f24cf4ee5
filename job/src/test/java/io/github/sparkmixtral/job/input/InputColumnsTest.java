package io.github.sparkmixtral.job.input;

import static io.github.sparkmixtral.job.SparkFixture.spark;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.job.cli.OptionParser;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.input.ParameterColumns.Fit;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.JobOptions;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.Task;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which columns of an input mean what, and what they are called in the output. */
class InputColumnsTest {
    private static final RequestDefaults DEFAULTS = new RequestDefaults(Task.CHAT, null, SamplingParameters.DEFAULT);

    @TempDir
    private Path directory;

    @BeforeEach
    void asInTheJobsSession() {
        spark().conf().set("spark.sql.caseSensitive", true);
    }

    @AfterEach
    void restore() {
        spark().conf().unset("spark.sql.caseSensitive");
    }

    private Input read(String lines, Object... arguments) throws IOException {
        return read(write(directory.resolve("a.jsonl"), lines.split("\n")), arguments);
    }

    private static Input read(Path input, Object... arguments) {
        return new InputReader(spark(), options(input, arguments).source()).read();
    }

    private static JobOptions options(Path input, Object... arguments) {
        List<String> all = new ArrayList<>(List.of("--model", "m", "--output", "out", "--input", input.toString()));
        Stream.of(arguments).map(Object::toString).forEach(all::add);
        return OptionParser.parse(all.toArray(String[]::new), new PrintWriter(new StringWriter()))
                .orElseThrow();
    }

    private String fault(String lines, Object... arguments) {
        JobException thrown = catchThrowableOfType(JobException.class, () -> read(lines, arguments));
        assertThat(thrown).isNotNull();
        assertThat(thrown.exitCode()).isEqualTo(ExitCode.INPUT_INVALID);
        return thrown.getMessage();
    }

    private static List<PromptRow> rows(Input input) {
        return input.rows().collectAsList().stream()
                .map(row -> input.reader().read(row))
                .sorted(Comparator.comparing(PromptRow::id))
                .toList();
    }

    private static PromptRow first(Input input) {
        return rows(input).getFirst();
    }

    private static String value(Field field) {
        return field == null || field.value() == null ? null : CellValues.text(field.value());
    }

    private static List<String> columns(Input input) {
        return Arrays.asList(input.rows().columns()).subList(0, input.columns());
    }

    private static String chat(String text) {
        return "[{\"role\":\"user\",\"content\":\"" + text + "\"}]";
    }

    @Test
    void aNamedColumnIsTheOnlyOneThatIsAsked() throws IOException {
        String both = "{\"prompt_id\": \"u1\", \"prompt\": \"Name three rivers.\", \"messages\": " + chat("Q") + "}";

        PromptRow prompt = first(read(both, "--prompt-column", "prompt"));
        assertThat(value(prompt.request().prompt())).isEqualTo("Name three rivers.");
        assertThat(prompt.request().messages()).isNull();
        PromptRow messages = first(read(both, "--messages-column", "messages"));
        assertThat(messages.request().prompt()).isNull();
        assertThat(value(messages.request().messages())).isEqualTo(chat("Q"));
        assertThat(value(first(read(both, "--prompt-template", "{prompt_id}"))
                        .request()
                        .prompt()))
                .isEqualTo("u1");
        assertThat(fault(both))
                .isEqualTo("a.jsonl line 1: the row asks with more than one column, prompt and messages: choose with"
                        + " --prompt-column prompt or --messages-column messages");
    }

    @Test
    void aRowMayAskWithEitherOfTwoColumns() throws IOException {
        String lines = "{\"prompt\": \"one\", \"messages\": []}\n{\"prompt\": \"\", \"messages\": " + chat("two") + "}";

        List<PromptRow> rows = rows(read(lines));

        assertThat(value(rows.get(0).request().prompt())).isEqualTo("one");
        assertThat(value(rows.get(1).request().messages())).isEqualTo(chat("two"));
        assertThat(rows(read(lines, "--prompt-column", "prompt", "--messages-column", "messages")))
                .hasSize(2);
    }

    @Test
    void aRequestOfABatchBesideAPromptNeedsAChoice() throws IOException {
        String line = "{\"url\": \"/v1/completions\", \"body\": {\"prompt\": \"inner\"}, \"prompt\": \"outer\"}";

        assertThat(fault(line)).contains("body and prompt", "choose with --prompt-column prompt");
        assertThat(value(
                        first(read(line, "--prompt-column", "prompt")).request().prompt()))
                .isEqualTo("outer");
        String data = "{\"url\": \"https://example.org\", \"body\": {\"html\": \"x\"}, \"q\": \"outer\"}";
        assertThat(value(first(read(data, "--prompt-column", "q")).request().prompt()))
                .isEqualTo("outer");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
                    {"question": "x", "rank": 1}       |                     | the input has no column prompt or messages: name one with --prompt-column, --messages-column or --prompt-template, such as --prompt-column question; its columns are question, rank
                    {"instruction": "x", "input": "y"} |                     | the input has no column prompt or messages: name one with --prompt-column, --messages-column or --prompt-template, such as --prompt-template '{instruction} {input}'; its columns are input, instruction
                    {"a": 1, "Prompt": "x", "b": 1}    | --prompt-column prompt | --prompt-column names prompt, which is no column of the input; its columns are Prompt, a, b
                    {"a": {"b": "x"}}                  | --prompt-column a.b | --prompt-column names a.b, which is a field inside of the column a: only whole columns can be named, so make a column of it first
                    {"prompt": "x"}                    | --drop-columns y    | --drop-columns names y, which is no column of the input; its columns are prompt
                    {"prompt": "x"}                    | --parameter-columns top_p | --parameter-columns names top_p, which is no column of the input; its columns are prompt
                    """)
    void columnsThatAreNotThere(String line, String options, String message) {
        Object[] arguments = options == null ? new Object[0] : options.split(" ");
        assertThat(fault(line, arguments)).isEqualTo(message);
    }

    @Test
    void columnsWithUnusualNames() throws IOException {
        Input input = read(
                "{\"a.b\": \"x\", \"c`d\": 1, \"e f\": 2, \"__mixtral_line\": 4, \"_metadata\": 5}",
                "--prompt-column",
                "a.b");

        assertThat(columns(input)).containsExactly("input___mixtral_line", "_metadata", "a.b", "c`d", "e f");
        assertThat(value(first(input).request().prompt())).isEqualTo("x");
        assertThat(input.rows().head().getLong(0)).isEqualTo(4);
    }

    @Test
    void dataThatIsCalledLikeAParameterIsKept() throws IOException {
        Input input = read("{\"prompt\": \"p\", \"seed\": \"A17\", \"temperature\": 21.5, \"n\": 1000, \"top_p\": 0.5,"
                + " \"stop\": 4, \"tools\": \"hammer\", \"model\": \"T\", \"metadata\": {\"user\": 1}}");

        assertThat(first(input).request().parameters()).hasToString("{top_p=0.5}");
        assertThat(first(input).request().tools()).isNull();
        assertThat(columns(input))
                .containsExactly(
                        "metadata",
                        "input_model",
                        "n",
                        "prompt",
                        "input_seed",
                        "stop",
                        "temperature",
                        "tools",
                        "top_p");
        assertThat(input.rows().select("input_seed").as(Encoders.STRING()).head())
                .isEqualTo("A17");
        assertThat(input.notes())
                .containsExactly(
                        "rows' own sampling parameters are taken from the column top_p; --parameter-columns says which, or"
                                + " none",
                        "no sampling parameters are taken from the columns n, seed, stop, temperature, tools, because no"
                                + " value can be one; --parameter-columns says which are",
                        "columns of the input that the output has of its own get other names there: model is"
                                + " input_model, seed is input_seed; --drop-columns leaves them out, --output-columns"
                                + " renames the output's");
    }

    @Test
    void parametersAreTakenIfEachValueCanBeOne() throws IOException {
        String line =
                "{\"prompt\": \"p\", \"seed\": 3, \"temperature\": 0.5, \"n\": 2, \"stop\": [\"x\"], \"max_tokens\": 4,"
                        + " \"tools\": [{\"type\": \"function\"}]}";
        Input input = read(line);

        assertThat(first(input).request().parameters().keySet())
                .containsExactly("seed", "temperature", "n", "stop", "max_tokens");
        assertThat(value(first(input).request().tools())).startsWith("[{");
        assertThat(columns(input)).doesNotContain("seed", "input_seed");
        assertThat(first(read(line, "--parameter-columns", "none")).request().parameters())
                .isEmpty();
        assertThat(columns(read(line, "--parameter-columns", "none"))).contains("input_seed");
        assertThat(first(read(line, "--parameter-columns", "n,seed"))
                        .request()
                        .parameters()
                        .keySet())
                .containsExactly("seed", "n");
    }

    @Test
    void whatMayBeAParameterOrDataIsAskedFor() throws IOException {
        String stop = "{\"prompt\": \"p\", \"stop\": \"Main Street\", \"max_tokens\": 4}";
        String mixed = "{\"prompt\": \"p\", \"temperature\": 1.5}\n{\"prompt\": \"p\", \"temperature\": -7.5}";

        assertThat(fault(stop))
                .isEqualTo("the column stop may be rows' own sampling parameter stop, or data: say --parameter-columns"
                        + " max_tokens,stop if it is the parameter, or --parameter-columns max_tokens if it is data");
        assertThat(fault(mixed)).contains("temperature if it is the parameter, or --parameter-columns none");
        assertThat(first(read(stop, "--parameter-columns", "max_tokens,stop"))
                        .request()
                        .parameters())
                .hasToString("{stop=\"Main Street\", max_tokens=4}");
    }

    @Test
    void toolsAreArraysOfObjectsInEachRowOrData() throws IOException {
        String functions = "{\"prompt\": \"p\", \"tools\": [{\"type\": \"function\"}]}\n";
        String text = "{\"prompt\": \"p\", \"tools\": \"[{\\\"type\\\": \\\"function\\\"}]\"}\n";
        String none = "{\"prompt\": \"p\", \"tools\": []}\n{\"prompt\": \"p\", \"tools\": null}\n";
        String names = "{\"prompt\": \"p\", \"tools\": [\"hammer\"]}\n";

        assertThat(rows(read(functions + text + none)).stream()
                        .map(row -> value(row.request().tools())))
                .containsExactly("[{\"type\":\"function\"}]", "[{\"type\": \"function\"}]", "[]", "null");
        assertThat(rows(read(names + none))).allMatch(row -> row.request().tools() == null);
        assertThat(fault(functions + names))
                .isEqualTo(
                        "the column tools may be rows' own sampling parameter tools, or data: say --parameter-columns"
                                + " tools if it is the parameter, or --parameter-columns none if it is data");
        assertThat(first(read(functions + names, "--parameter-columns", "none"))
                        .request()
                        .tools())
                .isNull();
    }

    @Test
    void whatABatchAsksForSaysNothingOfColumns() throws IOException {
        String line = "{\"body\": {\"prompt\": \"p\", \"stop\": \".\", \"seed\": 3}, \"stop\": \"Main Street\","
                + " \"seed\": \"A17\"}\n";

        Input input = read(line + line);

        assertThat(first(input).request().parameters()).hasToString("{stop=\".\", seed=3}");
        assertThat(columns(input)).containsExactly("body", "input_seed", "stop");
    }

    @Test
    void objectsOfParametersAreColumnsOfParameters() throws IOException {
        String ray = "{\"prompt\": \"p\", \"sampling_params\": {\"n\": 2}, \"n\": 1000}";
        String tgi = "{\"inputs\": \"p\", \"parameters\": {\"num_return_sequences\": 2, \"logprobs\": 1}}";
        String other = "{\"prompt\": \"p\", \"inputs\": \"q\", \"parameters\": {\"size\": 5}}";

        assertThat(first(read(ray)).request().parameters()).hasToString("{n=2}");
        assertThat(read(ray).survey().severalOutputs()).isTrue();
        assertThat(first(read(ray, "--parameter-columns", "none")).request().parameters())
                .isEmpty();
        assertThat(read(ray, "--parameter-columns", "none").survey().severalOutputs())
                .isFalse();
        assertThat(read(tgi).survey()).isEqualTo(new Input.Survey(1, true, true, false, false, false));
        assertThat(first(read(other)).request().parameters()).isEmpty();
        assertThat(value(first(read(other)).request().prompt())).isEqualTo("p");
    }

    @Test
    void aRowMayAskWithOneShapeOnly() throws IOException {
        String anthropic = "\"params\": {\"messages\": " + chat("a") + "}";
        String body = "\"body\": {\"messages\": " + chat("b") + "}";

        assertThat(fault("{" + anthropic + ", \"inputs\": \"q\"}"))
                .isEqualTo("a.jsonl line 1: the row asks with more than one column, params and inputs: choose with"
                        + " --prompt-column inputs, or take what is not meant out of the input");
        assertThat(fault("{" + anthropic + ", " + body + "}"))
                .endsWith("more than one column, params and body: take what is not meant out of the input");
        assertThat(fault("{\"inputs\": \"q\", \"conversations\": " + chat("c") + "}"))
                .endsWith("choose with --prompt-column inputs or --messages-column conversations");
        assertThat(rows(read("{" + anthropic + "}\n{" + body + "}\n{\"inputs\": \"q\"}")))
                .allMatch(row -> row.error() == null);
    }

    @Test
    void parametersOfTypedColumns() {
        Path file = directory.resolve("a.parquet");
        spark().sql("select 'p' prompt, 'x9' seed, 5L n, 0.5d temperature, array('a') stop")
                .write()
                .parquet(file.toString());

        Input input = read(file);

        assertThat(first(input).request().parameters()).hasToString("{n=5, temperature=0.5, stop=[\"a\"]}");
        assertThat(columns(input)).containsExactly("prompt", "input_seed", "n", "temperature", "stop");
    }

    @Test
    void idsThatAreMerelyCalledSoNeedNotBeUnique() throws IOException {
        String repeated = "{\"id\": 1, \"prompt\": \"a\"}\n{\"id\": 1, \"prompt\": \"b\"}";
        String doubles = "{\"id\": 1.5, \"prompt\": \"a\"}\n{\"id\": 1.5, \"prompt\": \"b\"}";

        Input made = read(repeated);
        assertThat(rows(made)).extracting(PromptRow::id).containsExactly("a.jsonl#1", "a.jsonl#2");
        assertThat(columns(made)).containsExactly("id", "prompt");
        assertThat(made.meanings()).containsEntry("id", false);
        assertThat(made.notes())
                .containsExactly(
                        "ids are made of file and position, because the id 1 is on 2 rows, among them a.jsonl line"
                                + " 1 and a.jsonl line 2; --id-column names another column");
        assertThat(rows(read(doubles))).extracting(PromptRow::id).containsExactly("a.jsonl#1", "a.jsonl#2");
        assertThat(fault(repeated, "--id-column", "id")).startsWith("the id 1 is on 2 rows, among them");
        assertThat(rows(read(doubles, "--id-column", "id")))
                .extracting(row -> row.error().code())
                .containsOnly("invalid_id");
    }

    @Test
    void customIdsAreUniqueOrNotAskedFor() throws IOException {
        String repeated = "{\"custom_id\": \"x\", \"prompt\": \"a\"}\n{\"custom_id\": \"x\", \"prompt\": \"b\"}";

        assertThat(fault(repeated)).endsWith("or give --id-column none to have ids made of file and position");
        Input made = read(repeated, "--id-column", "none");
        assertThat(rows(made)).extracting(PromptRow::id).containsExactly("a.jsonl#1", "a.jsonl#2");
        assertThat(columns(made)).containsExactly("input_custom_id", "prompt");
    }

    @Test
    void anIdColumnOfDoublesIsData() {
        Path file = directory.resolve("a.parquet");
        spark().sql("select 1.5d id, 'p' prompt").write().parquet(file.toString());

        assertThat(first(read(file)).id()).endsWith(".parquet#1");
        assertThat(columns(read(file))).containsExactly("id", "prompt");
        assertThat(catchThrowableOfType(JobException.class, () -> read(file, "--id-column", "id")))
                .hasMessage("the input's column id must hold text or whole numbers, not double");
    }

    @Test
    void manyRowsThatAllFailForOneReasonAreRefused() throws IOException {
        String none = String.join("\n", Collections.nCopies(10, "{\"prompt\": null, \"x\": 1}"));
        String url = String.join("\n", Collections.nCopies(10, "{\"url\": \"/v2\", \"body\": {\"prompt\": \"x\"}}"));

        assertThat(fault(none))
                .isEqualTo("none of the 10 rows can be answered, all for one reason; one of them: a.jsonl line 1:"
                        + " prompt is null");
        assertThat(fault(url)).contains("a.jsonl line 1: url must be /v1/chat/completions");
        String seeds = String.join("\n", Collections.nCopies(10, "{\"prompt\": \"p\", \"seed\": \"A17\"}"));
        assertThat(read(seeds).survey().rows()).isEqualTo(10);
        assertThat(read(none + "\n{\"prompt\": \"x\"}").survey().rows()).isEqualTo(11);
        assertThat(read("{\"prompt\": null, \"x\": 1}").survey().rows()).isEqualTo(1);
    }

    @Test
    void namesOfTheOutputDifferInMoreThanCase() throws IOException {
        Input input = read("{\"prompt\": \"p\", \"Prompt\": \"q\", \"Error\": 1, \"Seed\": 2, \"input_Error\": 3,"
                + " \"usage\": 4}");

        assertThat(columns(input))
                .containsExactly(
                        "input_input_Error", "Prompt", "input_Seed", "input_Error", "input_prompt", "input_usage");
        assertThat(value(first(input).request().prompt())).isEqualTo("p");
        assertThat(columns(read("{\"prompt\": \"p\", \"usage\": 4}", "--output-columns", "usage=tokens")))
                .containsExactly("prompt", "usage");
        assertThat(columns(read("{\"prompt\": \"p\", \"usage\": 4}", "--drop-columns", "usage,prompt")))
                .isEmpty();
        assertThat(fault("{\"prompt\": \"p\", \"usage\": 4}", "--expected-column", "usage"))
                .isEqualTo("the column usage cannot be scored with, because the output has a column of its own of that"
                        + " name: rename it in the input");
    }

    @Test
    void anOutputIsAnInput() throws IOException {
        Input input = read("{\"custom_id\": \"a\", \"prompt\": \"p\", \"kind\": \"k\", \"generated_text\": \"t\","
                + " \"finish_reason\": \"stop\", \"usage\": {\"prompt_tokens\": 1, \"completion_tokens\": 1,"
                + " \"total_tokens\": 2, \"cached_tokens\": 0}, \"model\": \"m\", \"seed\": 7}\n"
                + "{\"custom_id\": \"b\", \"prompt\": \"p\", \"model\": \"m\", \"error\": {\"code\": \"c\", \"message\":"
                + " \"m\", \"retryable\": true}}");

        assertThat(columns(input)).containsExactly("kind", "prompt");
        assertThat(rows(input)).extracting(PromptRow::id).containsExactly("a", "b");
        assertThat(first(input).request().parameters()).isEmpty();
        assertThat(input.notes())
                .containsExactly("the input is an output of this job: its columns generated_text, finish_reason, usage,"
                        + " error, model, seed will be replaced");
    }

    @Test
    void textsThatAreNoTexts() throws IOException {
        List<PromptRow> rows = rows(read("{\"custom_id\": \"a\\ud800\", \"prompt\": \"p\", \"other\": \"x\\udc00\"}\n"
                + "{\"custom_id\": \"b\\u0000\\nc/d\", \"prompt\": \"p\\ufffe\"}\n"
                + "{\"custom_id\": \"" + "c".repeat(1 << 20) + "\", \"prompt\": \"p\"}\n"
                + "{\"custom_id\": \"\", \"prompt\": \"p\"}"));

        assertThat(rows.get(0).id()).isEqualTo("a.jsonl#1");
        assertThat(rows.get(0).error().code()).isEqualTo("invalid_id");
        assertThat(rows.get(1).id()).isEqualTo("a.jsonl#4");
        assertThat(rows.get(2).id()).isEqualTo("b\u0000\nc/d");
        assertThat(rows.get(3).id()).hasSize(1 << 20);
    }

    @Test
    void columnsOfOddTypesReachTheOutput() {
        Path file = directory.resolve("a.parquet");
        spark().sql("select 'p' prompt, map(1, 'x') m, unhex('ff') b, interval '1' day d, interval '2' month y,"
                        + " parse_json('{\"a\": 1}') v, array(map('k', 1)) am")
                .write()
                .parquet(file.toString());

        Input input = read(file);
        input.rows().write().parquet(directory.resolve("b").toString());

        assertThat(columns(input)).containsExactly("prompt", "m", "b", "d", "y", "v", "am");
        assertThat(InputReader.writable(org.apache.spark.sql.types.StructType.fromDDL(
                                "a array<void>, b map<string, interval>, c struct<d: void>"))
                        .sql())
                .isEqualTo("STRUCT<a: ARRAY<STRING>, b: MAP<STRING, STRING>, c: STRUCT<d: STRING>>");
    }

    /** The table of rows in job/README.md: each line becomes a request with the options that stand before it. */
    @Test
    void everyLineOfTheReadmeIsAsked() throws IOException {
        List<String> examples = Files.readAllLines(Path.of("README.md")).stream()
                .filter(line -> line.startsWith("|") && line.endsWith("}` |"))
                .toList();
        assertThat(examples).hasSizeGreaterThanOrEqualTo(21);
        for (String example : examples) {
            Matcher cells =
                    Pattern.compile("\\|[^|]*\\|([^|]*)\\| `(\\{.*})` \\|").matcher(example);
            assertThat(cells.matches()).as(example).isTrue();
            String options = cells.group(1).replace("`", "").strip();

            PromptRow row = line(cells.group(2), options.isEmpty() ? new Object[0] : options.split(" "));

            assertThat(row.error()).as(example).isNull();
            assertThat(row.request().fault(DEFAULTS)).as(example).isNull();
            assertThat(value(row.request().prompt()) + value(row.request().messages()))
                    .as(example)
                    .contains("river");
        }
    }

    /** Reads an input of one line by the classes of which {@link InputReader} makes Spark's jobs. */
    private static PromptRow line(String json, Object... arguments) throws IOException {
        Columns named = options(Path.of("a.jsonl"), arguments).generation().columns();
        byte[] line = json.getBytes(StandardCharsets.UTF_8);
        List<Row> looks = new ArrayList<>();
        JsonColumns inference = new JsonColumns(RequestReader.nestedFields(named.messages()));
        inference.call(List.of(RowFactory.create((Object) line)).iterator()).forEachRemaining(looks::add);
        StructType schema = inference.of(looks);
        ColumnChoice choice = ColumnChoice.of(schema, InputFormat.JSONL, named, "--prompt-column");
        RequestReader reader = choice.reader(schema, InputFormat.JSONL, true, Task.CHAT, "", spark());
        PromptRow undecided = reader.read(line, "a.jsonl", 1L);
        List<String> taken = choice.parameters().taken(open(undecided, Fit.PARAMETER), open(undecided, Fit.DATA));
        return reader.withParameters(taken).read(line, "a.jsonl", 1L);
    }

    private static Set<String> open(PromptRow row, Fit fit) {
        return row.open().entrySet().stream()
                .filter(column -> ParameterColumns.fit(column.getKey(), column.getValue()) == fit)
                .map(Map.Entry::getKey)
                .collect(Collectors.toSet());
    }

    @Test
    void directoriesOfPartitionsAreColumns() {
        Path folder = directory.resolve("in");
        spark().sql("select 'p' prompt, '2024-01-01' date, 'a/b c' model")
                .write()
                .partitionBy("date", "model")
                .parquet(folder.toString());

        Input input = read(folder, "--input-format", "parquet");

        assertThat(columns(input)).containsExactly("prompt", "date", "input_model");
        assertThat(input.rows().head().get(1)).hasToString("2024-01-01");
        assertThat(input.rows().head().get(2)).hasToString("a/b c");
    }
}
