package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import uk.ac.manchester.tornado.api.SimulatedWork;

/** What starting and stepping make TornadoVM do, for as many layers as Mixtral 8x7B has, counted by the simulated plan. */
class StepCostTest {

    private static final int LAYERS = 32;

    private static final BackendOptions OPTIONS = new BackendOptions(2, 16, 1 << 20, 0);

    private static final Batch TOKEN = token(3);

    /** Six layers fit into a graph, or five on tensor cores; the embedding, the head and the best logits have a graph each. */
    @ParameterizedTest
    @CsvSource({"false, 6", "true, 7"})
    void aStepTakesFewRoundTrips(boolean tensorCores, int layerGraphs) {
        try (Model model = model(LAYERS);
                Backend backend = open(model, tensorCores)) {
            SimulatedWork before = SimulatedWork.soFar();
            backend.top(TOKEN, 1);
            assertThat(SimulatedWork.soFar().since(before).executions()).isEqualTo(1 + layerGraphs + 1 + 1);
        }
    }

    /** A layer has 16 kernels, and each graph of layers compiles the last one again; embedding, head and best logits have 5. */
    @Test
    void layersShareTheirKernels() {
        assertThat(compilations(2)).isEqualTo(16 + 5);
        assertThat(compilations(LAYERS)).isEqualTo(16 + 5 + 5);
    }

    private static long compilations(int layers) {
        SimulatedWork before = SimulatedWork.soFar();
        try (Model model = model(layers);
                Backend backend = open(model, false)) {
            backend.top(TOKEN, 1);
        }
        return SimulatedWork.soFar().since(before).compilations();
    }

    private static Backend open(Model model, boolean tensorCores) {
        return new TornadoBackend(model, OPTIONS, Devices.chosen(OPTIONS), tensorCores);
    }

    private static Model model(int layers) {
        ModelConfig config = new ModelConfig(
                16, 16, layers, 2, 1, 8, 2, 1, 40, 64, 1e4, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
        return RandomModel.of(config, TensorType.F32, 1);
    }

    private static Batch token(int token) {
        int[] zero = {0};
        int[] one = {0, 1};
        return new Batch(new int[] {token}, zero, zero, one, zero, one, zero);
    }
}
