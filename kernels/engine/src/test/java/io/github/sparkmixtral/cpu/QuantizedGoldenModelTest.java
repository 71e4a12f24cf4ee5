package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelDescription;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.GoldenModel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;

/**
 * Checkpoints as quantizers store them, from their files to their logits. {@code quantized.csv} has for each what its weights are held as,
 * and by how much a weight and a logit may differ: by a rounding of sums where integers and scales are taken over, by more where
 * something is rounded.
 */
class QuantizedGoldenModelTest {

    /** By how much logits differ, at most, if products take inputs as integers of 16 bits. */
    private static final double INTEGERS = 4e-3;

    @ParameterizedTest
    @CsvFileSource(resources = "/golden/quantized.csv", numLinesToSkip = 1)
    void weightsAreThoseOfTheFormula(String name, String format, double weightError, double logitError) {
        GoldenModel golden = GoldenModel.of(name);
        float[] expected = GoldenModel.floats(name + "/weights.gz");
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {})) {
            assertThat(model.description().format()).isEqualTo("safetensors " + format);
            JsonNode listed = GoldenModel.json(name + "/golden.json").get("modules");
            Weights.Layer layer = model.weights().layers().getFirst();
            Tensor key = layer.key();
            Tensor down = layer.experts().get(1).down();
            assertThat(key.name()).startsWith(listed.get(0).textValue());
            assertThat(down.name()).startsWith(listed.get(1).textValue());
            double largest = largestDifference(expected, new float[expected.length]);
            int keys = Math.toIntExact(key.elements());
            float[] actual = Arrays.copyOf(values(key), expected.length);
            System.arraycopy(values(down), 0, actual, keys, expected.length - keys);
            assertThat(largestDifference(actual, expected) / largest).isLessThanOrEqualTo(weightError);
        }
    }

    @ParameterizedTest
    @CsvFileSource(resources = "/golden/quantized.csv", numLinesToSkip = 1)
    void logitsAreThoseOfTransformers(String name, String format, double weightError, double logitError) {
        GoldenModel golden = GoldenModel.of(name);
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {})) {
            for (Kernels kernels : new Kernels[] {new ScalarKernels(), new VectorKernels(Packing.FLOATS)}) {
                try (Backend backend = open(model, kernels)) {
                    assertThat(largestDifference(golden.logits(backend), golden.logits()))
                            .as(kernels.name())
                            .isLessThanOrEqualTo(logitError);
                }
            }
            try (Backend backend = open(model, new VectorKernels(Packing.INTEGERS))) {
                assertThat(largestDifference(golden.logits(backend), golden.logits()))
                        .isLessThanOrEqualTo(logitError + INTEGERS);
            }
        }
    }

    /** Nothing of the weights is read for a description: on a driver, files have holes in their place. */
    @ParameterizedTest
    @CsvFileSource(resources = "/golden/quantized.csv", numLinesToSkip = 1)
    void heldWeightsTakeWhatTheDescriptionSays(String name, String format, double weightError, double logitError) {
        GoldenModel golden = GoldenModel.of(name);
        ModelDescription description = ModelLoader.describe(golden.path());
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {})) {
            assertThat(model.weights().bytesOffHeap()).isZero();
            Weights.Layer layer = model.weights().layers().getFirst();
            long packed = PackedWeights.bytes(model.weights(), Packing.FLOATS);
            assertThat(description.bytes()).isBetween(packed * 3 / 4, packed * 5 / 4);
            assertThat(description.format()).endsWith(layer.query().type().name());
        }
    }

    @Test
    void weightsOf16BitsAreQuantizedOnLoadAndOthersAreNot() {
        Path float8 = GoldenModel.of("fp8-block").path();
        try (Model model = ModelLoader.load(float8, Quantization.Q8_0, line -> {})) {
            assertThat(model.description().format()).isEqualTo("safetensors FP8 as F16 quantized to Q8_0");
            Tensor key = model.weights().layers().getFirst().key();
            float[] expected = Arrays.copyOf(GoldenModel.floats("fp8-block/weights.gz"), (int) key.elements());
            assertThat(key.type()).isEqualTo(TensorType.Q8_0);
            assertThat(largestDifference(values(key), expected)).isBetween(1e-4, 5e-3);
        }
        Path gptq = GoldenModel.of("gptq-4bit").path();
        assertThatThrownBy(() -> ModelLoader.describe(gptq, Quantization.Q8_0))
                .isInstanceOf(ModelException.class)
                .hasMessageEndingWith(
                        "is quantized already (tensor model.layers.0.self_attn.q_proj.qweight is Q4_0): leave out --quantization");
    }

    private static double largestDifference(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        return IntStream.range(0, expected.length)
                .mapToDouble(i -> Math.abs((double) actual[i] - expected[i]))
                .max()
                .orElseThrow();
    }

    private static float[] values(Tensor tensor) {
        RowReader reader = new RowReader(tensor);
        float[] values = new float[Math.toIntExact(tensor.elements())];
        for (int row = 0; row < tensor.rows(); row++) {
            tensor.type().decode(reader.row(row), 0, values, row * tensor.columns(), tensor.columns());
        }
        return values;
    }

    private static Backend open(Model model, Kernels kernels) {
        return new CpuBackend("cpu", model, new BackendOptions(1, 128, 8 << 20, 2), kernels);
    }
}
