package io.github.sparkmixtral.job.inspect;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.model.FlakyFileSystem;
import io.github.sparkmixtral.job.model.SparseMixtral;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code spark-mixtral inspect}. */
class InspectTest {
    private static final Path GOLDEN = Path.of("..", "kernels", "testkit", "src", "golden", "models");

    @TempDir
    private Path directory;

    private static Outcome inspect(Object model, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("inspect", model));
        arguments.addAll(List.of(more));
        return SparkFixture.run(arguments.toArray());
    }

    private static JsonNode json(Object model, Object... more) throws IOException {
        List<Object> options = new ArrayList<>(List.of(more));
        options.add("--json");
        Outcome outcome = inspect(model, options.toArray());
        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        return new JsonMapper().readTree(outcome.out());
    }

    private static JsonNode need(JsonNode inspection, String backend, String quantization) {
        for (JsonNode need : inspection.get("memory")) {
            if (need.get("backend").textValue().equals(backend)
                    && need.get("quantization").textValue().equals(quantization)) {
                return need;
            }
        }
        throw new AssertionError("no " + backend + " with " + quantization + " in " + inspection);
    }

    private Path mixtral8x7B() throws IOException {
        Path model = directory.resolve("Mixtral-8x7B");
        SparseMixtral.writeDirectory(model);
        return model;
    }

    @Test
    void tellsWhatAGgufFileIs() {
        Outcome outcome = inspect(MODEL);

        assertThat(outcome.exitCode()).as(outcome.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(outcome.out())
                .startsWith("model.gguf\n")
                .contains(
                        "architecture    MixtralForCausalLM, gguf Q8_0",
                        "parameters      10.8 million, ",
                        "heads           4 of 32, 2 for keys and values",
                        "experts         8 of inner size 192, 2 for a token",
                        "context         4,096 tokens, RoPE theta 1,000,000, no sliding window",
                        "Q8_0 99.",
                        "tokenizer       SentencePiece BPE v1, 32,000 tokens",
                        "chat format     mistral-v1: ",
                        "system prompts  yes",
                        "tools           no: ",
                        "special tokens  <unk> 0, <s> 1, </s> 2",
                        "stop tokens     </s> 2",
                        "It fits",
                        "  spark-mixtral --model " + MODEL + " --input prompts.jsonl --output answers");
        assertThat(outcome.out().lines())
                .filteredOn(line -> line.startsWith("  cpu "))
                .singleElement()
                .asString()
                .contains(" none ")
                .endsWith(" yes");
    }

    @Test
    void tellsTheSameInJson() throws Exception {
        JsonNode inspection = json(MODEL, "--max-num-seqs", 3);

        assertThat(inspection.at("/config/layers").intValue()).isEqualTo(4);
        assertThat(inspection.at("/config/parameters").longValue()).isBetween(10_700_000L, 10_900_000L);
        assertThat(inspection.at("/tokenizer/stop_tokens/<~1s>").intValue()).isEqualTo(2);
        JsonNode need = need(inspection, "cpu", "none");
        // f32, 4 layers, keys and values of 2 heads of 32.
        long token = 4L * 4 * 2 * 2 * 32;
        assertThat(need.get("kv_cache_per_sequence").longValue()).isEqualTo(4096 * token);
        assertThat(need.get("kv_cache").longValue()).isEqualTo(3 * 4096 * token);
        assertThat(need.get("needs_at_least").longValue())
                .isLessThan(need.get("needs_for_all").longValue());
        assertThat(inspection.at("/suggestion/command").textValue()).contains(" --model " + MODEL);
    }

    @Test
    void tellsWhatADirectoryIsAndNeeds() throws Exception {
        JsonNode inspection = json(mixtral8x7B(), "--memory", "40g", "--backend", "cpu");

        assertThat(inspection.at("/config/parameters").longValue()).isEqualTo(46_702_792_704L);
        assertThat(inspection.at("/config/active_parameters").longValue()).isEqualTo(12_879_925_248L);
        assertThat(inspection.at("/weights/BF16").longValue()).isEqualTo(2 * 46_702_792_704L);
        Map<String, Double> gigabytes = Map.of("none", 93.4, "q8_0", 49.6, "q4_0", 26.4, "nf4", 26.4);
        gigabytes.forEach((quantization, size) -> {
            JsonNode need = need(inspection, "cpu", quantization);
            assertThat(need.get("weights").longValue() / 1e9).as(quantization).isCloseTo(size, within(size / 20));
            assertThat(need.get("fits").booleanValue()).as(quantization).isEqualTo(size < 40);
            // Half of what is beside the weights may go to keys and values: those of 32,768 tokens take 8 GiB.
            assertThat(need.get("needs_at_least").longValue()
                            - need.get("weights").longValue()
                            - need.get("workspace").longValue())
                    .as(quantization)
                    .isBetween((16L << 30) - 4096, (16L << 30) + 4096);
        });
        assertThat(need(inspection, "cpu", "none").get("refusal").textValue())
                .startsWith("the weights need ")
                .contains("but only 40960 MiB are free");
        assertThat(inspection.at("/suggestion/command").textValue())
                .contains("--quantization nf4 --backend cpu")
                .doesNotContain("none");
        assertThat(inspection.at("/suggestion/spark.executor.memoryOverhead").textValue())
                .matches("\\d+g");
    }

    /** As kernels/tornado/README.md tells it; there is neither a GPU nor TornadoVM here. */
    @ParameterizedTest
    @CsvSource({"24g, 5, 3, 2", "80g, 2, 1, 1"})
    void tellsHowManyGpusEachFormatNeeds(String gpu, int bf16, int q8, int q4) throws Exception {
        Path model = mixtral8x7B();
        JsonNode inspection = json(model, "--gpus", gpu, "--max-model-len", 4096);

        Map.of("none", bf16, "q8_0", q8, "q4_0", q4).forEach((quantization, gpus) -> {
            JsonNode need = need(inspection, "tornado", quantization);
            assertThat(need.get("place").textValue()).isEqualTo("device");
            assertThat(need.get("needs_places").intValue()).as(quantization).isEqualTo(gpus);
            assertThat(need.get("fits").booleanValue()).as(quantization).isEqualTo(gpus == 1);
        });
        assertThat(inspection.at("/unusable_backends/tornado").textValue()).contains("without TornadoVM");
        Outcome four = inspect(model, "--gpus", "4x80g", "--max-model-len", 4096);
        assertThat(four.out())
                .contains("It fits on the 4 GPUs if one executor has all of them", " --max-model-len 4096 ");
    }

    @Test
    void aShorterContextNeedsLess() throws Exception {
        Path model = mixtral8x7B();
        JsonNode whole = need(json(model, "--backend", "cpu", "--quantization", "q4_0"), "cpu", "q4_0");
        JsonNode shorter =
                need(json(model, "--backend", "cpu", "--quantization", "q4_0", "--max-model-len", 4096), "cpu", "q4_0");

        assertThat(shorter.get("kv_cache_per_sequence").longValue())
                .isEqualTo(whole.get("kv_cache_per_sequence").longValue() / 8);
        assertThat(shorter.get("needs_at_least").longValue())
                .isLessThan(whole.get("needs_at_least").longValue());
    }

    @Test
    void whatFitsNowhereIsTold() throws Exception {
        Outcome outcome = inspect(mixtral8x7B(), "--memory", "8g", "--backend", "cpu");

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.DONE);
        assertThat(outcome.out())
                .contains("cpu: 8.0 GiB (--memory)")
                .containsPattern(
                        "Nothing fits. The least is the backend cpu with --quantization (q4_0|nf4), which needs \\d+");
    }

    @Test
    void ofAModelElsewhereOnlyTheHeadsAreRead() throws Exception {
        Path model = mixtral8x7B();
        JsonNode here = json(model, "--memory", "64g");
        FlakyFileSystem.reset();
        System.setProperty("spark.hadoop.fs.flaky.impl", FlakyFileSystem.class.getName());
        try {
            JsonNode there = json("flaky:" + model, "--memory", "64g");
            assertThat(there.get("memory")).isEqualTo(here.get("memory"));
            assertThat(there.get("config")).isEqualTo(here.get("config"));
        } finally {
            System.clearProperty("spark.hadoop.fs.flaky.impl");
        }
        assertThat(FlakyFileSystem.BYTES_READ.get()).isBetween(1L, 2L << 20);
    }

    @Test
    void tellsHowAGptqModelIsStored() throws Exception {
        JsonNode inspection = json(GOLDEN.resolve("gptq-4bit"));

        assertThat(inspection.get("format").textValue()).startsWith("safetensors GPTQ 4-bit as ");
        assertThat(inspection.get("memory"))
                .allSatisfy(
                        need -> assertThat(need.get("quantization").textValue()).isEqualTo("none"));
    }

    @Test
    void aModelThatDoesNotRunIsRefusedAsByAJob() throws Exception {
        Path foreign = Files.createDirectories(directory.resolve("foreign"));
        Files.writeString(foreign.resolve("config.json"), "{\"architectures\": [\"LlamaForCausalLM\"]}");
        Files.writeString(foreign.resolve("model.safetensors"), "");
        Path broken = directory.resolve("broken.gguf");
        Files.write(broken, Arrays.copyOf(Files.readAllBytes(MODEL), 1 << 20));
        for (Path model : List.of(foreign, broken, directory.resolve("missing"))) {
            Outcome outcome = inspect(model);
            assertThat(outcome.exitCode()).isEqualTo(ExitCode.MODEL_UNUSABLE);
            assertThat(outcome.out()).isEmpty();
            Path input = SparkFixture.write(directory.resolve("in.jsonl"), "{\"prompt\": \"a\"}");
            Outcome job = SparkFixture.run("--model", model, "--input", input, "--output", directory.resolve("out"));
            assertThat(outcome.lastLine()).isEqualTo(job.lastLine());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--memory much | --memory must be a size such as 512m or 4g, not much",
                "--gpus 0x80g | --gpus must be GPUs such as 80g or 4x80g, not 0x80g",
                "--gpus 4xx | --gpus must be a size",
                "--max-model-len 5000 | --max-model-len must be at most 4096, the model's own limit, not 5000",
                "--backend none | --backend must be one of ",
                "--quantisation q8_0 | unknown option --quantisation; did you mean --quantization?"
            })
    void wrongOptionsAreTold(String options, String message) {
        Outcome outcome = inspect(MODEL, (Object[]) options.split(" "));

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(outcome.lastLine()).startsWith("spark-mixtral: " + message);
    }

    @Test
    void quantizedWeightsAreNotQuantizedAgain() {
        Outcome outcome = inspect(MODEL, "--quantization", "q4_0");

        assertThat(outcome.exitCode()).isEqualTo(ExitCode.MODEL_UNUSABLE);
        assertThat(outcome.lastLine()).contains("is quantized already", "leave out --quantization");
    }
}
