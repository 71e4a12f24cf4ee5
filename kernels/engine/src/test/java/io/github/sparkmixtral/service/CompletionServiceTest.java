package io.github.sparkmixtral.service;

import static io.github.sparkmixtral.service.Rows.messages;
import static io.github.sparkmixtral.service.Rows.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.engine.Parameters;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.LanguageModel;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(60)
class CompletionServiceTest {
    private static final SamplingParameters JOB = Parameters.of(p -> {
        p.maxTokens = 12;
        p.seed = 5;
    });
    private static final Size SMALL = new Size(6, 48, 64, 512);

    private RequestDefaults defaults = new RequestDefaults(Task.CHAT, null, JOB);
    private final BufferAllocator allocator = new RootAllocator();
    private final Map<Long, String> ids = new ConcurrentHashMap<>();
    private final AtomicLong lastRow = new AtomicLong();
    private final CountDownLatch gate = new CountDownLatch(1);

    /** Stands still until the gate is open. */
    private final LanguageModel gated = (history, logits, offset) -> {
        try {
            gate.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        FakeBackend.pseudoRandom(history, logits, offset);
    };

    @AfterEach
    void nothingLeaked() {
        gate.countDown();
        allocator.close();
    }

    @Test
    void everyRowOfEverySessionIsAnsweredOnceAndAsIfAlone() throws Exception {
        int tasks = 8;
        Map<String, Map<?, ?>> expected = new HashMap<>();
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            for (int task = 0; task < tasks; task++) {
                for (RowRequest row : taskRows(task)) {
                    expected.put(task + row.prompt().value().textValue(), essence(answer(service, row)));
                }
            }
        }
        FakeBackend backend = new FakeBackend(SMALL);
        try (CompletionService service = start(backend);
                ExecutorService threads = Executors.newFixedThreadPool(tasks)) {
            List<Future<Map<String, Map<String, Object>>>> results = new ArrayList<>();
            for (int task = 0; task < tasks; task++) {
                List<RowRequest> rows = taskRows(task);
                results.add(threads.submit(() -> runTask(service, rows)));
            }
            for (int task = 0; task < tasks; task++) {
                Map<String, Map<String, Object>> answers = results.get(task).get();
                for (RowRequest row : taskRows(task)) {
                    assertThat(essence(answers.get(row.customId())))
                            .isEqualTo(expected.get(task + row.prompt().value().textValue()));
                }
            }
            assertThat(service.counters().completedRows()).isEqualTo(tasks * 60L);
            assertThat(service.counters().failedRows()).isZero();
            assertThat(service.counters().queuedRows()).isZero();
        }
        assertThat(backend.largestBatch()).isEqualTo(SMALL.maxSequences());
    }

    /** All tasks use the same ids. */
    private static List<RowRequest> taskRows(int task) {
        return IntStream.range(0, 60)
                .mapToObj(i -> prompt("row-" + i, "ab the cat " + "xyz".repeat(i % 7) + task + "." + i))
                .toList();
    }

    /** What a Spark task does: submit in batches, read in between, read the rest. */
    private Map<String, Map<String, Object>> runTask(CompletionService service, List<RowRequest> rows)
            throws Exception {
        Map<String, Map<String, Object>> answers = new HashMap<>();
        try (BufferAllocator child = allocator.newChildAllocator("task", 0, Long.MAX_VALUE);
                CompletionService.Session session = service.open(defaults);
                VectorSchemaRoot completions = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, child)) {
            for (int from = 0; from < rows.size(); from += 10) {
                submit(session, rows.subList(from, from + 10).toArray(RowRequest[]::new));
                session.poll(completions, 5);
                collect(completions, answers);
            }
            while (session.read(completions, 7) > 0) {
                assertThat(completions.getRowCount()).isBetween(1, 7);
                collect(completions, answers);
            }
            assertThat(session.outstanding()).isZero();
        }
        assertThat(answers).hasSameSizeAs(rows);
        return answers;
    }

    private void collect(VectorSchemaRoot completions, Map<String, Map<String, Object>> answers) {
        for (Map<String, Object> answer : rows(completions)) {
            assertThat(answers.put(answer.get("custom_id").toString(), answer)).isNull();
        }
    }

    /** All of an answer that may not depend on what else was running. */
    private static Map<?, ?> essence(Map<String, Object> answer) {
        Map<String, Object> essence = new HashMap<>(answer);
        Map<?, ?> usage = (Map<?, ?>) essence.remove("usage");
        essence.keySet().removeAll(List.of("copied", "seconds"));
        essence.put(
                "tokens",
                List.of(usage.get("prompt_tokens"), usage.get("completion_tokens"), usage.get("total_tokens")));
        return essence;
    }

    @Test
    void answerHasAllColumns() throws Exception {
        defaults = new RequestDefaults(Task.COMPLETE, null, Parameters.of(p -> {
            p.temperature = 0;
            p.seed = 3;
        }));
        LanguageModel model = (history, logits, offset) -> {
            for (int id = 0; id < TinyTokenizer.SIZE; id++) {
                logits[offset + id] = 0;
            }
            logits[offset + (history.length < 5 ? TinyTokenizer.of("\u2581cat") : TinyTokenizer.EOS)] = 10;
            logits[offset + 300] = 5;
        };
        try (CompletionService service = start(new FakeBackend(SMALL, model))) {
            Map<String, Object> answer = answer(service, prompt("x", "ab", "{\"logprobs\": 2, \"n\": 2}"));
            int cat = TinyTokenizer.of("\u2581cat");
            assertThat(answer.get("custom_id")).hasToString("x");
            assertThat(answer.get("seed")).isEqualTo(3L);
            assertThat(answer.get("error")).isNull();
            assertThat(answer.get("usage"))
                    .isEqualTo(
                            Map.of("prompt_tokens", 3, "completion_tokens", 6, "total_tokens", 9, "cached_tokens", 0));
            List<?> outputs = (List<?>) answer.get("outputs");
            assertThat(outputs).hasSize(2);
            Map<?, ?> second = (Map<?, ?>) outputs.get(1);
            assertThat(second.get("index")).isEqualTo(1);
            assertThat(second.get("text")).hasToString(" cat cat");
            assertThat(second.get("token_ids")).isEqualTo(List.of(cat, cat, TinyTokenizer.EOS));
            assertThat(second.get("finish_reason")).hasToString("stop");
            Map<?, ?> logprobs = (Map<?, ?>) second.get("logprobs");
            float likeliest = (float) -Math.log(1 + Math.exp(-5) + (TinyTokenizer.SIZE - 2) * Math.exp(-10));
            assertThat(logprobs.get("token_logprobs")).isEqualTo(List.of(likeliest, likeliest, likeliest));
            assertThat(logprobs.get("top_token_ids"))
                    .isEqualTo(List.of(List.of(cat, 300), List.of(cat, 300), List.of(TinyTokenizer.EOS, 300)));
            assertThat((List<?>) logprobs.get("top_logprobs")).hasSize(3);
        }
    }

    @Test
    void logprobsAreNullWhereNoneAreAskedFor() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            Map<?, ?> output =
                    (Map<?, ?>) ((List<?>) answer(service, prompt("x", "ab")).get("outputs")).getFirst();
            assertThat(output.get("logprobs")).isNull();
        }
    }

    @Test
    void rowParametersGoOverTheJobs() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            String longer = "{\"max_tokens\": 20, \"ignore_eos\": true, \"seed\": 77}";
            Map<String, Object> row = answer(service, prompt("a", "ab", longer));
            assertThat(((Map<?, ?>) row.get("usage")).get("completion_tokens")).isEqualTo(20);
            assertThat(row.get("seed")).isEqualTo(77L);
            Map<String, Object> job = answer(service, prompt("a", "ab", "{\"ignore_eos\": true}"));
            assertThat(((Map<?, ?>) job.get("usage")).get("completion_tokens")).isEqualTo(12);
            assertThat(job.get("seed")).isEqualTo(5L);
        }
    }

    @Test
    void sameIdInTwoSessionsDrawsTheSame() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL));
                CompletionService.Session first = service.open(defaults);
                CompletionService.Session second = service.open(defaults)) {
            submit(first, prompt("same", "the cat"));
            submit(second, prompt("same", "the cat"));
            submit(second, prompt("other", "the cat"));
            Map<String, Object> one = read(first).getFirst();
            Map<String, Map<String, Object>> two = new HashMap<>();
            while (second.outstanding() > 0) {
                read(second).forEach(answer -> two.put(answer.get("custom_id").toString(), answer));
            }
            assertThat(essence(two.get("same"))).isEqualTo(essence(one));
            assertThat(two.get("other").get("outputs")).isNotEqualTo(one.get("outputs"));
        }
    }

    @Test
    void badRowsAreAnsweredAndTheOthersToo() throws Exception {
        List<RowRequest> rows = List.of(
                prompt("good", "the cat"),
                prompt("null", null),
                prompt("empty", ""),
                new RowRequest("neither", null, null, null, null, Map.of()),
                messages("json", "[{\"role\": \"user\""),
                messages("array", "{\"role\": \"user\"}"),
                messages("role", "[{\"role\": \"assistant\", \"content\": \"a\"}]"),
                messages("content", "[{\"role\": \"user\", \"content\": 7}]"),
                Rows.tools("tools", "a", "{"),
                prompt("range", "a", "{\"top_p\": 3}"),
                prompt("bias", "a", "{\"logit_bias\": {\"5000\": 1}}"),
                prompt("long", "x".repeat(600)),
                prompt("good too", "the cat"));
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            Map<String, Map<String, Object>> answers = new HashMap<>();
            try (CompletionService.Session session = service.open(defaults)) {
                submit(session, rows.toArray(RowRequest[]::new));
                while (session.outstanding() > 0) {
                    read(session)
                            .forEach(answer ->
                                    answers.put(answer.get("custom_id").toString(), answer));
                }
            }
            assertThat(answers).hasSize(rows.size());
            assertThat(answers.get("good").get("error")).isNull();
            assertThat(answers.get("good too").get("error")).isNull();
            assertError(answers, "null", "invalid_prompt", "prompt is missing");
            assertError(answers, "empty", "invalid_prompt", "prompt is empty");
            assertError(answers, "neither", "invalid_prompt", "the row has neither a prompt nor messages");
            assertError(answers, "json", "invalid_messages", "messages is not valid JSON at line 1, column ");
            assertError(answers, "array", "invalid_messages", "messages");
            assertError(answers, "role", "invalid_messages", "messages");
            assertError(answers, "content", "invalid_messages", "messages[0].content");
            assertError(answers, "tools", "invalid_tools", "tools is not valid JSON at line 1, column ");
            assertError(answers, "range", "invalid_parameters", "top_p must be in (0, 1], not 3.0");
            assertError(
                    answers,
                    "bias",
                    "invalid_parameters",
                    "logit_bias: token 5000 is not in the model's vocabulary of 320 tokens");
            assertThat(message(answers.get("long")))
                    .matches(
                            "the prompt has 6\\d\\d tokens, but prompt and answer together must fit into 512: shorten it, the model"
                                    + " takes no more");
            assertError(answers, "long", "context_length_exceeded", "the prompt has 6");
            assertThat(service.counters().failedRows()).isEqualTo(11);
            assertThat(service.counters().completedRows()).isEqualTo(2);
        }
    }

    private static void assertError(
            Map<String, Map<String, Object>> answers, String id, String code, String messageStart) {
        Map<String, Object> answer = answers.get(id);
        Map<?, ?> error = (Map<?, ?>) answer.get("error");
        assertThat(error).as(id).isNotNull();
        assertThat(error.get("code")).as(id).hasToString(code);
        assertThat(message(answer)).as(id).startsWith(messageStart);
        assertThat(error.get("retryable")).as(id).isEqualTo(false);
        assertThat(answer.get("outputs")).as(id).isNull();
        assertThat(answer.get("usage")).as(id).isNull();
        assertThat(answer.get("seed")).as(id).isNull();
    }

    private static String message(Map<String, Object> answer) {
        return ((Map<?, ?>) answer.get("error")).get("message").toString();
    }

    @Test
    void saysWhichLimitALongPromptMeets() throws Exception {
        defaults = new RequestDefaults(Task.COMPLETE, null, JOB);
        try (CompletionService service = start(new FakeBackend(SMALL), 20)) {
            assertThat(service.maxModelLength()).isEqualTo(20);
            assertThat(message(answer(service, prompt("a", "x".repeat(30)))))
                    .endsWith("must fit into 20: shorten it, or raise --max-model-len");
        }
        try (CompletionService service = start(new FakeBackend(SMALL.withCacheBlocks(2)))) {
            assertThat(message(answer(service, prompt("a", "x".repeat(50)))))
                    .endsWith("must fit into 32: shorten it, or raise --kv-cache-memory");
        }
    }

    @Test
    void readsSpecialTokensOfRenderedPromptsOnRequest() throws Exception {
        defaults = new RequestDefaults(Task.COMPLETE, null, JOB);
        int spelledOut = tokensOf(prompt("a", "<s> the cat"));
        int plain = tokensOf(prompt("a", "the cat"));
        assertThat(spelledOut).isGreaterThan(plain + 1);

        defaults = new RequestDefaults(
                Task.COMPLETE,
                null,
                false,
                JOB,
                null,
                RequestDefaults.SpecialTokens.PARSE,
                RequestDefaults.Embedding.DEFAULT);
        assertThat(tokensOf(prompt("a", "<s>the cat"))).isEqualTo(plain);
        assertThat(tokensOf(prompt("a", "the cat"))).isEqualTo(plain);
        assertThat(tokensOf(prompt("a", "the cat</s>"))).isEqualTo(plain + 1);
    }

    @Test
    void refusesAChatTemplateThatDoesNotFitTheModel() throws Exception {
        defaults = new RequestDefaults(
                Task.CHAT,
                null,
                false,
                JOB,
                "{% if %}",
                RequestDefaults.SpecialTokens.TEXT,
                RequestDefaults.Embedding.DEFAULT);
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> service.open(defaults))
                    .withMessageStartingWith("the chat template in --chat-template cannot be used: line 1");
        }
    }

    private int tokensOf(RowRequest row) throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            return (Integer) ((Map<?, ?>) answer(service, row).get("usage")).get("prompt_tokens");
        }
    }

    @Test
    void completeTakesPromptsOnly() throws Exception {
        defaults = new RequestDefaults(Task.COMPLETE, null, JOB);
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            assertThat(message(answer(service, messages("a", "[{\"role\": \"user\", \"content\": \"a\"}]"))))
                    .isEqualTo("the task complete takes a prompt, not messages: use the task chat for them");
            assertThat(message(answer(service, Rows.tools("a", "a", "[]"))))
                    .isEqualTo("the task complete takes no tools: use the task chat for them");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RequestDefaults(Task.COMPLETE, "be kind", JOB))
                .withMessage("a system prompt needs the task chat: the task complete takes prompts as they are");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RequestDefaults(
                        Task.COMPLETE,
                        null,
                        true,
                        JOB,
                        null,
                        RequestDefaults.SpecialTokens.TEXT,
                        RequestDefaults.Embedding.DEFAULT))
                .withMessage("a safe prompt needs the task chat: the task complete takes prompts as they are");
    }

    @Test
    void promptIsOneUserMessageAndTheSystemPromptComesFirst() throws Exception {
        int plain = promptTokens(null, prompt("a", "the cat"));
        assertThat(promptTokens(null, messages("a", "[{\"role\": \"user\", \"content\": \"the cat\"}]")))
                .isEqualTo(plain);
        int folded = promptTokens("be kind", prompt("a", "the cat"));
        assertThat(folded).isGreaterThan(plain);
        String own =
                "[{\"role\": \"system\", \"content\": \"be kind\"}, {\"role\": \"user\", \"content\": \"the cat\"}]";
        assertThat(promptTokens(null, messages("a", own))).isEqualTo(folded);
        assertThat(promptTokens("something quite different", messages("a", own)))
                .as("the row's own system message stands")
                .isEqualTo(folded);
    }

    @Test
    void taskOfARowGoesOverTheJobs() throws Exception {
        int chat = promptTokens(null, prompt("a", "the cat"));
        assertThat(promptTokens(null, Rows.task("a", "the cat", Task.CHAT))).isEqualTo(chat);
        assertThat(promptTokens(null, Rows.task("a", "the cat", Task.COMPLETE)))
                .isEqualTo(1 + TinyTokenizer.INSTANCE.encode("the cat").length)
                .isLessThan(chat);
    }

    @Test
    void safePromptComesBeforeTheSystemMessageOfTheRowOrTheJob() throws Exception {
        String safe = Conversation.SAFE_PROMPT;
        int alone = promptTokens(safe, prompt("a", "the cat"));
        int beforeAnother = promptTokens(safe + "\n\nbe kind", prompt("a", "the cat"));
        String own =
                "[{\"role\": \"system\", \"content\": \"be kind\"}, {\"role\": \"user\", \"content\": \"the cat\"}]";

        assertThat(safePromptTokens(null, prompt("a", "the cat"))).isEqualTo(alone);
        assertThat(safePromptTokens("be kind", prompt("a", "the cat"))).isEqualTo(beforeAnother);
        assertThat(safePromptTokens("something quite different", messages("a", own)))
                .isEqualTo(beforeAnother);
    }

    @Test
    void safePromptOfARowGoesOverTheJobs() throws Exception {
        int plain = promptTokens(null, prompt("a", "the cat"));
        int safe = promptTokens(Conversation.SAFE_PROMPT, prompt("a", "the cat"));

        assertThat(promptTokens(null, prompt("a", "the cat", "{\"safe_prompt\": true}")))
                .isEqualTo(safe);
        assertThat(safePromptTokens(null, prompt("a", "the cat", "{\"safe_prompt\": false}")))
                .isEqualTo(plain);
        assertThat(safePromptTokens(null, prompt("a", "the cat", "{\"safe_prompt\": null}")))
                .isEqualTo(safe);
    }

    @Test
    void aTextThatIsContinuedIsNotLeftWithoutTheSafePromptInSilence() throws Exception {
        defaults = new RequestDefaults(
                Task.CHAT,
                null,
                true,
                JOB,
                null,
                RequestDefaults.SpecialTokens.TEXT,
                RequestDefaults.Embedding.DEFAULT);
        RowRequest row = Rows.task("a", "the cat", Task.COMPLETE);
        String fault = "safe_prompt needs a chat: a text that is taken as it is has no system message; give the row"
                + " safe_prompt: false to go without";

        assertThat(row.fault(defaults).message()).isEqualTo(fault);
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            assertThat(message(answer(service, row))).isEqualTo(fault);
        }
    }

    private int safePromptTokens(String systemPrompt, RowRequest row) throws Exception {
        defaults = new RequestDefaults(
                Task.CHAT,
                systemPrompt,
                true,
                JOB,
                null,
                RequestDefaults.SpecialTokens.TEXT,
                RequestDefaults.Embedding.DEFAULT);
        return tokensOf(row);
    }

    private int promptTokens(String systemPrompt, RowRequest row) throws Exception {
        defaults = new RequestDefaults(Task.CHAT, systemPrompt, JOB);
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            return (int) ((Map<?, ?>) answer(service, row).get("usage")).get("prompt_tokens");
        }
    }

    @Test
    void submitBlocksWhileTheQueueIsFull() throws Exception {
        FakeBackend backend = new FakeBackend(SMALL.withMaxSequences(2), gated);
        try (CompletionService service = start(backend);
                CompletionService.Session session = service.open(defaults)) {
            FutureTask<Void> submission = submitInBackground(session, 50);
            awaitTrue(() -> service.counters().queuedRows() == 8);
            // Two run, two wait in the engine, eight in the queue; and one more may be on its way.
            assertThat(session.outstanding()).isLessThanOrEqualTo(13);
            assertThat(submission.isDone()).isFalse();
            gate.countDown();
            submission.get();
            int answered = 0;
            while (session.outstanding() > 0) {
                answered += read(session).size();
            }
            assertThat(answered).isEqualTo(50);
        }
    }

    @Test
    void blockedSubmissionCanBeInterrupted() throws Exception {
        FakeBackend backend = new FakeBackend(SMALL.withMaxSequences(2), gated);
        try (CompletionService service = start(backend);
                CompletionService.Session session = service.open(defaults)) {
            assertInterruptible(service, () -> {
                submit(session, taskRows(0).toArray(RowRequest[]::new));
                return null;
            });
            gate.countDown();
        }
    }

    @Test
    void blockedReadCanBeInterrupted() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL, gated));
                CompletionService.Session session = service.open(defaults)) {
            submit(session, prompt("a", "ab"));
            assertInterruptible(service, () -> read(session));
            gate.countDown();
            assertThat(read(session)).hasSize(1);
        }
    }

    private static void assertInterruptible(CompletionService service, Callable<?> blocking) throws Exception {
        FutureTask<?> task = new FutureTask<>(blocking);
        Thread thread = Thread.ofPlatform().start(task);
        awaitTrue(() -> thread.getState() == Thread.State.WAITING);
        thread.interrupt();
        assertThatThrownBy(task::get)
                .isInstanceOf(ExecutionException.class)
                .hasCauseInstanceOf(InterruptedException.class);
        assertThat(service.counters().completedRows()).isZero();
    }

    @Test
    void closedSessionIsForgottenAndOthersGoOn() throws Exception {
        FakeBackend backend = new FakeBackend(SMALL.withMaxSequences(4), gated);
        try (CompletionService service = start(backend);
                CompletionService.Session survivor = service.open(defaults)) {
            CompletionService.Session killed = service.open(defaults);
            submit(survivor, prompt("a", "ab"));
            FutureTask<Void> submission = submitInBackground(killed, 50);
            awaitTrue(() -> service.counters().queuedRows() == 8);
            killed.close();
            assertThatThrownBy(submission::get).hasRootCauseMessage("the session is closed");
            submit(survivor, prompt("b", "ab"));
            gate.countDown();
            List<Map<String, Object>> answers = new ArrayList<>();
            while (survivor.outstanding() > 0) {
                answers.addAll(read(survivor));
            }
            assertThat(answers)
                    .extracting(answer -> answer.get("custom_id").toString())
                    .containsExactlyInAnyOrder("a", "b");
            awaitTrue(() -> service.counters().engine().running()
                            + service.counters().engine().waiting()
                    == 0);
            assertThat(service.counters().completedRows()).isEqualTo(2);
            assertThatIllegalStateException().isThrownBy(() -> read(killed)).withMessage("the session is closed");
            assertThat(killed.outstanding()).isZero();
        }
    }

    @Test
    void closedSessionStopsWhatRuns() throws Exception {
        FakeBackend backend = new FakeBackend(SMALL, gated);
        try (CompletionService service = start(backend)) {
            CompletionService.Session killed = service.open(defaults);
            submit(killed, prompt("long", "ab", "{\"max_tokens\": 400, \"ignore_eos\": true}"));
            awaitTrue(() -> service.counters().queuedRows() == 0);
            killed.close();
            gate.countDown();
            // A row of another session comes after the closed one was seen.
            answer(service, prompt("short", "ab"));
            awaitTrue(() -> service.counters().engine().running()
                            + service.counters().engine().waiting()
                    == 0);
        }
        assertThat(backend.computedTokens()).isLessThan(100);
    }

    @Test
    void deathOfTheEngineReachesEverybody() throws Exception {
        LanguageModel dying = (history, logits, offset) -> {
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            throw new OutOfMemoryError("no memory for this step");
        };
        FakeBackend backend = new FakeBackend(SMALL.withMaxSequences(2), dying);
        CompletionService service = start(backend);
        CompletionService.Session reading = service.open(defaults);
        CompletionService.Session submitting = service.open(defaults);
        submit(reading, prompt("a", "ab"));
        FutureTask<List<Map<String, Object>>> read = new FutureTask<>(() -> read(reading));
        Thread.ofPlatform().start(read);
        FutureTask<Void> submission = submitInBackground(submitting, 50);
        awaitTrue(() -> service.counters().queuedRows() == 8);
        gate.countDown();
        for (FutureTask<?> task : List.of(read, submission)) {
            assertThatThrownBy(task::get)
                    .cause()
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("the engine has died: java.lang.OutOfMemoryError: no memory for this step")
                    .hasCauseInstanceOf(OutOfMemoryError.class);
        }
        assertThatIllegalStateException()
                .isThrownBy(() -> service.open(defaults))
                .withMessageContaining("no memory for this step");
        assertThatIllegalStateException()
                .isThrownBy(() -> submit(reading, prompt("b", "ab")))
                .withMessageContaining("no memory for this step");
        reading.close();
        service.close();
        assertThat(backend.closed()).isTrue();
    }

    @Test
    void closingTheServiceWakesWhoeverWaits() throws Exception {
        FakeBackend backend = new FakeBackend(SMALL, gated);
        CompletionService service = start(backend);
        CompletionService.Session session = service.open(defaults);
        submit(session, prompt("a", "ab"));
        FutureTask<List<Map<String, Object>>> read = new FutureTask<>(() -> read(session));
        Thread.ofPlatform().start(read);
        Thread closing = Thread.ofPlatform().start(service::close);
        assertThatThrownBy(read::get).hasRootCauseMessage("the completion service is closed");
        assertThat(backend.closed()).as("while a step runs").isFalse();
        gate.countDown();
        closing.join();
        assertThat(backend.closed()).isTrue();
        service.close();
    }

    @Test
    void readWithoutAnythingOutstandingReturnsAtOnce() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL));
                CompletionService.Session session = service.open(defaults)) {
            assertThat(read(session)).isEmpty();
            submit(session);
            assertThat(read(session)).isEmpty();
        }
    }

    @Test
    void pollDoesNotWait() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL, gated));
                CompletionService.Session session = service.open(defaults);
                VectorSchemaRoot completions = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator)) {
            submit(session, prompt("bad", ""), prompt("a", "ab"));
            assertThat(session.poll(completions, 10)).isEqualTo(1);
            assertThat(session.poll(completions, 10)).isZero();
            assertThat(session.outstanding()).isEqualTo(1);
            gate.countDown();
            assertThat(session.read(completions, 10)).isEqualTo(1);
        }
    }

    @Test
    void refusesBatchesOfAnotherSchema() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL));
                CompletionService.Session session = service.open(defaults);
                VectorSchemaRoot completions = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator);
                IntVector number = new IntVector("row", allocator)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> session.read(VectorSchemaRoot.of(number), 1))
                    .withMessageStartingWith("the batch must have the schema");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> session.read(completions, 0))
                    .withMessage("maxRows must be at least 1, not 0");
            assertThat(session.outstanding()).isZero();
        }
    }

    @Test
    void refusesJobParametersThatTheModelHasNoTokensFor() {
        defaults = new RequestDefaults(Task.CHAT, null, Parameters.of(p -> p.stopTokenIds = List.of(5000)));
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> service.open(defaults))
                    .withMessage("stop_token_ids: token 5000 is not in the model's vocabulary of 320 tokens");
        }
    }

    @Test
    void sessionsWithOtherDefaultsShareAnEngine() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            Map<String, Object> first = answer(service, prompt("a", "ab", "{\"ignore_eos\": true}"));
            defaults = new RequestDefaults(Task.CHAT, null, Parameters.of(p -> p.maxTokens = 3));
            Map<String, Object> second = answer(service, prompt("a", "ab", "{\"ignore_eos\": true}"));
            assertThat(((Map<?, ?>) first.get("usage")).get("completion_tokens"))
                    .isEqualTo(12);
            assertThat(((Map<?, ?>) second.get("usage")).get("completion_tokens"))
                    .isEqualTo(3);
        }
    }

    @Test
    void rowsWithoutAnIdDrawByTheirPrompt() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            Object first = answer(service, prompt(null, "the cat")).get("outputs");
            assertThat(answer(service, prompt(null, "the cat")).get("outputs")).isEqualTo(first);
            assertThat(answer(service, prompt(null, "the cab")).get("outputs")).isNotEqualTo(first);
        }
    }

    private static CompletionService start(FakeBackend backend) {
        return start(backend, 0);
    }

    private static CompletionService start(FakeBackend backend, int maxModelLength) {
        return CompletionService.start(FakeModel.DESCRIPTION, backend, new ServiceOptions(maxModelLength, 8));
    }

    @Test
    void answersAreWhatTheirRowsSay() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            String choice = "{\"structured_outputs\": {\"choice\": [\"the cat\", \"a cab\"]}}";
            assertThat(text(answer(service, prompt("a", "which", choice)))).isIn("the cat", "a cab");
            RowRequest begun = new RowRequest(
                    "b",
                    null,
                    null,
                    Rows.field(
                            "messages",
                            "[{\"role\": \"user\", \"content\": \"which\"}, {\"role\": \"assistant\", \"content\": \"a c\"}]"),
                    null,
                    Rows.parameters(choice));
            assertThat(text(answer(service, begun))).isEqualTo("ab");
            assertThat(answer(service, prompt("c", "which", "{\"guided_regex\": \"(\"}"))
                            .get("error")
                            .toString())
                    .contains("invalid_parameters", "the regular expression has a ( without a ), at character 1 of (");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'guided_regex': 'a{2,1}'} | the regular expression has a wrong {, at character 2 of a{2,1}",
                "{'guided_json': {'properties': {'a': {'dependentRequired': {}}}}} | the JSON schema at #/properties/a/dependentRequired is a"
                        + " keyword that is not supported",
                "{'guided_json': {'type': 'integer', 'minimum': 3, 'maximum': 2}} | the JSON schema at # has bounds between which no number lies",
                "{'guided_json': {'properties': {'a': {'enum': [1], 'type': 'null'}}, 'required': ['a']}} | the JSON schema at #/properties/a"
                        + " gives values of which none is valid",
                "{'guided_grammar': 'start ::= [a]'} | the rule 'root', which a grammar begins with, is missing",
                "{'guided_grammar': 'root ::= root [a] # [b]'} | no text is possible: the rules from 'root' on never come to an end",
                "{'structured_outputs': {'grammar': 'root ::= [b] ~ root [a]'}} | the rule 'root' begins with itself (root -> root), which no"
                        + " text can be read with: let it end with itself instead",
                "{'guided_choice': []} | the choices must be a list of strings that is not empty",
                "{'guided_regex': 'a', 'guided_json': {}} | guided_json and guided_regex all say what the answer has to be: give one of them",
                "{'structured_outputs': {'regex': 'a', 'choice': ['a']}} | structured_outputs must have just one of json, regex, choice,"
                        + " grammar and json_object, not {\"regex\":\"a\",\"choice\":[\"a\"]}"
            })
    void aConstraintThatCannotBeHeldIsItsRowsError(String parameters, String message) throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            String json = parameters.replace('\'', '"').replace('~', '|');
            Map<String, Object> wrong = answer(service, prompt("a", "which", json));
            assertThat(((Map<?, ?>) wrong.get("error")).get("code")).hasToString("invalid_parameters");
            assertThat(message(wrong)).isEqualTo(message);
            assertThat(answer(service, prompt("b", "which", "{\"guided_choice\": [\"ab\"]}"))
                            .get("error"))
                    .isNull();
        }
    }

    @Test
    void promptsThatAreRenderedAlreadyAreWarnedOfOnce() throws Exception {
        PrintStream before = System.err;
        ByteArrayOutputStream logged = new ByteArrayOutputStream();
        System.setErr(new PrintStream(logged, true, StandardCharsets.UTF_8));
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            answer(service, Rows.task("a", "not <s> at the beginning", Task.COMPLETE));
            assertThat(logged.toString(StandardCharsets.UTF_8)).doesNotContain("rendered already");
            answer(service, Rows.task("b", "<s>which", Task.COMPLETE));
            answer(service, Rows.task("c", "<s>which", Task.COMPLETE));
        } finally {
            System.setErr(before);
        }
        assertThat(logged.toString(StandardCharsets.UTF_8))
                .containsOnlyOnce("A prompt begins with <s>")
                .containsOnlyOnce("--special-tokens parse");
    }

    @Test
    void aStopThatIsAControlTokenIsTakenAsThatToken() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            String always = "\"logit_bias\": {\"" + TinyTokenizer.BOS + "\": 100}, \"max_tokens\": 5}";
            Map<String, Object> stopped = answer(service, prompt("a", "which", "{\"stop\": \"<s>\", " + always));
            assertThat(((Map<?, ?>) stopped.get("usage")).get("completion_tokens"))
                    .isEqualTo(1);
            assertThat(text(stopped)).isEmpty();
            Map<String, Object> whole = answer(service, prompt("a", "which", "{" + always));
            assertThat(((Map<?, ?>) whole.get("usage")).get("completion_tokens"))
                    .isEqualTo(5);
        }
    }

    private static String text(Map<String, Object> answer) {
        return ((Map<?, ?>) ((List<?>) answer.get("outputs")).getFirst())
                .get("text")
                .toString();
    }

    private static final String GREEDY = "{\"temperature\": 0, \"ignore_eos\": true}";

    @Test
    void equalGreedyRowsAreComputedOnce() throws Exception {
        FakeBackend alone = new FakeBackend(SMALL);
        Map<?, ?> expected;
        try (CompletionService service = start(alone)) {
            expected = essence(answer(service, prompt("x", "the cat", GREEDY)));
        }
        FakeBackend backend = new FakeBackend(SMALL, gated);
        try (CompletionService service = start(backend);
                CompletionService.Session one = service.open(defaults);
                CompletionService.Session two = service.open(defaults)) {
            submit(one, prompt("a", "the cat", GREEDY), prompt("b", "the cat", GREEDY));
            submit(two, prompt("c", "the cat", GREEDY));
            gate.countDown();
            List<Map<String, Object>> answers = new ArrayList<>();
            while (one.outstanding() > 0) {
                answers.addAll(read(one));
            }
            answers.addAll(read(two));
            // Long after it was computed, with a seed of its own that changes nothing.
            Map<String, Object> later = answer(service, prompt("d", "the cat", GREEDY.replace("}", ", \"seed\": 99}")));
            assertThat(answers).extracting(answer -> answer.get("copied")).containsExactly(false, true, true);
            for (Map<String, Object> answer : answers) {
                Map<?, ?> essence = essence(answer);
                essence.remove("custom_id");
                expected.remove("custom_id");
                assertThat(essence).isEqualTo(expected);
            }
            assertThat(later.get("copied")).isEqualTo(true);
            assertThat(service.counters().completedRows()).isEqualTo(4);
            assertThat(service.counters().copiedTokens() * 4)
                    .isPositive()
                    .isEqualTo(service.counters().completionTokens() * 3);
            assertThat(later.get("outputs")).isEqualTo(answers.getFirst().get("outputs"));
            assertThat(later.get("seed")).isEqualTo(99L);
            assertThat(((Map<?, ?>) later.get("usage")).get("cached_tokens"))
                    .isEqualTo(((Map<?, ?>) later.get("usage")).get("prompt_tokens"));
        }
        assertThat(backend.computedTokens()).isEqualTo(alone.computedTokens());
    }

    @Test
    void rowsThatDrawOrAskOtherwiseAreComputedThemselves() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL));
                CompletionService.Session session = service.open(defaults)) {
            submit(
                    session,
                    prompt("a", "the cat", GREEDY),
                    prompt("b", "the cat"),
                    prompt("c", "the cat"),
                    prompt("a", "the cat", GREEDY.replace("}", ", \"max_tokens\": 3}")),
                    prompt("a", "the cats", GREEDY),
                    prompt("b", "the cat"));
            List<Map<String, Object>> answers = new ArrayList<>();
            while (session.outstanding() > 0) {
                answers.addAll(read(session));
            }
            // The last one has the second one's id and seed, and so its draws.
            assertThat(answers)
                    .extracting(answer -> answer.get("copied"))
                    .containsExactly(false, false, false, false, false, true);
        }
    }

    @Test
    void whoWaitsForAnEqualRowIsAnsweredWhereThatOnesSessionIsClosed() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL, gated));
                CompletionService.Session survivor = service.open(defaults)) {
            CompletionService.Session killed = service.open(defaults);
            submit(killed, prompt("a", "the cat", GREEDY));
            awaitTrue(() -> service.counters().queuedRows() == 0);
            submit(survivor, prompt("b", "the cat", GREEDY));
            killed.close();
            gate.countDown();
            assertThat(read(survivor)).hasSize(1);
        }
    }

    @Test
    void answersComeInTheOrderOfTheRowsAndOthersMakeRoomMeanwhile() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL));
                CompletionService.Session session = service.open(defaults);
                VectorSchemaRoot completions = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator)) {
            submit(session, prompt("long", "ab", "{\"max_tokens\": 400, \"ignore_eos\": true}"));
            submit(session, prompt("short", "ab", "{\"max_tokens\": 1}"), prompt("bad", ""));
            assertThat(session.outstandingEntries()).isEqualTo(401);
            while (session.unanswered() > 1) {
                session.awaitProgress();
            }
            assertThat(session.outstanding()).isEqualTo(3);
            List<Object> order = new ArrayList<>();
            while (session.outstanding() > 0) {
                session.read(completions, 10);
                rows(completions).forEach(row -> order.add(row.get("custom_id")));
            }
            assertThat(order).containsExactly("long", "short", "bad");
            assertThat(session.outstandingEntries()).isZero();
            session.awaitProgress();
        }
    }

    @Test
    void answersThatOneRowCannotHoldAreRefused() throws Exception {
        try (CompletionService service = start(new FakeBackend(SMALL))) {
            // The context of 512 tokens bounds max_tokens.
            Map<String, Object> refused =
                    answer(service, prompt("a", "ab", "{\"n\": 64, \"max_tokens\": 100000, \"logprobs\": 20}"));
            Map<?, ?> error = (Map<?, ?>) refused.get("error");
            assertThat(error.get("code")).hasToString("invalid_parameters");
            assertThat(error.get("message").toString())
                    .matches(
                            "n x max_tokens x \\(1 \\+ logprobs\\) must be at most 524288, not \\d+: lower one of them");
            assertThat(answer(service, prompt("b", "ab", "{\"n\": 2, \"max_tokens\": 100000, \"logprobs\": 20}"))
                            .get("error"))
                    .isNull();
            RequestDefaults tooMuch = new RequestDefaults(Task.CHAT, null, Parameters.of(p -> {
                p.maxTokens = 1000;
                p.n = 128;
                p.logprobs = 20;
            }));
            assertThatThrownBy(() -> service.open(tooMuch))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("n x max_tokens x (1 + logprobs) must be");
        }
    }

    private Map<String, Object> answer(CompletionService service, RowRequest row) throws InterruptedException {
        try (CompletionService.Session session = service.open(defaults)) {
            submit(session, row);
            return read(session).getFirst();
        }
    }

    private void submit(CompletionService.Session session, RowRequest... rows) throws InterruptedException {
        for (RowRequest row : rows) {
            long number = lastRow.incrementAndGet();
            ids.put(number, String.valueOf(row.customId()));
            session.submit(number, row);
        }
    }

    private FutureTask<Void> submitInBackground(CompletionService.Session session, int count) {
        FutureTask<Void> task = new FutureTask<>(() -> {
            submit(session, taskRows(0).subList(0, count).toArray(RowRequest[]::new));
            return null;
        });
        Thread.ofPlatform().start(task);
        return task;
    }

    private List<Map<String, Object>> read(CompletionService.Session session) throws InterruptedException {
        try (VectorSchemaRoot completions = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator)) {
            session.read(completions, 100);
            return rows(completions);
        }
    }

    private List<Map<String, Object>> rows(VectorSchemaRoot root) {
        List<Map<String, Object>> rows = new ArrayList<>();
        for (int row = 0; row < root.getRowCount(); row++) {
            Map<String, Object> columns = new HashMap<>();
            for (var vector : root.getFieldVectors()) {
                columns.put(vector.getName(), vector.getObject(row));
            }
            columns.put("custom_id", ids.get((Long) columns.remove("row")));
            rows.add(columns);
        }
        return rows;
    }

    private static void awaitTrue(BooleanSupplier condition) throws InterruptedException {
        while (!condition.getAsBoolean()) {
            if (Thread.interrupted()) {
                throw new InterruptedException("gave up waiting");
            }
            Thread.yield();
        }
    }
}
