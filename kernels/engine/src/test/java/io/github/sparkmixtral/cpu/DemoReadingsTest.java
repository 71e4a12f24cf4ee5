package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Pooling;
import io.github.sparkmixtral.engine.SamplingParameters;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.service.CompletionService;
import io.github.sparkmixtral.service.RecordSchema;
import io.github.sparkmixtral.service.RequestDefaults;
import io.github.sparkmixtral.service.RequestDefaults.Embedding;
import io.github.sparkmixtral.service.RequestDefaults.SpecialTokens;
import io.github.sparkmixtral.service.RowRequest;
import io.github.sparkmixtral.service.RowRequest.Field;
import io.github.sparkmixtral.service.ServiceOptions;
import io.github.sparkmixtral.service.Task;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What the demo's model says of texts themselves: embeddings as Hugging Face transformers makes them, likelihoods as the LM Evaluation
 * Harness has them. {@code readings.py} made the golden file.
 */
class DemoReadingsTest {
    private static final Path DEMO = Path.of("../../conf/demo");
    private static final Path GOLDEN = Path.of("src/test/resources/golden/demo/readings.json");

    /**
     * Kernels, and how far a value may be off with floats, and with inputs of 16 bits, where now and then a router whose experts are
     * almost equally likely takes another one.
     */
    static Stream<Arguments> kernels() {
        Stream<Arguments> kernels = Stream.of(Arguments.of(new VectorKernels(Packing.FLOATS), 1e-3));
        return NativeCode.unavailable(true).isEmpty()
                ? Stream.concat(kernels, Stream.of(Arguments.of(new NativeKernels(Packing.INTEGERS), 0.1)))
                : kernels;
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void embeddingsAreThoseOfTransformers(Kernels kernels, double tolerance) throws Exception {
        JsonNode golden = golden().get("embeddings");
        for (Pooling pooling : Pooling.values()) {
            List<Map<String, Object>> answers = new ArrayList<>();
            List<RowRequest> rows = new ArrayList<>();
            golden.forEach(text -> rows.add(row(text.get("text").asText(), null)));
            answer(kernels, Task.EMBED, new Embedding(pooling, false), rows, answers);
            assertThat(answers).hasSameSizeAs(golden);
            for (int i = 0; i < answers.size(); i++) {
                JsonNode expected = golden.get(i).get(pooling.name().toLowerCase(Locale.ROOT));
                List<?> actual = (List<?>) answers.get(i).get(RecordSchema.EMBEDDING);
                assertThat(((Map<?, ?>) answers.get(i).get("usage")).get("prompt_tokens"))
                        .isEqualTo(golden.get(i).get("tokens").asInt());
                assertThat(actual).hasSameSizeAs(expected);
                for (int column = 0; column < actual.size(); column++) {
                    assertThat((double) (Float) actual.get(column))
                            .as("%s of text %d, column %d", pooling, i, column)
                            .isCloseTo(expected.get(column).doubleValue(), within(tolerance));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void scoresAreThoseOfTheEvaluationHarness(Kernels kernels, double tolerance) throws Exception {
        JsonNode golden = golden().get("scores");
        List<Map<String, Object>> answers = new ArrayList<>();
        List<RowRequest> rows = new ArrayList<>();
        golden.forEach(pair ->
                rows.add(row(pair.get("prompt").asText(), pair.get("completion").asText())));
        answer(kernels, Task.SCORE, Embedding.DEFAULT, rows, answers);
        assertThat(answers).hasSameSizeAs(golden);
        for (int i = 0; i < answers.size(); i++) {
            Map<?, ?> scored = (Map<?, ?>) answers.get(i).get(RecordSchema.PROMPT_LOGPROBS);
            List<?> ids = (List<?>) scored.get("token_ids");
            List<?> logprobs = (List<?>) scored.get("token_logprobs");
            assertThat(ids.toString().replace(" ", ""))
                    .isEqualTo(golden.get(i).get("token_ids").toString());
            double sum = 0;
            for (int token = 0; token < logprobs.size(); token++) {
                double logprob = (Float) logprobs.get(token);
                sum += logprob;
                assertThat(logprob)
                        .as("pair %d, token %d", i, token)
                        .isCloseTo(
                                golden.get(i).get("token_logprobs").get(token).doubleValue(), within(tolerance));
            }
            assertThat(sum).isCloseTo(golden.get(i).get("logprob").doubleValue(), within(tolerance * logprobs.size()));
        }
    }

    private static JsonNode golden() throws IOException {
        return new JsonMapper().readTree(GOLDEN.toFile());
    }

    private static RowRequest row(String prompt, String completion) {
        Field completed = completion == null ? null : new Field("completion", TextNode.valueOf(completion));
        return new RowRequest(
                null, null, new Field("prompt", TextNode.valueOf(prompt)), null, null, completed, Map.of());
    }

    private static void answer(
            Kernels kernels, Task task, Embedding embedding, List<RowRequest> rows, List<Map<String, Object>> answers)
            throws Exception {
        RequestDefaults defaults =
                new RequestDefaults(task, null, false, SamplingParameters.DEFAULT, null, SpecialTokens.TEXT, embedding);
        try (Model model = ModelLoader.load(DEMO.resolve("model.gguf"), Quantization.NONE, line -> {});
                CompletionService service = CompletionService.start(
                        model.description(),
                        new CpuBackend("cpu", model, new BackendOptions(32, 512, 64 << 20, 2), kernels),
                        new ServiceOptions(0, 64));
                CompletionService.Session session = service.open(defaults);
                BufferAllocator allocator = new RootAllocator();
                VectorSchemaRoot completions = VectorSchemaRoot.create(session.schema(), allocator)) {
            for (int row = 0; row < rows.size(); row++) {
                session.submit(row, rows.get(row));
            }
            while (session.read(completions, 64) > 0) {
                for (int i = 0; i < completions.getRowCount(); i++) {
                    Map<String, Object> answer = new HashMap<>();
                    for (var vector : completions.getFieldVectors()) {
                        Object value = vector.getObject(i);
                        if (value != null) {
                            answer.put(vector.getName(), value);
                        }
                    }
                    assertThat(answer).doesNotContainKey("error");
                    answers.add(answer);
                }
            }
        }
    }
}
