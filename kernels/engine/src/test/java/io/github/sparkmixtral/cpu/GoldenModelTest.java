package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.testkit.GoldenModel;
import io.github.sparkmixtral.testkit.ModelWriter;
import io.github.sparkmixtral.testkit.TinyTokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The whole model, from its files to its logits, against Hugging Face transformers in float32. */
class GoldenModelTest {

    /** Logits have a deviation of about 1.5; two orders of summation over two layers were seen to differ by up to 2e-5. */
    private static final float TOLERANCE = 1e-4f;

    static Stream<Arguments> checkpoints() {
        return Stream.of(
                        "gqa-bf16",
                        "wide-head-f32",
                        "window-f16",
                        "sharded-bf16",
                        "single-f32",
                        "gguf-q8_0",
                        "gguf-more",
                        "mistral-bf16",
                        "mistral-stacked-bf16")
                .flatMap(GoldenModelTest::withEachKernels);
    }

    static Stream<Arguments> quantized() {
        return Stream.of("gguf-q8_0", "gguf-q4_0", "gguf-q4_1", "gguf-q5_0", "gguf-q5_1", "gguf-q4_k_m", "gguf-q5_k_m")
                .flatMap(GoldenModelTest::withEachKernels);
    }

    private static Stream<Arguments> withEachKernels(String model) {
        Stream<Kernels> kernels = Stream.of(new ScalarKernels(), new VectorKernels(Packing.FLOATS));
        if (NativeCode.unavailable(false).isEmpty()) {
            kernels = Stream.concat(kernels, Stream.of(new NativeKernels(Packing.FLOATS)));
        }
        return kernels.map(its -> Arguments.of(model, its));
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void logitsAndGreedyTokensAreThoseOfTransformers(String name, Kernels kernels) {
        GoldenModel golden = GoldenModel.of(name);
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {});
                Backend backend = open(model, kernels)) {
            assertThat(golden.logits(backend)).containsExactly(golden.logits(), within(TOLERANCE));
            assertThat(golden.greedy(backend)).isEqualTo(golden.greedy());
            assertThat(golden.greedy()).hasSize(64);
        }
    }

    @Test
    void oneTensorForEachExpertIsTheSameModel(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("of 2023.gguf");
        GoldenModel golden = GoldenModel.of("gguf-q8_0");
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {})) {
            ModelWriter.writeGguf(file, model, TinyTokenizer.vocabulary(), ModelWriter.Experts.SEPARATE);
        }
        assertGenerates(golden, file);
    }

    @Test
    void aSplitModelIsTheSameWhicheverPartIsNamed(@TempDir Path directory) throws IOException {
        GoldenModel golden = GoldenModel.of("gguf-q8_0");
        List<Path> parts;
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {})) {
            parts = ModelWriter.writeSplitGguf(directory, 3, model, TinyTokenizer.vocabulary());
        }
        assertGenerates(golden, parts.getFirst());
        assertGenerates(golden, parts.getLast());
        assertGenerates(golden, directory);
    }

    private static void assertGenerates(GoldenModel golden, Path path) {
        try (Model model = ModelLoader.load(path, Quantization.NONE, line -> {});
                Backend backend = open(model, new VectorKernels(Packing.FLOATS))) {
            assertThat(golden.logits(backend)).containsExactly(golden.logits(), within(TOLERANCE));
            assertThat(golden.greedy(backend)).isEqualTo(golden.greedy());
        }
    }

    @ParameterizedTest
    @MethodSource("quantized")
    void quantizedWeightsMeanWhatTheirFormatSays(String name, Kernels kernels) {
        GoldenModel golden = GoldenModel.of(name);
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {});
                Backend backend = open(model, kernels)) {
            float[] logits = golden.logits(backend);
            assertThat(logits).containsExactly(golden.logits(), within(TOLERANCE));
        }
    }

    /** Bounds a little below what transformers itself reaches with the decoded weights, as models.py prints it. */
    @ParameterizedTest
    @CsvSource({
        "gguf-q8_0, gguf-q8_0, 0.999",
        "gguf-q4_0, gguf-q8_0, 0.88",
        "gguf-q4_1, gguf-q8_0, 0.90",
        "gguf-q5_0, gguf-q8_0, 0.97",
        "gguf-q5_1, gguf-q8_0, 0.97",
        "gguf-q4_k_m, gguf-q4_k_m, 0.97",
        "gguf-q5_k_m, gguf-q4_k_m, 0.99"
    })
    void quantizedModelStaysCloseToTheOriginal(String name, String original, double bound) {
        GoldenModel golden = GoldenModel.of(name);
        float[] expected = GoldenModel.floats(original + "/original.gz");
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {});
                Backend backend = open(model, new VectorKernels(Packing.FLOATS))) {
            assertThat(medianCosine(golden.logits(backend), expected, backend.vocabularySize()))
                    .isBetween(bound, 1.0);
        }
    }

    @ParameterizedTest
    @CsvSource({"Q8_0, 0.999", "Q4_0, 0.85", "NF4, 0.85"})
    void quantizingOnLoadStaysCloseToTheOriginal(Quantization quantization, double bound) {
        GoldenModel golden = GoldenModel.of("gqa-bf16");
        try (Model model = ModelLoader.load(golden.path(), quantization, line -> {});
                Backend backend = open(model, new VectorKernels(Packing.FLOATS))) {
            assertThat(medianCosine(golden.logits(backend), golden.logits(), backend.vocabularySize()))
                    .isBetween(bound, 1.0);
        }
    }

    @ParameterizedTest
    @CsvSource({"gqa-bf16", "wide-head-f32", "window-f16", "gguf-q8_0", "gguf-q4_0", "gguf-q4_k_m"})
    void productsInBfloat16StayCloseToTransformers(String name) {
        assumeThat(new Bfloat16BackendProvider().unavailable()).isEmpty();
        GoldenModel golden = GoldenModel.of(name);
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {});
                Backend backend = open(model, new VectorKernels(Packing.BFLOAT16))) {
            double cosine = medianCosine(golden.logits(backend), golden.logits(), backend.vocabularySize());
            assertThat(cosine).isGreaterThan(0.9999);
        }
    }

    /** By integers of 16 bits, with the machine's own instructions and in plain Java: the same bits, and hardly others than by floats. */
    @ParameterizedTest
    @CsvSource({"gguf-q8_0", "gguf-q4_0", "gguf-q4_1", "gguf-q5_0", "gguf-q5_1", "gguf-q4_k_m", "gguf-q5_k_m"})
    void productsOfIntegersStayCloseToTransformers(String name) {
        GoldenModel golden = GoldenModel.of(name);
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {});
                Backend plain = open(model, new VectorKernels(Packing.INTEGERS))) {
            float[] logits = golden.logits(plain);
            double cosine = medianCosine(logits, golden.logits(), plain.vocabularySize());
            assertThat(cosine).isGreaterThan(0.999999);
            if (NativeCode.unavailable(true).isEmpty()) {
                try (Backend backend = open(model, new NativeKernels(Packing.INTEGERS))) {
                    assertThat(golden.logits(backend)).isEqualTo(logits);
                    assertThat(golden.greedy(backend)).isEqualTo(golden.greedy(plain));
                }
            }
        }
    }

    private static Backend open(Model model, Kernels kernels) {
        return new CpuBackend("cpu", model, new BackendOptions(1, 128, 8 << 20, 2), kernels);
    }

    /** Cosine of each position's logits, then the median: rounding may turn the router at single positions. */
    private static double medianCosine(float[] actual, float[] expected, int width) {
        List<Double> cosines = IntStream.range(0, expected.length / width)
                .mapToObj(row -> cosine(actual, expected, row * width, width))
                .sorted()
                .toList();
        return cosines.get(cosines.size() / 2);
    }

    private static double cosine(float[] a, float[] b, int from, int width) {
        double product = 0;
        double squareA = 0;
        double squareB = 0;
        for (int i = from; i < from + width; i++) {
            product += (double) a[i] * b[i];
            squareA += (double) a[i] * a[i];
            squareB += (double) b[i] * b[i];
        }
        return Math.min(1, product / Math.sqrt(squareA * squareB));
    }
}
