package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.testkit.GoldenModel;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** The whole model on the device, from its files to its logits, against Hugging Face transformers in float32. */
@Tag("device")
class GoldenModelTest {

    /** Logits have a deviation of about 1.5; weights and cache are rounded to 16 bits. Seen: up to 2.6e-3. */
    private static final float TOLERANCE = 1e-2f;

    @ParameterizedTest
    @ValueSource(strings = {"gqa-bf16", "wide-head-f32", "window-f16", "single-f32", "gguf-q8_0"})
    void logitsAndGreedyTokensAreThoseOfTransformers(String name) {
        GoldenModel golden = GoldenModel.of(name);
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {});
                Backend backend = open(model)) {
            assertThat(golden.logits(backend)).containsExactly(golden.logits(), within(TOLERANCE));
            assertThat(golden.greedy(backend)).isEqualTo(golden.greedy());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"gguf-q4_0", "gguf-q4_1", "gguf-q5_0", "gguf-q5_1", "gguf-q4_k_m", "gguf-q5_k_m", "gguf-more"})
    void quantizedWeightsMeanWhatTheirFormatSays(String name) {
        GoldenModel golden = GoldenModel.of(name);
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {});
                Backend backend = open(model)) {
            assertThat(golden.logits(backend)).containsExactly(golden.logits(), within(TOLERANCE));
        }
    }

    /** Of halves in the matrix products come errors of 2^-11 in each factor. Seen: up to 1.1e-2. */
    private static final float TENSOR_CORE_TOLERANCE = 3e-2f;

    @ParameterizedTest
    @ValueSource(strings = {"gqa-bf16", "gguf-q4_k_m"})
    void tensorCoresComeClose(String name) {
        GoldenModel golden = GoldenModel.of(name);
        BackendOptions options = new BackendOptions(1, 128, 8 << 20, 0);
        List<TornadoDevice> devices = Devices.chosen(options).subList(0, 1);
        TornadoDevice device = devices.getFirst();
        assumeThat(device.getDeviceName().equals("simulator") || Devices.hasTensorCores(device))
                .as("TornadoVM's device has tensor cores and is driven through CUDA")
                .isTrue();
        try (Model model = ModelLoader.load(golden.path(), Quantization.NONE, line -> {});
                Backend without = new TornadoBackend(model, options, devices, false);
                Backend with = new TornadoBackend(model, options, devices, true)) {
            float[] logits = golden.logits(with);
            assertThat(logits).containsExactly(golden.logits(), within(TENSOR_CORE_TOLERANCE));
            assertThat(logits).as("from other kernels").isNotEqualTo(golden.logits(without));
        }
    }

    private static Backend open(Model model) {
        BackendOptions options = new BackendOptions(1, 128, 8 << 20, 0);
        return new TornadoBackend(model, options, Devices.chosen(options).subList(0, 1));
    }
}
