package io.github.sparkmixtral.job.input;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.job.options.Columns;
import io.github.sparkmixtral.job.options.InputFormat;
import io.github.sparkmixtral.job.options.PromptTemplate;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.Task;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RequestReaderTest {
    private static final String FILE = "file:///data/in/a%20b.jsonl";

    private static RequestReader reader(InputFormat format, String template) {
        return reader(format, "prompt", template);
    }

    private static RequestReader reader(InputFormat format, String promptColumn, String template) {
        return new RequestReader(
                format,
                new String[] {"custom_id", "prompt", "messages"},
                "custom_id",
                true,
                true,
                promptColumn,
                "messages",
                null,
                template == null ? null : PromptTemplate.parse(template),
                null,
                Task.CHAT,
                "file:/data/",
                ZoneId.of("UTC"),
                Columns.OF_PARAMETERS.stream()
                        .filter(name -> !name.equals(Columns.PARAMETERS) || promptColumn.equals("inputs"))
                        .filter(name -> template == null || !template.contains("{" + name + "}"))
                        .toArray(String[]::new),
                new String[0],
                template != null);
    }

    private static ObjectNode fields(String json) throws JsonProcessingException {
        return (ObjectNode) new JsonMapper().readTree(json);
    }

    private static String text(RowRequest.Field field) {
        return field.value() == null ? null : CellValues.text(field.value());
    }

    private static byte[] bytes(String json) {
        return json.getBytes(StandardCharsets.UTF_8);
    }

    private static PromptRow read(String json) {
        return reader(InputFormat.JSONL, null).read(bytes(json), FILE, 17L);
    }

    @Test
    void promptRow() {
        PromptRow row =
                read("{\"custom_id\": \"x\", \"prompt\": \"hi\", \"max_tokens\": 5, \"stop\": [\"a\"], \"other\": {}}");

        assertThat(row.id()).isEqualTo("x");
        assertThat(row.idGiven()).isTrue();
        assertThat(row.location()).isEqualTo("in/a b.jsonl line 17");
        assertThat(row.error()).isNull();
        assertThat(row.request().task()).isEqualTo(Task.CHAT);
        assertThat(row.request().customId()).isEqualTo("x");
        assertThat(text(row.request().prompt())).isEqualTo("hi");
        assertThat(text(row.request().messages())).isNull();
        assertThat(row.request().parameters()).hasToString("{max_tokens=5, stop=[\"a\"]}");
    }

    @Test
    void idIsMadeOfFileAndPositionWhereThereIsNone() {
        assertThat(read("{\"prompt\": \"hi\"}").id()).isEqualTo("in/a b.jsonl#17");
        assertThat(read("{\"prompt\": \"hi\", \"custom_id\": null}").id()).isEqualTo("in/a b.jsonl#17");
        assertThat(read("{\"prompt\": \"hi\", \"custom_id\": 7}").id()).isEqualTo("7");
        assertThat(read("{\"prompt\": \"hi\"}").idGiven()).isFalse();
    }

    @Test
    void batchRequestIsItsBody() {
        PromptRow row = read(
                "{\"custom_id\": \"request-1\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", \"body\": {\"model\":"
                        + " \"m\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello world!\"}], \"max_completion_tokens\":"
                        + " 1000, \"logprobs\": true, \"top_logprobs\": 2, \"user\": null, \"tool_choice\": \"auto\"}}");

        assertThat(row.error()).isNull();
        assertThat(row.id()).isEqualTo("request-1");
        assertThat(row.request().task()).isEqualTo(Task.CHAT);
        assertThat(text(row.request().messages())).isEqualTo("[{\"role\":\"user\",\"content\":\"Hello world!\"}]");
        assertThat(row.request().parameters())
                .hasToString(
                        "{model=\"m\", max_completion_tokens=1000, logprobs=true, top_logprobs=2, tool_choice=\"auto\"}");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
                    {"custom_id": "0", "body": {"messages": [], "max_tokens": 5}} | CHAT
                    {"custom_id": "0", "body": {"prompt": "x", "max_tokens": 5}}  | COMPLETE
                    {"body": "{\\"messages\\": [], \\"max_tokens\\": 5}"}         | CHAT
                    {"url": "/chat/completions", "body": {"max_tokens": 5}}       | CHAT
                    {"url": "v1/chat/completions/", "body": {"max_tokens": 5}}    | CHAT
                    {"url": "https://api.openai.com/v1/chat/completions?api-version=1", "body": {"max_tokens": 5}} | CHAT
                    {"url": "http://localhost:8000/v1/completions", "body": {"max_tokens": 5}} | COMPLETE
                    {"params": {"messages": [], "max_tokens": 5}}                 | CHAT
                    """)
    void lineOfABatchFile(String json, Task task) {
        PromptRow row = read(json);

        assertThat(row.error()).isNull();
        assertThat(row.request().task()).isEqualTo(task);
        assertThat(row.request().parameters()).hasToString("{max_tokens=5}");
    }

    @Test
    void anthropicsSystemPromptIsTheFirstMessage() {
        PromptRow row = read(
                "{\"custom_id\": \"a\", \"params\": {\"model\": \"m\", \"max_tokens\": 5, \"system\": \"Be brief.\","
                        + " \"stop_sequences\": [\"x\"], \"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}}");

        assertThat(text(row.request().messages()))
                .isEqualTo("[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"hi\"}]");
        assertThat(row.request().parameters()).hasToString("{model=\"m\", max_tokens=5, stop_sequences=[\"x\"]}");
    }

    @Test
    void aBodyThatIsNoRequestIsData() {
        assertThat(text(read("{\"prompt\": \"p\", \"body\": {\"text\": \"Dear\"}}")
                        .request()
                        .prompt()))
                .isEqualTo("p");
        assertThat(text(read("{\"prompt\": \"p\", \"body\": \"{Dear\", \"params\": {\"a\": 1}}")
                        .request()
                        .prompt()))
                .isEqualTo("p");
    }

    @Test
    void objectsOfParametersBesideThePrompt() {
        assertThat(read("{\"prompt\": \"p\", \"sampling_params\": {\"temperature\": 0.5, \"best_of\": 1}}")
                        .request()
                        .parameters())
                .hasToString("{temperature=0.5, best_of=1}");
        assertThat(reader(InputFormat.JSONL, "inputs", null)
                        .read(bytes("{\"inputs\": \"q\", \"parameters\": {\"max_new_tokens\": 5}}"), FILE, 17L)
                        .request()
                        .parameters())
                .hasToString("{max_new_tokens=5}");
        assertThat(read("{\"prompt\": \"p\", \"parameters\": {\"size\": 5}}")
                        .request()
                        .parameters())
                .isEmpty();
        assertThat(read("{\"prompt\": \"p\", \"sampling_params\": 1}").error().message())
                .isEqualTo("in/a b.jsonl line 17: sampling_params must be an object of parameters, not a number;"
                        + " --parameter-columns says which columns hold parameters");
        assertThat(read("{\"prompt\": \"p\", \"top_p\": 0.5, \"sampling_params\": {\"top_p\": 0.9}}")
                        .error()
                        .message())
                .isEqualTo(
                        "in/a b.jsonl line 17: top_p is both a column and in an object of parameters, with two values:"
                                + " give one of them");
    }

    @Test
    void toolsInATemplateAreData() {
        PromptRow row = reader(InputFormat.JSONL, "With {tools}.")
                .read("{\"tools\": [{\"a\": 1}]}".getBytes(StandardCharsets.UTF_8), FILE, 1L);

        assertThat(row.request().tools()).isNull();
        assertThat(text(row.request().prompt())).isEqualTo("With [{\"a\":1}].");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1e999", "1e99999999", "123456789012345678901234567890123456789012345", "-Infinity"})
    void numbersOfAnySizeAreData(String number) {
        assertThat(read("{\"prompt\": \"p\", \"x\": " + number + "}").error()).isNull();
    }

    @ParameterizedTest
    @ValueSource(strings = {"1e99999999999", "[[[["})
    void whatCannotBeReadIsTheRowsErrorAlone(String value) {
        String deep = value.startsWith("[") ? "[".repeat(10_000) + "]".repeat(10_000) : value;

        assertThat(read("{\"prompt\": \"p\", \"x\": " + deep + "}").error().code())
                .isEqualTo("invalid_json");
    }

    @Test
    void batchCompletionIsRaw() {
        PromptRow row = read(
                "{\"custom_id\": \"c\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": \"Once\", \"n\": 2}}");

        assertThat(row.request().task()).isEqualTo(Task.COMPLETE);
        assertThat(text(row.request().prompt())).isEqualTo("Once");
        assertThat(row.request().parameters()).hasToString("{n=2}");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
                    {"prompt": "p", "custom_id": 1.5} | invalid_id    | in/a b.jsonl line 17: custom_id must be a string or a whole number, not a number
                    {"url": "/v1/fim/completions", "body": {}} | unsupported_url | in/a b.jsonl line 17: url must be /v1/chat/completions, /v1/completions or /v1/embeddings, not /v1/fim/completions
                    [1]                            | invalid_json     | in/a b.jsonl line 17 must be a JSON object, not an array
                    {"a": 1} x                     | invalid_json     | in/a b.jsonl line 17 is not valid JSON at column 10: *
                    {"a": 1, "a": 2}               | invalid_json     | in/a b.jsonl line 17 is not valid JSON at column *
                    {"prompt": "x                  | invalid_json     | in/a b.jsonl line 17 is not valid JSON at column *
                    """)
    void wrongRowsHaveAnErrorThatNamesLineAndField(String json, String code, String message) {
        PromptRow row = read(json);

        assertThat(row.error()).isNotNull();
        assertThat(row.error().code()).isEqualTo(code);
        assertThat(row.error().retryable()).isFalse();
        if (message.endsWith("*")) {
            assertThat(row.error().message()).startsWith(message.substring(0, message.length() - 1));
        } else {
            assertThat(row.error().message()).isEqualTo(message);
        }
        assertThat(row.id()).isEqualTo("in/a b.jsonl#17");
    }

    @Test
    void brokenBytesAreAnErrorAndNeverReplaced() {
        byte[] latin1 = "{\"prompt\": \"caf\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1);

        RequestError error =
                reader(InputFormat.JSONL, null).read(latin1, FILE, 1L).error();

        assertThat(error.message())
                .startsWith("in/a b.jsonl line 1 is not valid JSON")
                .contains("UTF-8");
    }

    @Test
    void byteOrderMarkIsNoPartOfTheFirstLine() {
        assertThat(text(read("\ufeff{\"prompt\": \"hi\"}").request().prompt())).isEqualTo("hi");
    }

    @Test
    void templateTakesValuesOfAnyTypeAndRefusesNull() {
        RequestReader reader = reader(InputFormat.JSONL, "{a}-{b}-{c}");

        PromptRow row =
                reader.read("{\"a\": 1.5, \"b\": \"x{c}\", \"c\": [true]}".getBytes(StandardCharsets.UTF_8), FILE, 1L);
        PromptRow broken = reader.read("{\"a\": 1, \"b\": null, \"c\": 1}".getBytes(StandardCharsets.UTF_8), FILE, 1L);

        assertThat(text(row.request().prompt())).isEqualTo("1.5-x{c}-[true]");
        assertThat(broken.error().message()).isEqualTo("in/a b.jsonl line 1: b is null, which --prompt-template needs");
    }

    @Test
    void templateColumnThatIsCalledLikeAParameterIsNone() {
        RequestReader reader = reader(InputFormat.JSONL, "It is {temperature} degrees");

        PromptRow row = reader.read("{\"temperature\": 35}".getBytes(StandardCharsets.UTF_8), FILE, 1L);

        assertThat(text(row.request().prompt())).isEqualTo("It is 35 degrees");
        assertThat(row.request().parameters()).hasToString("{}");
    }

    @Test
    void cellsOfCsvAreParsedWhereParametersAreWanted() throws JsonProcessingException {
        PromptRow row = reader(InputFormat.CSV, null)
                .read(
                        fields("{\"prompt\": \"5\", \"temperature\": \"0.5\", \"stop\": \"END\","
                                + " \"ignore_eos\": \"true\"}"),
                        FILE,
                        3L);

        assertThat(text(row.request().prompt())).isEqualTo("5");
        assertThat(row.request().parameters()).hasToString("{temperature=0.5, stop=\"END\", ignore_eos=true}");
        assertThat(reader(InputFormat.CSV, null)
                        .read(fields("{\"prompt\": \"5\", \"stop\": \"7\", \"ignore_eos\": \"True\"}"), FILE, 3L)
                        .request()
                        .parameters())
                .hasToString("{stop=\"7\", ignore_eos=true}");
        assertThat(row.location()).isEqualTo("in/a b.jsonl row 3");
    }

    @Test
    void rowOfATableWithoutAnIdHasNone() throws JsonProcessingException {
        PromptRow row = reader(InputFormat.TABLE, null).read(fields("{\"prompt\": \"hi\"}"), null, null);

        assertThat(row.id()).isNull();
        assertThat(row.error().message()).isEqualTo("custom_id is null: every row of a table needs an id");
    }

    @Test
    void numbersReachThePromptAsTheyAreWritten() {
        RequestReader reader = reader(InputFormat.JSONL, "{a}, {b}, {c}, {d}, {e}, {f}, {g}");

        PromptRow row = reader.read(
                bytes("{\"a\": 12500000.0, \"b\": 0.0005, \"c\": 19.90, \"d\": 1234567890123456789.25,"
                        + " \"x\": {\"e\": 1.5}, \"e\": 1.25E7, \"f\": 5e-7, \"g\": NaN},"),
                FILE,
                1L);

        assertThat(text(row.request().prompt()))
                .isEqualTo("12500000.0, 0.0005, 19.90, 1234567890123456789.25, 1.25E7, 5e-7, NaN");
    }

    @Test
    void numbersThatJsonDoesNotKnowAreDataUntilSomebodyAsksForThem() {
        PromptRow row = read("{\"prompt\": \"hi\", \"score\": NaN, \"most\": Infinity}");

        assertThat(row.error()).isNull();
        assertThat(text(row.request().prompt())).isEqualTo("hi");
    }
}
