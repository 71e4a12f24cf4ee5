package io.github.sparkmixtral.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.agent.AgentOptions;
import io.github.sparkmixtral.agent.AgentOptions.Format;
import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.chat.ToolCalls;
import io.github.sparkmixtral.engine.Parameters;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.service.CompletionService.Session;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.LanguageModel;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizers;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls of tools with the tokens of Mistral's tokenizer v3, on a model that says what a script says. */
@Timeout(30)
class ToolCallsServiceTest {
    private static final Tokenizer V3 = Tokenizers.V3;
    private static final Size SIZE = new Size(4, 4096, 512, 2048);
    private static final String TOOLS = """
            [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object",
              "properties": {"city": {"$ref": "#/$defs/city"}}, "required": ["city"],
              "$defs": {"city": {"enum": ["Rome", "Bonn"]}}}}},
             {"type": "function", "function": {"name": "time", "parameters": {}}}]""";

    private static final SamplingParameters JOB = Parameters.of(p -> {
        p.maxTokens = 60;
        p.temperature = 0;
        p.seed = 5;
    });

    private final BufferAllocator allocator = new RootAllocator();

    @AfterEach
    void nothingLeaked() {
        allocator.close();
    }

    private static int[] calls(String json) {
        return tokens(V3.controlToken(ToolCalls.TOKEN).orElseThrow(), json);
    }

    private static int[] text(String text) {
        int[] tokens = tokens(0, text);
        return Arrays.copyOfRange(tokens, 1, tokens.length);
    }

    private static int[] tokens(int first, String text) {
        int[] encoded = V3.encode(text);
        int[] tokens = new int[encoded.length + 2];
        tokens[0] = first;
        System.arraycopy(encoded, 0, tokens, 1, encoded.length);
        tokens[tokens.length - 1] = V3.eosTokenId();
        return tokens;
    }

    /** A model that gives one answer after another in a conversation. */
    private static LanguageModel scripted(int[]... answers) {
        int endOfUser = V3.controlToken("[/INST]").orElseThrow();
        int endOfResults = V3.controlToken("[/TOOL_RESULTS]").orElseThrow();
        return (history, logits, offset) -> {
            int begin = history.length;
            while (history[begin - 1] != endOfUser && history[begin - 1] != endOfResults) {
                begin--;
            }
            int before = (int) Arrays.stream(history, 0, begin)
                    .filter(token -> token == V3.eosTokenId())
                    .count();
            Arrays.fill(logits, offset, offset + V3.vocabularySize(), 0);
            int[] answer = answers[before];
            logits[offset + answer[Math.min(history.length - begin, answer.length - 1)]] = 10;
        };
    }

    private static CompletionService start(LanguageModel model) {
        return CompletionService.start(
                FakeModel.of(V3), new FakeBackend(SIZE, model, V3.vocabularySize()), new ServiceOptions(0, 4));
    }

    private Map<String, Object> answer(Session session, RowRequest row) throws Exception {
        session.submit(0, row);
        try (VectorSchemaRoot batch = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator)) {
            session.read(batch, 1);
            Map<String, Object> answer = new HashMap<>();
            batch.getFieldVectors().forEach(vector -> answer.put(vector.getName(), vector.getObject(0)));
            return answer;
        }
    }

    private Map<String, Object> answer(LanguageModel model, RowRequest row) throws Exception {
        try (CompletionService service = start(model);
                Session session = service.open(new RequestDefaults(Task.CHAT, null, JOB))) {
            return answer(session, row);
        }
    }

    private static RowRequest row(String id, String parameters) {
        return new RowRequest(
                id, null, Rows.field("prompt", "Warm?"), null, Rows.field("tools", TOOLS), Rows.parameters(parameters));
    }

    private static Map<?, ?> output(Map<String, Object> answer, int index) {
        return (Map<?, ?>) ((List<?>) answer.get("outputs")).get(index);
    }

    /** Each call as {@code name arguments}. */
    private static List<String> callsOf(Map<?, ?> output) {
        List<String> calls = new ArrayList<>();
        for (Object call : (List<?>) output.get("tool_calls")) {
            assertThat(((Map<?, ?>) call).get("id").toString()).matches("[a-zA-Z0-9]{9}");
            calls.add(((Map<?, ?>) call).get("name") + " " + ((Map<?, ?>) call).get("arguments"));
        }
        return calls;
    }

    private static List<String> idsOf(Map<String, Object> answer) {
        List<String> ids = new ArrayList<>();
        for (Object call : (List<?>) output(answer, 0).get("tool_calls")) {
            ids.add(((Map<?, ?>) call).get("id").toString());
        }
        return ids;
    }

    private static String error(Map<String, Object> answer) {
        Map<?, ?> error = (Map<?, ?>) answer.get("error");
        return error.get("code") + ": " + error.get("message");
    }

    @Test
    void answerThatCallsToolsIsTakenApart() throws Exception {
        LanguageModel model = scripted(
                calls(
                        "[{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}, {\"name\": \"time\", \"arguments\": {}}]"));
        Map<String, Object> answer = answer(model, row("a", "{}"));
        assertThat(callsOf(output(answer, 0))).containsExactly("weather {\"city\": \"Rome\"}", "time {}");
        assertThat(output(answer, 0).get("finish_reason")).hasToString("tool_calls");
        assertThat(output(answer, 0).get("text")).isNull();
        assertThat(idsOf(answer)).doesNotHaveDuplicates().isEqualTo(idsOf(answer(model, row("a", "{}"))));
        assertThat(idsOf(answer(model, row("b", "{}")))).doesNotContainAnyElementsOf(idsOf(answer));
    }

    @Test
    void answersWithoutReadableCallsAreText() throws Exception {
        Map<String, Object> words = answer(scripted(text("It is warm.")), row("a", "{}"));
        assertThat(output(words, 0).get("text")).hasToString("It is warm.");
        assertThat(output(words, 0).get("tool_calls")).isNull();
        assertThat(output(words, 0).get("finish_reason")).hasToString("stop");
        Map<String, Object> broken = answer(scripted(calls("[{\"name\": \"weather\"")), row("a", "{}"));
        assertThat(output(broken, 0).get("text")).hasToString("[{\"name\": \"weather\"");
        assertThat(output(broken, 0).get("tool_calls")).isNull();
        LanguageModel calling = scripted(calls("[{\"name\": \"time\", \"arguments\": {}}]"));
        Map<String, Object> cut = answer(calling, row("a", "{\"max_tokens\": 5}"));
        assertThat(output(cut, 0).get("finish_reason")).hasToString("length");
        assertThat(output(cut, 0).get("tool_calls")).isNull();
    }

    /** The model says nothing of its own: what comes is what the choice leaves. */
    @Test
    void choiceHoldsTheAnswerToCalls() throws Exception {
        LanguageModel silent = (_, logits, offset) -> Arrays.fill(logits, offset, offset + V3.vocabularySize(), 0);
        RowRequest row = new RowRequest(
                "a",
                null,
                Rows.field("prompt", "Warm?"),
                null,
                Rows.field("tools", TOOLS.replace("\"parameters\": {}", "\"parameters\": {\"enum\": [{\"zone\": 1}]}")),
                Rows.parameters("{\"tool_choice\": \"required\", \"temperature\": 1}"));
        assertThat(callsOf(output(answer(silent, row), 0)))
                .isNotEmpty()
                .allMatch(call -> call.matches("time \\{\"zone\": 1}|weather \\{\"city\": \"(Rome|Bonn)\"}"));
        String named =
                "{\"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"weather\"}}, \"temperature\": 1, \"n\": 3}";
        Map<String, Object> one = answer(silent, row("a", named));
        for (int i = 0; i < 3; i++) {
            assertThat(callsOf(output(one, i)))
                    .singleElement()
                    .asString()
                    .matches("weather \\{\"city\": \"(Rome|Bonn)\"}");
            assertThat(output(one, i).get("finish_reason")).hasToString("tool_calls");
        }
    }

    @Test
    void choiceOfNoneLeavesTheToolsOut() throws Exception {
        LanguageModel model = scripted(text("Yes."));
        Map<?, ?> with = (Map<?, ?>) answer(model, row("a", "{}")).get("usage");
        Map<?, ?> without = (Map<?, ?>)
                answer(model, row("a", "{\"tool_choice\": \"none\"}")).get("usage");
        assertThat((Integer) without.get("prompt_tokens")).isLessThan((Integer) with.get("prompt_tokens") / 2);
    }

    @Test
    void choiceThatCannotBeHeldIsTheRowsError() throws Exception {
        LanguageModel model = scripted(text("Yes."));
        assertThat(error(answer(model, row("a", "{\"tool_choice\": \"often\"}"))))
                .isEqualTo(
                        "invalid_tools: tool_choice must be auto, none, required or {\"type\": \"function\", \"function\":"
                                + " {\"name\": …}}, not \"often\"");
        assertThat(error(answer(model, row("a", "{\"tool_choice\": {\"function\": {\"name\": \"sun\"}}}"))))
                .isEqualTo("invalid_tools: tool_choice names sun, which is none of the row's tools");
        assertThat(error(answer(model, Rows.prompt("a", "x", "{\"tool_choice\": \"required\"}"))))
                .isEqualTo("invalid_tools: tool_choice needs tools: give some, or leave it out");
        RowRequest raw = new RowRequest(
                "a",
                Task.COMPLETE,
                Rows.field("prompt", "x"),
                null,
                null,
                Rows.parameters("{\"tool_choice\": \"required\"}"));
        assertThat(error(answer(model, raw)))
                .isEqualTo(
                        "invalid_tools: tool_choice can only be auto or none with the task complete: use the task chat");
        assertThat(error(answer(model, row("a", "{\"tool_choice\": \"required\", \"guided_choice\": [\"a\"]}"))))
                .isEqualTo(
                        "invalid_tools: tool_choice and a constraint both say what the answer has to be: give one of them");
    }

    /** Adds two numbers. */
    private static final class Sum implements AgentTool {
        @Override
        public String name() {
            return "sum";
        }

        @Override
        public String description() {
            return "adds two numbers";
        }

        @Override
        public String inputSchema() {
            return """
                    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]}""";
        }

        @Override
        public String call(JsonNode input) {
            if (!input.path("a").isInt()) {
                throw new IllegalArgumentException("a is missing");
            }
            return Integer.toString(input.get("a").intValue() + input.path("b").intValue());
        }
    }

    private static RequestDefaults agent(Format format) {
        AgentOptions options = new AgentOptions(List.of("Calculator", "sum"), 6, 5, null, format);
        return new RequestDefaults(JOB, options);
    }

    @Test
    void agentCallsWithTheModelsOwnTokens() throws Exception {
        LanguageModel model = scripted(
                calls(
                        "[{\"name\": \"sum\", \"arguments\": {\"a\": 2, \"b\": 3}}, {\"name\": \"Calculator\", \"arguments\":"
                                + " {\"input\": \"output = 2 ** 5\"}}]"),
                calls("[{\"name\": \"sum\", \"arguments\": {}}]"),
                calls("[{\"name\": \"product\", \"arguments\": {}}]"),
                calls("[{\"name\": \"sum\""),
                text("5 and 32."));
        try (CompletionService service = start(model);
                Session session = service.open(agent(Format.AUTO), List.of(new Sum()))) {
            Map<String, Object> answer = answer(session, Rows.prompt("a", "How much?"));
            assertThat(output(answer, 0).get("text")).hasToString("5 and 32.");
            assertThat(output(answer, 0).get("finish_reason")).hasToString("final");
            List<String> turns = new ArrayList<>();
            int tokens = 0;
            for (Object element : (List<?>) answer.get("turns")) {
                Map<?, ?> turn = (Map<?, ?>) element;
                tokens += (Integer) turn.get("prompt_tokens");
                turns.add(turn.get("tool") + "(" + turn.get("input") + ") -> " + turn.get("output") + " "
                        + turn.get("error"));
            }
            assertThat(turns)
                    .containsExactly(
                            "sum({\"a\":2,\"b\":3}) -> 5 null",
                            "Calculator(output = 2 ** 5) -> 32 null",
                            "sum({}) -> null a is missing",
                            "product({}) -> null there is no tool product; there are Calculator, sum",
                            "null([{\"name\": \"sum\") -> null the calls of tools are not valid JSON: Unexpected end-of-input:"
                                    + " expected close marker for Object (start marker at [Source: REDACTED"
                                    + " (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2])",
                            "Final Answer(5 and 32.) -> null null");
            assertThat(((Map<?, ?>) answer.get("usage")).get("prompt_tokens")).isEqualTo(tokens);
        }
    }

    @Test
    void formatThatTheModelDoesNotKnowIsRefused() {
        try (CompletionService service =
                CompletionService.start(FakeModel.DESCRIPTION, new FakeBackend(SIZE), new ServiceOptions(0, 1))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> service.open(agent(Format.NATIVE), List.of(new Sum())))
                    .withMessageContaining("agent_format native needs a model with tokens for tools")
                    .withMessageContaining("the chat format mistral-v1 has none: take json");
        }
    }
}
