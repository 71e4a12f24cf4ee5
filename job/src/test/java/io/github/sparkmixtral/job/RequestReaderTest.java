package io.github.sparkmixtral.job;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.service.Task;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RequestReaderTest {
    private static final String FILE = "file:///data/in/a%20b.jsonl";

    private static RequestReader reader(InputFormat format, String template) {
        return new RequestReader(
                format,
                "custom_id",
                "prompt",
                "messages",
                template == null ? null : PromptTemplate.parse(template),
                Task.CHAT,
                "file:/data/");
    }

    private static PromptRow read(String json) {
        return reader(InputFormat.JSONL, null).read(json.getBytes(StandardCharsets.UTF_8), FILE, 17L);
    }

    @Test
    void promptRow() {
        PromptRow row =
                read("{\"custom_id\": \"x\", \"prompt\": \"hi\", \"max_tokens\": 5, \"stop\": [\"a\"], \"other\": {}}");

        assertThat(row)
                .isEqualTo(new PromptRow(
                        "x",
                        true,
                        "in/a b.jsonl line 17",
                        Task.CHAT,
                        "hi",
                        null,
                        null,
                        "{\"max_tokens\":5,\"stop\":[\"a\"]}",
                        null));
    }

    @Test
    void messagesAreTakenAsArrayOrAsJsonText() {
        String messages = "[{\"role\":\"user\",\"content\":\"hi\"}]";

        assertThat(read("{\"messages\": " + messages + "}").messages()).isEqualTo(messages);
        assertThat(read("{\"messages\": " + messages.replace("\"", "\\\"").replaceAll("^|$", "\"") + "}")
                        .messages())
                .isEqualTo(messages);
        assertThat(read("{\"messages\": null, \"prompt\": \"p\"}").prompt()).isEqualTo("p");
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
        assertThat(row.task()).isEqualTo(Task.CHAT);
        assertThat(row.messages()).isEqualTo("[{\"role\":\"user\",\"content\":\"Hello world!\"}]");
        assertThat(row.parameters())
                .isEqualTo("{\"model\":\"m\",\"max_completion_tokens\":1000,\"logprobs\":true,\"top_logprobs\":2}");
    }

    @Test
    void batchCompletionIsRaw() {
        PromptRow row = read(
                "{\"custom_id\": \"c\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": \"Once\", \"n\": 2}}");

        assertThat(row.task()).isEqualTo(Task.COMPLETE);
        assertThat(row.prompt()).isEqualTo("Once");
        assertThat(row.parameters()).isEqualTo("{\"n\":2}");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
                    {"prompt": null}               | invalid_prompt   | in/a b.jsonl line 17: prompt is null, and so is messages
                    {"text": "x"}                  | invalid_prompt   | in/a b.jsonl line 17: prompt is missing, and so is messages
                    {"prompt": 5}                  | invalid_prompt   | in/a b.jsonl line 17: prompt must be a string, not a number
                    {"prompt": ["a"]}              | invalid_prompt   | in/a b.jsonl line 17: prompt must be a string, not an array
                    {"prompt": ""}                 | invalid_prompt   | in/a b.jsonl line 17: prompt is empty
                    {"messages": {"role": "user"}} | invalid_messages | in/a b.jsonl line 17: messages must be an array, not an object
                    {"messages": "hello"}          | invalid_messages | in/a b.jsonl line 17: messages must be an array or JSON text of one, not other text
                    {"prompt": "p", "tools": 1}    | invalid_tools    | in/a b.jsonl line 17: tools must be an array, not a number
                    {"prompt": "p", "custom_id": 1.5} | invalid_id    | in/a b.jsonl line 17: custom_id must be a string or a whole number, not a number
                    {"url": "/v1/embeddings", "body": {}} | unsupported_url | in/a b.jsonl line 17: url must be /v1/chat/completions or /v1/completions, not /v1/embeddings
                    {"url": "/v1/chat/completions", "body": {}} | invalid_messages | in/a b.jsonl line 17: messages is missing
                    {"url": "/v1/chat/completions", "body": {"messages": [], "tool_choice": {"type": "function"}}} | invalid_tools | in/a b.jsonl line 17: tool_choice must be auto or none, not {"type":"function"}
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
        assertThat(read("\ufeff{\"prompt\": \"hi\"}").prompt()).isEqualTo("hi");
    }

    @Test
    void templateTakesValuesOfAnyTypeAndRefusesNull() {
        RequestReader reader = reader(InputFormat.JSONL, "{a}-{b}-{c}");

        PromptRow row =
                reader.read("{\"a\": 1.5, \"b\": \"x{c}\", \"c\": [true]}".getBytes(StandardCharsets.UTF_8), FILE, 1L);
        PromptRow broken = reader.read("{\"a\": 1, \"b\": null, \"c\": 1}".getBytes(StandardCharsets.UTF_8), FILE, 1L);

        assertThat(row.prompt()).isEqualTo("1.5-x{c}-[true]");
        assertThat(broken.error().message()).isEqualTo("in/a b.jsonl line 1: b is null, which --prompt-template needs");
    }

    @Test
    void templateColumnThatIsCalledLikeAParameterIsNone() {
        RequestReader reader = reader(InputFormat.JSONL, "It is {temperature} degrees");

        PromptRow row = reader.read("{\"temperature\": 35}".getBytes(StandardCharsets.UTF_8), FILE, 1L);

        assertThat(row.prompt()).isEqualTo("It is 35 degrees");
        assertThat(row.parameters()).isEqualTo("{}");
    }

    @Test
    void cellsOfCsvAreParsedWhereParametersAreWanted() {
        PromptRow row = reader(InputFormat.CSV, null)
                .read(
                        "{\"prompt\": \"5\", \"temperature\": \"0.5\", \"stop\": \"END\", \"ignore_eos\": \"true\"}"
                                .getBytes(StandardCharsets.UTF_8),
                        FILE,
                        3L);

        assertThat(row.prompt()).isEqualTo("5");
        assertThat(row.parameters()).isEqualTo("{\"temperature\":0.5,\"stop\":\"END\",\"ignore_eos\":true}");
        assertThat(row.location()).isEqualTo("in/a b.jsonl row 3");
    }

    @Test
    void rowOfATableWithoutAnIdHasNone() {
        PromptRow row = reader(InputFormat.TABLE, null)
                .read("{\"prompt\": \"hi\"}".getBytes(StandardCharsets.UTF_8), null, null);

        assertThat(row.id()).isNull();
        assertThat(row.error().message()).isEqualTo("custom_id is null: every row of a table needs an id");
    }
}
