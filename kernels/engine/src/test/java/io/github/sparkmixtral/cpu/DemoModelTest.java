package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.github.sparkmixtral.chat.ChatFormat;
import io.github.sparkmixtral.chat.Conversation;
import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Completion;
import io.github.sparkmixtral.engine.Engine;
import io.github.sparkmixtral.engine.Parameters;
import io.github.sparkmixtral.engine.Request;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.tokenizer.Tokenizer;
import io.github.sparkmixtral.tokenizer.Tokenizer.LeadingSpace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The demo's models answer prompts as Hugging Face transformers does; {@code evaluate.py} made the golden files. */
class DemoModelTest {
    private static final Path DEMO = Path.of("../../conf/demo");
    private static final Path GOLDEN = Path.of("src/test/resources/golden/demo");

    static Stream<Kernels> kernels() {
        Stream<Kernels> kernels = Stream.of(new VectorKernels(Packing.FLOATS));
        return NativeCode.unavailable(true).isEmpty()
                ? Stream.concat(kernels, Stream.of(new NativeKernels(Packing.INTEGERS)))
                : kernels;
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void everyPromptGetsTheTextOfTransformers(Kernels kernels) throws IOException {
        requireTexts(DEMO.resolve("model.gguf"), DEMO.resolve("prompts.jsonl"), "texts.jsonl", kernels);
    }

    /** Calls of tools, what comes behind them, and passages before a question, in the format of tokenizer v3. */
    @ParameterizedTest
    @MethodSource("kernels")
    void everyTurnOfTheSecondModelIsThatOfTransformers(Kernels kernels) throws IOException {
        requireTexts(
                DEMO.resolve("agent/model.gguf"), GOLDEN.resolve("agent-prompts.jsonl"), "agent-texts.jsonl", kernels);
    }

    private static void requireTexts(Path model, Path prompts, String texts, Kernels kernels) throws IOException {
        List<JsonNode> asked = read(prompts);
        List<JsonNode> golden = read(GOLDEN.resolve(texts));

        Map<String, String> answers = answers(model, asked, kernels);

        assertThat(answers).hasSameSizeAs(asked).hasSameSizeAs(golden);
        golden.forEach(line -> assertThat(answers.get(id(line)))
                .as(id(line))
                .isEqualTo(line.get("text").asText()));
    }

    /** All prompts at once, so that prompts and answers share their steps. */
    private static Map<String, String> answers(Path file, List<JsonNode> prompts, Kernels kernels) {
        try (Model model = ModelLoader.load(file, Quantization.NONE, line -> {});
                Backend backend = new CpuBackend("cpu", model, new BackendOptions(32, 512, 64 << 20, 2), kernels)) {
            Engine engine =
                    new Engine(backend, model.tokenizer(), model.config().eosTokenIds(), 0);
            prompts.forEach(prompt -> engine.add(request(prompt, model.tokenizer())));
            Map<String, String> answers = new HashMap<>();
            while (engine.hasWork()) {
                for (Completion completion : engine.step()) {
                    answers.put(completion.id(), completion.outputs().getFirst().text());
                }
            }
            return answers;
        }
    }

    private static Request request(JsonNode line, Tokenizer tokenizer) {
        JsonNode messages = line.path("messages");
        if (messages.isMissingNode()) {
            messages = JsonNodeFactory.instance
                    .arrayNode()
                    .add(JsonNodeFactory.instance
                            .objectNode()
                            .put("role", "user")
                            .put("content", line.get("prompt").asText()));
        }
        Conversation conversation = Conversation.ofJson(messages, line.get("tools"));
        return new Request(
                id(line),
                ChatFormat.of(tokenizer).render(conversation),
                Parameters.of(p -> {
                    p.temperature = 0;
                    p.maxTokens = line.get("max_tokens").asInt();
                }),
                conversation.endsWithPrimer() ? LeadingSpace.KEEP : LeadingSpace.STRIP);
    }

    private static String id(JsonNode line) {
        return line.get("custom_id").asText();
    }

    private static List<JsonNode> read(Path file) throws IOException {
        try (MappingIterator<JsonNode> lines =
                new JsonMapper().readerFor(JsonNode.class).readValues(file.toFile())) {
            return lines.readAll();
        }
    }
}
