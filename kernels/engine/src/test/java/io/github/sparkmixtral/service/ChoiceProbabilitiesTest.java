package io.github.sparkmixtral.service;

import static io.github.sparkmixtral.service.Rows.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.Parameters;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.LanguageModel;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How likely each of a row's choices is. */
@Timeout(60)
class ChoiceProbabilitiesTest {
    private static final Size SMALL = new Size(6, 48, 64, 512);
    private static final List<String> CHOICES = List.of("the cat", "a", "ab", "abab", "no \u00e9");

    private RequestDefaults defaults = defaults(Task.CHAT, null, 0);
    private final BufferAllocator allocator = new RootAllocator();
    private long lastRow;

    @AfterEach
    void nothingLeaked() {
        allocator.close();
    }

    private static RequestDefaults defaults(Task task, StructuredOutput output, int logprobs) {
        SamplingParameters parameters = Parameters.of(p -> {
            p.maxTokens = 12;
            p.seed = 5;
            p.logprobs = logprobs;
        });
        return new RequestDefaults(task, null, parameters.withStructuredOutput(output));
    }

    private static CompletionService start(FakeBackend backend, int maxModelLength) {
        return CompletionService.start(FakeModel.DESCRIPTION, backend, new ServiceOptions(maxModelLength, 64));
    }

    private static CompletionService start() {
        return start(new FakeBackend(SMALL), 0);
    }

    /** A row that has to answer with one of the choices; more parameters begin with a comma. */
    private static RowRequest row(String id, String prompt, List<String> choices, String more) {
        return prompt(id, prompt, "{\"guided_choice\": " + json(choices) + more + "}");
    }

    private static String json(List<String> choices) {
        return "[\"" + String.join("\", \"", choices) + "\"]";
    }

    private List<Map<String, Object>> answers(CompletionService service, RowRequest... rows) throws Exception {
        try (CompletionService.Session session = service.open(defaults);
                VectorSchemaRoot completions = VectorSchemaRoot.create(RecordSchema.COMPLETIONS, allocator)) {
            for (RowRequest row : rows) {
                session.submit(lastRow++, row);
            }
            List<Map<String, Object>> answers = new ArrayList<>();
            while (session.read(completions, 3) > 0) {
                for (int i = 0; i < completions.getRowCount(); i++) {
                    Map<String, Object> answer = new LinkedHashMap<>();
                    for (var vector : completions.getFieldVectors()) {
                        answer.put(vector.getName(), vector.getObject(i));
                    }
                    answers.add(answer);
                }
            }
            return answers;
        }
    }

    private Map<String, Double> probabilities(CompletionService service, RowRequest row) throws Exception {
        return probabilities(answers(service, row).getFirst());
    }

    private static Map<String, Double> probabilities(Map<String, Object> answer) {
        assertThat(answer.get("error")).isNull();
        Map<String, Double> probabilities = new LinkedHashMap<>();
        for (Object element : (List<?>) answer.get(RecordSchema.CHOICE_PROBABILITIES)) {
            Map<?, ?> entry = (Map<?, ?>) element;
            probabilities.put(entry.get("choice").toString(), (Double) entry.get("probability"));
        }
        return probabilities;
    }

    private static Map<?, ?> output(Map<String, Object> answer, int index) {
        return (Map<?, ?>) ((List<?>) answer.get("outputs")).get(index);
    }

    private static int tokens(Map<String, Object> answer) {
        return (int) ((Map<?, ?>) answer.get("usage")).get("completion_tokens");
    }

    private static String message(Map<String, Object> answer) {
        return ((Map<?, ?>) answer.get("error")).get("message").toString();
    }

    /**
     * An ordinary answer that is the choice and ends with a token, which another choice that goes on makes necessary; the bias moves no
     * log-probability.
     */
    private double logprob(CompletionService service, String prompt, String choice) throws Exception {
        String more = ", \"temperature\": 0, \"max_tokens\": 50, \"logit_bias\": {\"" + TinyTokenizer.EOS + "\": 100}";
        Map<String, Object> answer = answers(service, row("x", prompt, List.of(choice, choice + "~"), more))
                .getFirst();
        assertThat(output(answer, 0).get("text")).hasToString(choice);
        List<?> ids = (List<?>) output(answer, 0).get("token_ids");
        assertThat(ids.getLast()).isEqualTo(TinyTokenizer.EOS);
        List<?> logprobs = (List<?>) ((Map<?, ?>) output(answer, 0).get("logprobs")).get("token_logprobs");
        assertThat(logprobs).hasSameSizeAs(ids);
        return logprobs.stream().mapToDouble(value -> (Float) value).sum();
    }

    @Test
    void areTheSharesOfWhatTheModelGivesEachChoiceAndItsEnd() throws Exception {
        try (CompletionService service = start()) {
            for (Task task : List.of(Task.CHAT, Task.COMPLETE)) {
                defaults = defaults(task, null, 0);
                Map<String, Double> probabilities = probabilities(service, row("a", "the cat is", CHOICES, ""));
                assertThat(probabilities.keySet()).containsExactlyElementsOf(CHOICES);
                double[] shares = new double[CHOICES.size()];
                for (int i = 0; i < shares.length; i++) {
                    shares[i] = Math.exp(logprob(service, "the cat is", CHOICES.get(i)));
                }
                double sum = IntStream.range(0, shares.length)
                        .mapToDouble(i -> shares[i])
                        .sum();
                for (int i = 0; i < shares.length; i++) {
                    double share = shares[i] / sum;
                    assertThat(probabilities.get(CHOICES.get(i))).isCloseTo(share, within(1e-9 + 1e-6 * share));
                }
                assertThat(probabilities.values().stream().mapToDouble(p -> p).sum())
                        .isCloseTo(1, within(1e-12));
            }
        }
    }

    /** "a" is likelier than "ab" where the model would end there, and less likely where it would not. */
    @Test
    void aChoiceThatAnotherOneBeginsWithIsToldApartByItsEnd() throws Exception {
        int a = TinyTokenizer.of("a");
        int b = TinyTokenizer.of("b");
        for (float goesOn : new float[] {-3, 3}) {
            LanguageModel model = (history, logits, offset) -> {
                Arrays.fill(logits, offset, offset + TinyTokenizer.SIZE, -50);
                boolean begun = history[history.length - 1] == a;
                logits[offset + (begun ? b : a)] = goesOn;
                logits[offset + TinyTokenizer.EOS] = begun ? 0 : -50;
            };
            LanguageModel ends = (history, logits, offset) -> {
                model.logits(history, logits, offset);
                if (history[history.length - 1] == b) {
                    logits[offset + TinyTokenizer.EOS] = 90;
                }
            };
            try (CompletionService service = start(new FakeBackend(SMALL, ends), 0)) {
                Map<String, Double> probabilities = probabilities(service, row("x", "z", List.of("a", "ab"), ""));
                assertThat(probabilities.get("ab")).isCloseTo(1 / (1 + Math.exp(-goesOn)), within(1e-5));
            }
        }
    }

    @Test
    void dependOnNeitherTheBatchNorTheDraws() throws Exception {
        RowRequest[] rows = IntStream.range(0, 30)
                .mapToObj(i -> row(
                        "r" + i,
                        "ab the cat " + i % 20,
                        CHOICES.subList(i % 3, 5),
                        i % 2 == 0
                                ? ", \"logprobs\": " + i % 4 + ", \"n\": " + (1 + i % 3)
                                : ", \"temperature\": " + i % 3
                                        + ", \"stop\": [\"b\"], \"presence_penalty\": 2, \"min_tokens\": 3"))
                .toArray(RowRequest[]::new);
        List<Map<String, Object>> together;
        try (CompletionService service = start()) {
            together = answers(service, rows);
            assertThat(service.counters().completedRows()).isEqualTo(rows.length);
        }
        assertThat(together).hasSize(rows.length);
        for (int i = 0; i < rows.length; i++) {
            try (CompletionService service = start()) {
                RowRequest plain = row("other", "ab the cat " + i % 20, CHOICES.subList(i % 3, 5), "");
                assertThat(probabilities(together.get(i))).isEqualTo(probabilities(service, plain));
            }
        }
    }

    /** Tokens that were generated, once all is done: counters are a step old at most. */
    private static long generated(CompletionService service) {
        while (service.counters().engine().running()
                        + service.counters().engine().waiting()
                > 0) {
            Thread.onSpinWait();
        }
        return service.counters().engine().generatedTokens();
    }

    /** Waits for it: it is reached and not passed, or the test does not end. */
    private static void awaitGenerated(CompletionService service, long tokens) {
        while (service.counters().engine().generatedTokens() != tokens) {
            Thread.onSpinWait();
        }
    }

    @Test
    void areComputedOnceForSeveralAnswersAndEqualPrompts() throws Exception {
        try (CompletionService service = start()) {
            Map<String, Object> one = answers(service, row("a", "the cat", CHOICES, ", \"seed\": 1"))
                    .getFirst();
            long generated = generated(service);
            long scoring = generated - tokens(one);
            assertThat(scoring).isGreaterThanOrEqualTo(2L * CHOICES.size());

            Map<String, Object> drawn = answers(service, row("b", "the cat", CHOICES, ", \"seed\": 2"))
                    .getFirst();
            assertThat(drawn.get("copied")).isEqualTo(false);
            assertThat(probabilities(drawn)).isEqualTo(probabilities(one));
            generated += tokens(drawn);
            awaitGenerated(service, generated);

            Map<String, Object> several =
                    answers(service, row("c", "xyz", CHOICES, ", \"n\": 3")).getFirst();
            assertThat((List<?>) several.get("outputs")).hasSize(3);
            assertThat(probabilities(several)).hasSameSizeAs(CHOICES);
            int answered = IntStream.range(0, 3)
                    .map(i -> ((List<?>) output(several, i).get("token_ids")).size())
                    .sum();
            assertThat(tokens(several)).as("usage is that of the answers").isEqualTo(answered);
            long onceMore = generated(service) - generated - answered;
            assertThat(onceMore).isBetween(2L * CHOICES.size(), 2 * scoring);
            generated += answered + onceMore;

            String greedy = ", \"temperature\": 0";
            List<Map<String, Object>> twice =
                    answers(service, row("d", "xyz", CHOICES, greedy), row("e", "xyz", CHOICES, greedy));
            assertThat(twice).extracting(answer -> answer.get("copied")).containsExactly(false, true);
            assertThat(probabilities(twice.get(1))).isEqualTo(probabilities(several));
            awaitGenerated(service, generated + tokens(twice.get(0)));
        }
    }

    @Test
    void thePromptIsComputedOnceForAllChoices() throws Exception {
        List<String> choices = IntStream.range(0, 20).mapToObj(i -> "c" + i).toList();
        FakeBackend backend = new FakeBackend(SMALL);
        int prompt;
        try (CompletionService service = start(backend, 0)) {
            Map<String, Object> answer = answers(service, row("a", "the cat ".repeat(30), choices, ""))
                    .getFirst();
            assertThat(probabilities(answer)).hasSize(20);
            prompt = (int) ((Map<?, ?>) answer.get("usage")).get("prompt_tokens");
        }
        assertThat(prompt).isGreaterThan(200);
        // A sequence computes its last block, which it shares with no other, and up to three tokens of a choice.
        assertThat(backend.computedTokens()).isBetween((long) prompt, prompt + 21L * (backend.blockSize() + 3));
    }

    @Test
    void aRowsOwnSingleChoiceIsAnsweredAsEver() throws Exception {
        try (CompletionService service = start()) {
            // It has just the parameters with which the choice is scored, but ends by itself.
            String same = ", \"temperature\": 0, \"seed\": 0, \"max_tokens\": 3";
            Map<String, Object> first =
                    answers(service, row("a", "ab", List.of("a"), same)).getFirst();
            Map<String, Object> again =
                    answers(service, row("b", "ab", List.of("a"), same)).getFirst();
            assertThat(output(again, 0)).isEqualTo(output(first, 0));
            assertThat(((List<?>) output(first, 0).get("token_ids")).contains(TinyTokenizer.EOS))
                    .isFalse();
            assertThat(probabilities(again)).isEqualTo(Map.of("a", 1.0));
        }
    }

    @Test
    void areThereOnlyIfTheyAreAskedFor() throws Exception {
        try (CompletionService service = start()) {
            defaults = defaults(Task.CHAT, null, -1);
            List<Map<String, Object>> answers = answers(
                    service,
                    row("a", "the cat", CHOICES, ""),
                    prompt("b", "the cat", "{\"logprobs\": 1}"),
                    prompt("c", "the cat", "{\"logprobs\": 1, \"guided_regex\": \"a|b\"}"),
                    row("d", "the cat", List.of("a", "b", "a"), ", \"logprobs\": 1"));
            assertThat(answers.subList(0, 3))
                    .allSatisfy(answer -> assertThat(answer.get(RecordSchema.CHOICE_PROBABILITIES))
                            .isNull());
            assertThat(probabilities(answers.get(3)).keySet()).containsExactly("a", "b");
        }
    }

    @Test
    void beginWhereAPrimerEnds() throws Exception {
        String messages = "[{\"role\": \"user\", \"content\": \"z\"}, {\"role\": \"assistant\", \"content\": \"%s\"}]";
        Map<String, JsonNode> choice = Rows.parameters("{\"guided_choice\": [\"the cat\", \"a cab\", \"the c\"]}");
        try (CompletionService service = start()) {
            Map<String, Double> begun = probabilities(
                    service,
                    new RowRequest("a", null, null, Rows.field("messages", messages.formatted("the c")), null, choice));
            assertThat(begun.get("a cab")).isZero();
            assertThat(begun.get("the cat")).isBetween(1e-9, 1 - 1e-9);
            assertThat(begun.get("the c")).isCloseTo(1 - begun.get("the cat"), within(1e-12));
            Map<String, Double> other = probabilities(
                    service,
                    new RowRequest("b", null, null, Rows.field("messages", messages.formatted("dog")), null, choice));
            assertThat(other.values()).allSatisfy(value -> assertThat(value).isPositive());
        }
    }

    @Test
    void endWithTheirSession() throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        LanguageModel gated = (history, logits, offset) -> {
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            FakeBackend.pseudoRandom(history, logits, offset);
        };
        try (CompletionService service = start(new FakeBackend(SMALL.withMaxSequences(2), gated), 0)) {
            CompletionService.Session killed = service.open(defaults);
            for (int i = 0; i < 4; i++) {
                killed.submit(lastRow++, row("a", "the cat " + i, CHOICES, ""));
            }
            while (service.counters().queuedRows() == 4) {
                Thread.onSpinWait();
            }
            killed.close();
            gate.countDown();
            Map<String, Object> survivor =
                    answers(service, row("b", "ab", CHOICES, "")).getFirst();
            assertThat(probabilities(survivor)).hasSameSizeAs(CHOICES);
            assertThat(service.counters().completedRows()).isEqualTo(1);
            long generated = generated(service);
            // Of the killed rows no more than the first step was computed.
            try (CompletionService alone = start()) {
                Map<String, Object> same =
                        answers(alone, row("b", "ab", CHOICES, "")).getFirst();
                assertThat(probabilities(survivor)).isEqualTo(probabilities(same));
                assertThat(generated).isLessThanOrEqualTo(generated(alone) + 2);
            }
        }
    }

    @Test
    void tooManyChoicesAreRefused() throws Exception {
        List<String> many = IntStream.range(0, 1001).mapToObj(i -> "c" + i).toList();
        String refusal =
                " has 1001 choices, but with logprobs there may be 1000 at most, for each is computed by itself: give"
                        + " fewer, or leave logprobs out";
        try (CompletionService service = start()) {
            Map<String, Object> refused =
                    answers(service, row("a", "ab", many, "")).getFirst();
            assertThat(((Map<?, ?>) refused.get("error")).get("code")).hasToString("invalid_parameters");
            assertThat(message(refused)).isEqualTo("the constraint" + refusal);
            assertThat(answers(service, row("a", "ab", many, ", \"logprobs\": null")))
                    .hasSize(1);
            assertThat(probabilities(service, row("a", "ab", many.subList(0, 1000), "")))
                    .hasSize(1000);
            StructuredOutput choices = new StructuredOutput(StructuredOutput.Kind.CHOICE, json(many));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> service.open(defaults(Task.CHAT, choices, 0)))
                    .withMessage("structured_outputs" + refusal);
            defaults = defaults(Task.CHAT, choices, -1);
            assertThat(answers(service, prompt("b", "ab")).getFirst().get("error"))
                    .isNull();
        }
    }

    @Test
    void aChoiceForWhichThereIsNoRoomIsSaid() throws Exception {
        defaults = defaults(Task.COMPLETE, null, 0);
        List<String> choices = List.of("a", "xyxyxyxy", "xyxyxyxyxy");
        try (CompletionService service = start(new FakeBackend(SMALL), 8)) {
            Map<String, Object> refused =
                    answers(service, row("a", "ab", choices, "")).getFirst();
            assertThat(((Map<?, ?>) refused.get("error")).get("code")).hasToString("context_length_exceeded");
            assertThat(message(refused))
                    .isEqualTo(
                            "the choice 'xyxyxyxy' and its end do not fit behind the prompt's 3 tokens, so that it has no"
                                    + " probability: shorten the prompt, or leave logprobs out");
            assertThat(refused.get("outputs")).isNull();
            assertThat(probabilities(service, row("b", "ab", List.of("a", "b"), "")))
                    .hasSize(2);
            assertThat(service.counters().failedRows()).isEqualTo(1);
        }
    }
}
