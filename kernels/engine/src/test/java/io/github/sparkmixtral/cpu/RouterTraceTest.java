package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.cpu.RouterTrace.Choices;
import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The demo's routers choose what transformers' do; {@code experts.py} made the golden file. */
class RouterTraceTest {
    private static final Path DEMO = Path.of("../../conf/demo/model.gguf");
    private static final Path GOLDEN = Path.of("src/test/resources/golden/demo/experts.jsonl");

    private static Model model;

    @BeforeAll
    static void load() {
        model = ModelLoader.load(DEMO, Quantization.NONE, line -> {});
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void theBackendCountsTheTokensOfEachExpert() {
        BackendOptions options =
                new BackendOptions(1, 64, 1 << 22, 2, 0, BackendOptions.ANY_DEVICES, Activations.F32, MemoryLimit.NONE);
        try (CpuBackend backend = (CpuBackend) new CpuBackendProvider().open(model, options)) {
            long[][] expected = new long[4][model.config().experts()];
            backend.observe((layer, rows, routing) -> {
                for (int row = 0; row < rows; row++) {
                    for (int choice = 0; choice < model.config().expertsPerToken(); choice++) {
                        expected[layer][routing.expert(row, choice)]++;
                    }
                }
            });
            int[] places = IntStream.range(0, 48).toArray();
            Batch batch = new Batch(
                    IntStream.range(300, 348).toArray(),
                    places,
                    places,
                    new int[] {0, 48},
                    new int[] {0, 1, 2},
                    new int[] {0, 3},
                    new int[] {47},
                    new int[0]);
            backend.forward(batch);
            backend.forward(batch);

            assertThat(backend.expertTokens()).isDeepEqualTo(expected);
            assertThat(Arrays.stream(expected[0]).sum())
                    .isEqualTo(2 * 48 * model.config().expertsPerToken());
            assertThat(Arrays.stream(expected[3]).sum())
                    .isEqualTo(2 * model.config().expertsPerToken());
        }
    }

    @Test
    void choosesTheExpertsOfTransformers() throws IOException {
        List<JsonNode> golden = golden();
        assertThat(golden).hasSize(4).anyMatch(line -> line.get("tokens").size() > CpuBackend.CHUNK_TOKENS);
        try (RouterTrace router = new RouterTrace(model, 1024, 2, MemoryLimit.NONE)) {
            for (JsonNode line : golden) {
                int[] tokens = IntStream.range(0, line.get("tokens").size())
                        .map(i -> line.get("tokens").get(i).asInt())
                        .toArray();
                Choices choices = router.trace(tokens);
                assertThat(choices.experts()).hasDimensions(4, tokens.length);
                for (int layer = 0; layer < 4; layer++) {
                    String[] experts = line.get("experts").get(layer).asText().split(" ");
                    for (int token = 0; token < tokens.length; token++) {
                        check(choices, layer, token, experts[token], line);
                    }
                }
            }
        }
    }

    private static void check(Choices choices, int layer, int token, String expected, JsonNode line) {
        int[] experts = choices.experts()[layer][token];
        float[] weights = choices.weights()[layer][token];
        assertThat(weights[0] + weights[1]).isCloseTo(1, within(1e-6f));
        if (!expected.equals("..")) {
            String where = "layer %d, token %d of %s".formatted(layer, token, line.get("custom_id"));
            assertThat(experts[0] + "" + experts[1]).as(where).isEqualTo(expected);
            assertThat((double) weights[0])
                    .as(where)
                    .isCloseTo(line.get("weights").get(layer).get(token).doubleValue(), within(2e-3));
        }
    }

    @Test
    void textsAreApart() {
        int[] text = {1, 733, 16289, 28793, 1824};
        try (RouterTrace router = new RouterTrace(model, 8, 1, MemoryLimit.NONE)) {
            Choices first = router.trace(text);
            router.trace(1, 5, 6, 7, 8, 9, 10, 11);
            assertThat(router.trace(text).experts()).isDeepEqualTo(first.experts());
        }
    }

    @Test
    void refusesTextsThatDoNotFit() {
        try (RouterTrace router = new RouterTrace(model, 2, 1, MemoryLimit.NONE)) {
            assertThatThrownBy(() -> router.trace(1, 2, 3))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the text has 3 tokens, but must have 1 to 2");
            assertThatThrownBy(router::trace).hasMessage("the text has 0 tokens, but must have 1 to 2");
            assertThatThrownBy(() -> router.trace(1, 32_000)).hasMessage("tokens[1] is 32000, not in [0, 32000)");
        }
    }

    private static List<JsonNode> golden() throws IOException {
        try (MappingIterator<JsonNode> lines =
                new JsonMapper().readerFor(JsonNode.class).readValues(GOLDEN.toFile())) {
            return lines.readAll();
        }
    }
}
