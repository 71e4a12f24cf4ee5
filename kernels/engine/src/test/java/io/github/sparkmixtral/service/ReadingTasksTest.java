package io.github.sparkmixtral.service;

import static io.github.sparkmixtral.service.Rows.field;
import static io.github.sparkmixtral.service.Rows.parameters;
import static io.github.sparkmixtral.service.Rows.prompt;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.engine.Parameters;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.service.RequestDefaults.Embedding;
import io.github.sparkmixtral.service.RequestDefaults.SpecialTokens;
import io.github.sparkmixtral.testkit.FakeBackend;
import io.github.sparkmixtral.testkit.FakeBackend.Size;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tasks that read prompts themselves: embeddings, scores, classes, and log-probabilities of a prompt beside its answer. */
@Timeout(60)
class ReadingTasksTest {
    private final BufferAllocator allocator = new RootAllocator();
    private FakeBackend backend;
    private CompletionService service;

    @BeforeEach
    void start() {
        backend = new FakeBackend(new Size(6, 48, 64, 512));
        service = CompletionService.start(FakeModel.DESCRIPTION, backend, new ServiceOptions(0, 64));
    }

    @AfterEach
    void closeAll() {
        service.close();
        allocator.close();
    }

    private static RequestDefaults defaults(Task task, Embedding embedding) {
        SamplingParameters parameters = Parameters.of(p -> p.maxTokens = 12);
        return new RequestDefaults(task, null, false, parameters, null, SpecialTokens.TEXT, embedding);
    }

    private static RequestDefaults defaults(Task task) {
        return defaults(task, Embedding.DEFAULT);
    }

    private static RowRequest completed(String id, String prompt, String completion, String parameters) {
        return new RowRequest(
                id, null, field("prompt", prompt), null, null, field("completion", completion), parameters(parameters));
    }

    private List<Map<String, Object>> answers(RequestDefaults defaults, RowRequest... rows) throws Exception {
        try (CompletionService.Session session = service.open(defaults);
                VectorSchemaRoot completions = VectorSchemaRoot.create(session.schema(), allocator)) {
            for (int row = 0; row < rows.length; row++) {
                session.submit(row, rows[row]);
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

    private static List<?> promptLogprobs(Map<String, Object> answer, String field) {
        assertThat(answer.get("error")).isNull();
        return (List<?>) ((Map<?, ?>) answer.get(RecordSchema.PROMPT_LOGPROBS)).get(field);
    }

    private static String error(Map<String, Object> answer) {
        Map<?, ?> error = (Map<?, ?>) answer.get("error");
        return error.get("code") + ": " + error.get("message");
    }

    private static int usage(Map<String, Object> answer, String count) {
        return (int) ((Map<?, ?>) answer.get("usage")).get(count);
    }

    private static int[] tokens(String prompt) {
        int[] text = TinyTokenizer.INSTANCE.encode(prompt);
        int[] tokens = new int[text.length + 1];
        tokens[0] = TinyTokenizer.BOS;
        System.arraycopy(text, 0, tokens, 1, text.length);
        return tokens;
    }

    private static double logprob(int[] tokens, int position) {
        float[] logits = new float[TinyTokenizer.SIZE];
        FakeBackend.pseudoRandom(Arrays.copyOf(tokens, position), logits, 0);
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit);
        }
        return logits[tokens[position]] - Math.log(sum);
    }

    @ParameterizedTest
    @CsvSource({"MEAN, false", "LAST, false", "MEAN, true", "LAST, true"})
    void embedsRawPrompts(Pooling pooling, boolean normalize) throws Exception {
        String[] texts = {"the cat", "a", "the cat is here and there and everywhere", "the cat"};
        List<Map<String, Object>> answers = answers(
                defaults(Task.EMBED, new Embedding(pooling, normalize)),
                Arrays.stream(texts).map(text -> prompt(text, text)).toArray(RowRequest[]::new));
        for (int row = 0; row < texts.length; row++) {
            Map<String, Object> answer = answers.get(row);
            int[] tokens = tokens(texts[row]);
            assertThat(usage(answer, "prompt_tokens")).isEqualTo(tokens.length);
            assertThat(usage(answer, "completion_tokens")).isZero();
            assertThat((List<?>) answer.get("outputs")).isEmpty();
            assertThat(answer.get("seed")).isNull();
            double[] expected = embedding(tokens, pooling, normalize);
            List<?> actual = (List<?>) answer.get(RecordSchema.EMBEDDING);
            assertThat(actual).hasSize(3);
            for (int i = 0; i < 3; i++) {
                assertThat((double) (Float) actual.get(i)).isCloseTo(expected[i], within(1e-4 * (1 + expected[i])));
            }
        }
        assertThat(answers.get(3).get("copied")).isEqualTo(true);
    }

    /** By what a hidden state of the fake backend is. */
    private static double[] embedding(int[] tokens, Pooling pooling, boolean normalize) {
        double[] sum = new double[3];
        int first = pooling == Pooling.LAST ? tokens.length - 1 : 0;
        for (int position = first; position < tokens.length; position++) {
            sum[0] += tokens[position];
            sum[1] += Arrays.stream(tokens, 0, position + 1).sum();
            sum[2] += position;
        }
        double length = normalize ? Math.sqrt(Arrays.stream(sum).map(x -> x * x).sum()) : tokens.length - first;
        return Arrays.stream(sum).map(x -> x / length).toArray();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'the cat'   | ' is'      | 'the cat'",
                "'the cat '  | 'is'       | 'the cat'",
                "'the cat \n'| 'is there' | 'the cat'",
                "'the'       | 'cat'      | 'the'",
                "''          | 'the cat'  | ''"
            })
    void scoresTokensBeyondThePrompts(String prompt, String completion, String context) throws Exception {
        Map<String, Object> answer = answers(
                        defaults(Task.SCORE), completed("a", prompt, completion, "{\"logprobs\": 2}"))
                .getFirst();
        int[] tokens = tokens(prompt + completion);
        int from = tokens(context).length;
        List<?> ids = promptLogprobs(answer, "token_ids");
        List<?> logprobs = promptLogprobs(answer, "token_logprobs");
        assertThat(ids).hasSize(tokens.length - from);
        for (int i = 0; i < ids.size(); i++) {
            assertThat(ids.get(i)).isEqualTo(tokens[from + i]);
            assertThat((double) (Float) logprobs.get(i)).isCloseTo(logprob(tokens, from + i), within(1e-5));
            assertThat((List<?>) promptLogprobs(answer, "top_token_ids").get(i)).hasSize(2);
        }
        assertThat(usage(answer, "prompt_tokens")).isEqualTo(tokens.length);
    }

    @Test
    void classifiesByWhatEachChoiceAddsToThePrompt() throws Exception {
        String choices = "{\"guided_choice\": [\"cat\", \"the cat\", \"a\"]}";
        Map<String, Object> answer = answers(defaults(Task.CLASSIFY), prompt("a", "who is it", choices))
                .getFirst();
        String rendered = "[INST] who is it [/INST]";
        double[] logprobs = new double[3];
        String[] texts = {"cat", "the cat", "a"};
        for (int choice = 0; choice < 3; choice++) {
            int[] prompt = tokens(rendered);
            int[] text = TinyTokenizer.INSTANCE.encode(texts[choice]);
            int[] all = Arrays.copyOf(prompt, prompt.length + text.length + 1);
            System.arraycopy(text, 0, all, prompt.length, text.length);
            all[all.length - 1] = TinyTokenizer.EOS;
            for (int position = prompt.length; position < all.length; position++) {
                logprobs[choice] += logprob(all, position);
            }
        }
        double sum = Arrays.stream(logprobs).map(Math::exp).sum();
        int best = 0;
        List<?> probabilities = (List<?>) answer.get(RecordSchema.CHOICE_PROBABILITIES);
        for (int choice = 0; choice < 3; choice++) {
            Map<?, ?> entry = (Map<?, ?>) probabilities.get(choice);
            assertThat(entry.get("choice")).hasToString(texts[choice]);
            assertThat((Double) entry.get("probability")).isCloseTo(Math.exp(logprobs[choice]) / sum, within(1e-5));
            best = logprobs[choice] > logprobs[best] ? choice : best;
        }
        Map<?, ?> output = (Map<?, ?>) ((List<?>) answer.get("outputs")).getFirst();
        assertThat(output.get("text")).hasToString(texts[best]);
        assertThat(usage(answer, "prompt_tokens")).isEqualTo(tokens(rendered).length);
    }

    @Test
    void aLongPromptIsComputedOnceForAllChoices() throws Exception {
        String prompt = "the cat is here and there ".repeat(8);
        String choices = "{\"guided_choice\": [\"a\", \"b\", \"c\", \"d\"]}";
        Map<String, Object> answer =
                answers(defaults(Task.CLASSIFY), prompt("a", prompt, choices)).getFirst();
        int tokens = usage(answer, "prompt_tokens");
        assertThat(backend.computedTokens()).isLessThan(tokens + 4 * 20);
        assertThat(usage(answer, "cached_tokens")).isZero();
    }

    @Test
    void tellsHowLikelyThePromptIsBesideTheAnswer() throws Exception {
        Map<String, Object> answer = answers(
                        defaults(Task.COMPLETE), prompt("a", "the cat is", "{\"prompt_logprobs\": 1, \"n\": 2}"))
                .getFirst();
        int[] tokens = tokens("the cat is");
        List<?> logprobs = promptLogprobs(answer, "token_logprobs");
        assertThat(logprobs).hasSize(tokens.length - 1);
        for (int i = 0; i < logprobs.size(); i++) {
            assertThat((double) (Float) logprobs.get(i)).isCloseTo(logprob(tokens, i + 1), within(1e-5));
        }
        assertThat((List<?>) answer.get("outputs")).hasSize(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"false", "null"})
    void noLogprobsOfThePromptAreAskedFor(String value) throws Exception {
        Map<String, Object> answer = answers(
                        defaults(Task.COMPLETE), prompt("a", "the cat", "{\"prompt_logprobs\": " + value + "}"))
                .getFirst();
        assertThat(answer.get("error")).isNull();
        assertThat(answer.get(RecordSchema.PROMPT_LOGPROBS)).isNull();
    }

    @Test
    void refusesWhatCannotBeRead() throws Exception {
        List<Map<String, Object>> scored = answers(
                defaults(Task.SCORE),
                completed("a", "the", "", "{}"),
                completed("b", "the", null, "{}"),
                prompt("c", "the"),
                completed("d", "a".repeat(300), "b".repeat(300), "{}"),
                Rows.messages("e", "[]"));
        assertThat(error(scored.get(0))).isEqualTo("invalid_completion: completion is empty");
        assertThat(error(scored.get(1))).isEqualTo("invalid_completion: completion is missing");
        assertThat(error(scored.get(2)))
                .isEqualTo("invalid_completion: the row has no completion, which the task score needs");
        assertThat(error(scored.get(3)))
                .contains("context_length_exceeded: the text has ", " tokens, but must fit into 512");
        assertThat(error(scored.get(4)))
                .isEqualTo("invalid_messages: the task score takes a prompt, not messages: use the task chat for them");

        List<Map<String, Object>> classified = answers(
                defaults(Task.CLASSIFY),
                prompt("a", "the cat"),
                prompt("b", "the cat", "{\"guided_choice\": [\"a\", \"\"]}"),
                prompt("c", "the cat", "{\"guided_regex\": \"a+\"}"));
        assertThat(error(classified.get(0))).contains("invalid_parameters: the row has no choices", "--choices");
        assertThat(error(classified.get(1))).contains("invalid_parameters: ", "empty");
        assertThat(error(classified.get(2))).contains("invalid_parameters: the row has no choices");

        List<Map<String, Object>> embedded =
                answers(defaults(Task.EMBED), prompt("a", ""), Rows.task("b", "the cat", Task.CHAT));
        assertThat(error(embedded.get(0))).isEqualTo("invalid_prompt: prompt is empty");
        assertThat(error(embedded.get(1)))
                .contains("unsupported_url: the row asks for the task chat, but the job's is embed");
    }
}
