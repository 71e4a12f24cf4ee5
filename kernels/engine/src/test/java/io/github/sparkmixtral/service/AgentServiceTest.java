package io.github.sparkmixtral.service;

import static io.github.sparkmixtral.service.Rows.prompt;
import static io.github.sparkmixtral.service.ScriptedModel.answer;
import static io.github.sparkmixtral.service.ScriptedModel.call;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.agent.AgentOptions;
import io.github.sparkmixtral.agent.AgentOptions.Format;
import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.engine.Parameters;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.service.CompletionService.Session;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.LanguageModel;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Rows that take several requests, on a model that says what a script says. */
@Timeout(20)
class AgentServiceTest {
    private static final Size SMALL = new Size(4, 4096, 1024, 4096);
    private static final SamplingParameters JOB = Parameters.of(p -> {
        p.maxTokens = 100;
        p.temperature = 0;
    });

    private final BufferAllocator allocator = new RootAllocator();
    private final CountDownLatch gate = new CountDownLatch(1);
    private final CountDownLatch interrupted = new CountDownLatch(1);
    private final CountDownLatch called = new CountDownLatch(1);
    private final AtomicInteger calls = new AtomicInteger();
    private int maxTurns = 5;

    /** Ends when the gate opens. */
    private final AgentTool slow = new TestTool("slow", input -> {
        called.countDown();
        try {
            gate.await();
        } catch (InterruptedException e) {
            interrupted.countDown();
            throw e;
        }
        return "late";
    });

    private final AgentTool counting = new TestTool("count", _ -> Integer.toString(calls.incrementAndGet()));

    /** What a test's tool does. */
    private interface Work {
        String of(JsonNode input) throws Exception;
    }

    private record TestTool(String name, Work work) implements AgentTool {
        @Override
        public String description() {
            return "for tests";
        }

        @Override
        public String call(JsonNode input) throws Exception {
            return work.of(input);
        }
    }

    @AfterEach
    void nothingLeaked() {
        gate.countDown();
        allocator.close();
    }

    private static CompletionService start(Map<String, List<String>> script, Size size, int queue) {
        return CompletionService.start(
                FakeModel.DESCRIPTION, new FakeBackend(size, new ScriptedModel(script)), new ServiceOptions(0, queue));
    }

    private Session open(CompletionService service, AgentTool... tools) {
        List<String> names = new ArrayList<>(List.of("Calculator"));
        for (AgentTool tool : tools) {
            names.add(tool.name());
        }
        return service.open(defaults(names, JOB), List.of(tools));
    }

    private RequestDefaults defaults(List<String> names, SamplingParameters parameters) {
        return new RequestDefaults(parameters, new AgentOptions(names, maxTurns, 1, null, Format.AUTO));
    }

    /** All answers, in the order in which they come. */
    private List<Map<String, Object>> answers(Session session) throws Exception {
        List<Map<String, Object>> answers = new ArrayList<>();
        try (VectorSchemaRoot batch = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator)) {
            while (session.read(batch, 3) > 0) {
                for (int row = 0; row < batch.getRowCount(); row++) {
                    Map<String, Object> answer = new HashMap<>();
                    for (var vector : batch.getFieldVectors()) {
                        answer.put(vector.getName(), vector.getObject(row));
                    }
                    answers.add(answer);
                }
            }
        }
        return answers;
    }

    private static Map<?, ?> output(Map<String, Object> answer) {
        return (Map<?, ?>) ((List<?>) answer.get("outputs")).getFirst();
    }

    private static String text(Map<String, Object> answer) {
        Object text = output(answer).get("text");
        return output(answer).get("finish_reason") + ": " + (text == null ? "" : text);
    }

    /** Each turn as {@code tool(input) -> output}. */
    private static List<String> turns(Map<String, Object> answer) {
        List<String> turns = new ArrayList<>();
        for (Object element : (List<?>) answer.get("turns")) {
            Map<?, ?> turn = (Map<?, ?>) element;
            Object said = turn.get("error") == null ? turn.get("output") : "error: " + turn.get("error");
            turns.add(turn.get("tool") + "(" + turn.get("input") + ")" + (said == null ? "" : " -> " + said));
        }
        return turns;
    }

    private static int sum(Map<String, Object> answer, String field) {
        return ((List<?>) answer.get("turns"))
                .stream()
                        .mapToInt(turn -> (Integer) ((Map<?, ?>) turn).get(field))
                        .sum();
    }

    @Test
    void rowsInDifferentTurnsAreAnsweredInTheirOrder() throws Exception {
        Map<String, List<String>> script = new HashMap<>();
        script.put("Greet me.", List.of(answer("Hello!")));
        script.put("7 * 8?", List.of(call("Calculator", "output = 7 * 8"), answer("It is 56.")));
        script.put(
                "Twice?", List.of(call("Calculator", "output = 2"), call("Calculator", "output = 2 * 2"), answer("4")));
        script.put("Wrong?", List.of(call("Calculator", "output = 1 / 0"), answer("It cannot be said.")));
        script.put("For ever?", List.of(call("Calculator", "output = 1")));
        script.put("Always wrong?", List.of(call("Calculator", "output = x")));
        script.put("Long?", List.of(call("Final Answer", "a".repeat(200))));
        List<String> questions = List.of(
                "Twice?",
                "Greet me.",
                "7 * 8?",
                "Wrong?",
                "For ever?",
                "Greet me.",
                "Always wrong?",
                "Long?",
                "7 * 8?");
        try (CompletionService service = start(script, SMALL, 1);
                Session session = open(service)) {
            for (int i = 0; i < questions.size(); i++) {
                session.submit(i, prompt("row-" + i, questions.get(i)));
            }
            List<Map<String, Object>> answers = answers(session);
            assertThat(answers)
                    .extracting(answer -> answer.get("row"))
                    .containsExactly(0L, 1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L);
            assertThat(answers)
                    .extracting(AgentServiceTest::text)
                    .containsExactly(
                            "final: 4",
                            "final: Hello!",
                            "final: It is 56.",
                            "final: It cannot be said.",
                            "max_turns: ",
                            "final: Hello!",
                            "tool_error: ",
                            "length: ",
                            "final: It is 56.");
            assertThat(turns(answers.get(0)))
                    .containsExactly(
                            "Calculator(output = 2) -> 2", "Calculator(output = 2 * 2) -> 4", "Final Answer(4)");
            assertThat(turns(answers.get(1))).containsExactly("Final Answer(Hello!)");
            assertThat(turns(answers.get(3)))
                    .containsExactly(
                            "Calculator(output = 1 / 0) -> error: cannot calculate '1 / 0': division by zero",
                            "Final Answer(It cannot be said.)");
            assertThat(turns(answers.get(4))).hasSize(5).containsOnly("Calculator(output = 1) -> 1");
            assertThat(turns(answers.get(6)).getLast()).contains("'x' not found");
            assertThat(turns(answers.get(7)))
                    .singleElement()
                    .asString()
                    .startsWith("null(\"Final Answer\", \"input\": \"aaa")
                    .endsWith("aaa)");
            for (Map<String, Object> answer : answers) {
                Map<?, ?> usage = (Map<?, ?>) answer.get("usage");
                assertThat(sum(answer, "prompt_tokens")).isEqualTo(usage.get("prompt_tokens"));
                assertThat(sum(answer, "completion_tokens")).isEqualTo(usage.get("completion_tokens"));
            }
            // What was asked before is in the cache, but for what is told.
            Map<?, ?> usage = (Map<?, ?>) answers.get(0).get("usage");
            assertThat((Integer) usage.get("cached_tokens")).isGreaterThan((Integer) usage.get("prompt_tokens") / 2);
            assertThat(service.counters().completedRows()).isEqualTo(questions.size());
            assertThat(service.counters().queuedRows()).isZero();
        }
    }

    @Test
    void rowsOfTwoTurnsAreAsTheyAreAlone() throws Exception {
        Map<String, List<String>> script = new HashMap<>();
        for (int i = 0; i < 30; i++) {
            script.put("Row " + i + "?", List.of(call("Calculator", "output = " + i + " * 3"), answer("Done " + i)));
        }
        List<List<String>> together = new ArrayList<>();
        List<List<String>> alone = new ArrayList<>();
        try (CompletionService service = start(script, SMALL, 2);
                Session session = open(service)) {
            for (int i = 0; i < 30; i++) {
                session.submit(i, prompt("row-" + i, "Row " + i + "?"));
            }
            answers(session).forEach(answer -> together.add(turns(answer)));
            for (int i = 0; i < 30; i++) {
                session.submit(i, prompt("row-" + i, "Row " + i + "?"));
                answers(session).forEach(answer -> alone.add(turns(answer)));
            }
        }
        assertThat(together).hasSize(30).isEqualTo(alone);
        assertThat(together.get(7)).containsExactly("Calculator(output = 7 * 3) -> 21", "Final Answer(Done 7)");
    }

    @Test
    void rowThatWaitsForAToolHoldsNoPlaceInTheBatch() throws Exception {
        Map<String, List<String>> script =
                Map.of("Slow?", List.of(call("slow", "x"), answer("At last")), "Quick?", List.of(answer("At once")));
        try (CompletionService service = start(script, SMALL.withMaxSequences(1), 1);
                Session session = open(service, slow);
                Session other = open(service)) {
            session.submit(0, prompt("a", "Slow?"));
            called.await();
            assertThat(session.unanswered()).isZero();
            assertThat(session.outstanding()).isEqualTo(1);
            other.submit(0, prompt("b", "Quick?"));
            assertThat(text(answers(other).getFirst())).isEqualTo("final: At once");
            gate.countDown();
            assertThat(turns(answers(session).getFirst())).containsExactly("slow(x) -> late", "Final Answer(At last)");
        }
    }

    @Test
    void toolThatHangsIsGivenUp() throws Exception {
        Map<String, List<String>> script = Map.of("Slow?", List.of(call("slow", "x"), answer("No answer")));
        try (CompletionService service = start(script, SMALL, 1);
                Session session = open(service, slow)) {
            session.submit(0, prompt("a", "Slow?"));
            assertThat(turns(answers(session).getFirst()))
                    .containsExactly("slow(x) -> error: the tool has not ended within 1 s", "Final Answer(No answer)");
            interrupted.await();
        }
    }

    @Test
    void whatAToolThrowsIsToldTheModel() throws Exception {
        AgentTool broken = new TestTool("broken", input -> {
            if (input.textValue().equals("null")) {
                return null;
            }
            throw new IllegalStateException(input.textValue().equals("silent") ? null : "out of order");
        });
        Map<String, List<String>> script = Map.of(
                "Break!",
                List.of(call("broken", "x"), call("broken", "silent"), call("broken", "null"), answer("Sorry")));
        try (CompletionService service = start(script, SMALL, 1);
                Session session = open(service, broken)) {
            session.submit(0, prompt("a", "Break!"));
            assertThat(turns(answers(session).getFirst()))
                    .containsExactly(
                            "broken(x) -> error: out of order",
                            "broken(silent) -> error: IllegalStateException",
                            "broken(null) -> error: the tool has given nothing",
                            "Final Answer(Sorry)");
        }
    }

    @Test
    void closedSessionInterruptsItsTools() throws Exception {
        Map<String, List<String>> script =
                Map.of("Slow?", List.of(call("slow", "x"), answer("At last")), "Quick?", List.of(answer("At once")));
        try (CompletionService service = start(script, SMALL, 1);
                Session other = open(service)) {
            Session session = open(service, slow);
            session.submit(0, prompt("a", "Slow?"));
            called.await();
            session.close();
            interrupted.await();
            other.submit(0, prompt("b", "Quick?"));
            assertThat(text(answers(other).getFirst())).isEqualTo("final: At once");
            assertThat(service.counters().failedRows()).isZero();
        }
    }

    @Test
    void closedServiceInterruptsToolsAndWaitsForNone() throws Exception {
        Map<String, List<String>> script = Map.of("Slow?", List.of(call("slow", "x"), answer("At last")));
        CompletionService service = start(script, SMALL, 1);
        Session session = open(service, slow);
        session.submit(0, prompt("a", "Slow?"));
        called.await();
        service.close();
        interrupted.await();
        assertThatIllegalStateException().isThrownBy(() -> answers(session)).withMessageContaining("closed");
    }

    @Test
    void engineThatDiesInterruptsTools() throws Exception {
        LanguageModel scripted = new ScriptedModel(Map.of("Slow?", List.of(call("slow", "x"), answer("At last"))));
        CountDownLatch broken = new CountDownLatch(1);
        LanguageModel model = (history, logits, offset) -> {
            if (broken.getCount() == 0) {
                throw new IllegalStateException("the device is gone");
            }
            scripted.logits(history, logits, offset);
        };
        try (CompletionService service = CompletionService.start(
                        FakeModel.DESCRIPTION, new FakeBackend(SMALL, model), new ServiceOptions(0, 1));
                Session session = open(service, slow)) {
            session.submit(0, prompt("a", "Slow?"));
            called.await();
            broken.countDown();
            session.submit(1, prompt("b", "Slow?"));
            interrupted.await();
            assertThatIllegalStateException()
                    .isThrownBy(() -> answers(session))
                    .withMessageContaining("the device is gone");
        }
    }

    @Test
    void equalRowsAreComputedOnceAndCallTheirToolsEach() throws Exception {
        Map<String, List<String>> script = Map.of("Same?", List.of(call("Calculator", "output = 3"), answer("3")));
        FakeBackend backend = new FakeBackend(SMALL, new ScriptedModel(script));
        try (CompletionService service =
                        CompletionService.start(FakeModel.DESCRIPTION, backend, new ServiceOptions(0, 8));
                Session session = open(service)) {
            session.submit(0, prompt("a", "Same?"));
            Map<String, Object> first = answers(session).getFirst();
            long computed = backend.computedTokens();
            session.submit(1, prompt("b", "Same?"));
            Map<String, Object> second = answers(session).getFirst();
            assertThat(backend.computedTokens()).isEqualTo(computed);
            assertThat(turns(second)).isEqualTo(turns(first));
            assertThat(first.get("copied")).isEqualTo(false);
            assertThat(second.get("copied")).isEqualTo(true);
        }
    }

    @Test
    void toolThatSaysOtherThingsEachTimeMakesEqualRowsDiffer() throws Exception {
        Map<String, List<String>> script = Map.of("Count!", List.of(call("count", "x"), answer("Counted")));
        try (CompletionService service = start(script, SMALL, 8);
                Session session = open(service, counting)) {
            session.submit(0, prompt("a", "Count!"));
            session.submit(1, prompt("b", "Count!"));
            List<Map<String, Object>> answers = answers(session);
            assertThat(List.of(
                            turns(answers.get(0)).getFirst(),
                            turns(answers.get(1)).getFirst()))
                    .containsExactlyInAnyOrder("count(x) -> 1", "count(x) -> 2");
            assertThat(answers).extracting(answer -> answer.get("copied")).containsOnly(false);
        }
    }

    @Test
    void contextThatOverflowsNamesTheTurnAndKeepsWhatWasDone() throws Exception {
        AgentTool verbose = new TestTool("verbose", _ -> "z".repeat(5000));
        Map<String, List<String>> script =
                Map.of("Tell!", List.of(call("Calculator", "output = 1"), call("verbose", "x"), answer("-")));
        try (CompletionService service = start(script, SMALL, 1);
                Session session = open(service, verbose)) {
            session.submit(0, prompt("a", "Tell!"));
            Map<String, Object> answer = answers(session).getFirst();
            Map<?, ?> error = (Map<?, ?>) answer.get("error");
            assertThat(error.get("code")).hasToString("context_length_exceeded");
            assertThat(error.get("message").toString()).startsWith("turn 3: the prompt has ");
            assertThat(turns(answer)).hasSize(2).first().isEqualTo("Calculator(output = 1) -> 1");
            assertThat(sum(answer, "prompt_tokens")).isEqualTo(((Map<?, ?>) answer.get("usage")).get("prompt_tokens"));
            assertThat((List<?>) answer.get("outputs")).isEmpty();
            assertThat(service.counters().failedRows()).isEqualTo(1);
        }
    }

    @Test
    void rowsThatAskForOtherThingsAreRefused() throws Exception {
        try (CompletionService service = start(Map.of(), SMALL, 1);
                Session session = open(service)) {
            session.submit(0, Rows.messages("a", "[{\"role\": \"user\", \"content\": \"x\"}]"));
            session.submit(1, Rows.tools("b", "x", "[]"));
            session.submit(2, prompt("c", "x", "{\"n\": 2}"));
            session.submit(3, prompt("d", "x", "{\"logprobs\": 2}"));
            session.submit(4, prompt("e", "x", "{\"guided_choice\": [\"a\"]}"));
            List<String> errors = answers(session).stream()
                    .map(answer -> (Map<?, ?>) answer.get("error"))
                    .map(error -> error.get("code") + ": " + error.get("message"))
                    .toList();
            assertThat(errors)
                    .containsExactly(
                            "invalid_messages: the task agent takes a prompt, not messages: use the task chat for them",
                            "invalid_tools: the task agent calls the job's tools, not a row's: leave them out, or use the task"
                                    + " chat for them",
                            "invalid_parameters: n must be 1 with the task agent, not 2",
                            "invalid_parameters: logprobs must be left out with the task agent",
                            "invalid_parameters: structured_outputs must be left out with the task agent, whose answers are"
                                    + " calls of its tools");
        }
    }

    @Test
    void toolsThatCannotBeCalledAreRefused() throws Exception {
        try (CompletionService service = start(Map.of(), SMALL, 1)) {
            assertRefused(service, List.of("Abacus"), List.of(), "there is no tool Abacus; there are Calculator");
            assertRefused(service, List.of(), List.of(), "there are no tools to call");
            assertRefused(
                    service,
                    List.of("Calculator"),
                    List.of(new TestTool("Calculator", null)),
                    "two tools are called Calculator");
            assertRefused(
                    service,
                    List.of("Final Answer"),
                    List.of(new TestTool("Final Answer", null)),
                    "it needs 1 to 64 letters, digits, underscores and dashes");
        }
    }

    private void assertRefused(CompletionService service, List<String> names, List<AgentTool> tools, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> service.open(defaults(names, JOB), tools))
                .withMessageContaining(message);
    }

    /** Says any letter, whatever it is told. */
    private static final class Letter implements AgentTool {
        @Override
        public String name() {
            return "letter";
        }

        @Override
        public String description() {
            return "takes a letter";
        }

        @Override
        public String inputSchema() {
            return "{\"type\": \"string\", \"pattern\": \"^[a-z]$\"}";
        }

        @Override
        public String call(JsonNode input) {
            return "taken";
        }
    }

    @Test
    void turnsDrawOtherNumbersEachTheSameInEveryRun() throws Exception {
        SamplingParameters sampled = Parameters.of(p -> {
            p.maxTokens = 60;
            p.seed = 3;
        });
        LanguageModel flat = (_, logits, offset) -> Arrays.fill(logits, offset, offset + TinyTokenizer.SIZE, 0);
        List<List<List<String>>> runs = new ArrayList<>();
        for (int maxSequences : List.of(1, 4)) {
            FakeBackend backend = new FakeBackend(SMALL.withMaxSequences(maxSequences), flat);
            try (CompletionService service =
                            CompletionService.start(FakeModel.DESCRIPTION, backend, new ServiceOptions(0, 4));
                    Session session = service.open(defaults(List.of("letter"), sampled), List.of(new Letter()))) {
                for (int i = 0; i < 12; i++) {
                    session.submit(i, prompt("row-" + i, "Which?"));
                }
                runs.add(answers(session).stream().map(AgentServiceTest::turns).toList());
            }
        }
        assertThat(runs.get(1)).isEqualTo(runs.get(0));
        // Equal draws would be equal turns, whatever the model is told.
        List<List<String>> called = runs.get(0).stream()
                .filter(turns -> turns.size() > 1 && turns.get(1).startsWith("letter"))
                .toList();
        assertThat(called)
                .hasSizeGreaterThan(3)
                .filteredOn(turns -> turns.get(1).equals(turns.get(0)))
                .hasSizeLessThan(called.size() / 2);
    }
}
