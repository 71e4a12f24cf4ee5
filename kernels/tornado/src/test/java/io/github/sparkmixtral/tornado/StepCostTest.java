package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.WantedLogits;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.SimulatedWork;

/** What starting and stepping make TornadoVM do, for as many layers as Mixtral 8x7B has, counted by the simulated plan. */
class StepCostTest {

    private static final int LAYERS = 32;

    private static final BackendOptions OPTIONS = new BackendOptions(2, 16, 1 << 20, 0);

    private static final int LAYER_GRAPHS = 7;

    /** Of five layers 16 each, of the embedding 2, of the head 3, of the best logits 1; and of each further graph the last one again. */
    private static final int KERNELS = 5 * 16 + 2 + 3 + 1 + LAYER_GRAPHS - 1;

    private static final Model MODEL = model();
    private static final SimulatedWork BEFORE = SimulatedWork.soFar();
    private static final Backend BACKEND =
            new TornadoBackend(MODEL, OPTIONS, Devices.chosen(OPTIONS).subList(0, 1), false);
    private static final SimulatedWork OPENED = SimulatedWork.soFar().since(BEFORE);

    @AfterAll
    static void close() {
        BACKEND.close();
        MODEL.close();
    }

    @Test
    void graphsOfLayersShareTheirKernels() {
        assertThat(OPENED.compilations()).isEqualTo(KERNELS);
        assertThat(step(token(0)).compilations()).isZero();
    }

    /** Five layers fit into a graph; the embedding, the head and the best logits have a graph each. */
    @Test
    void aStepTakesFewRoundTrips() {
        assertThat(step(token(1)).executions()).isEqualTo(1 + LAYER_GRAPHS + 1 + 1);
    }

    /** The tables of 2 sequences of 64 positions would be 8 integers, of which a step brings those that change in any case. */
    @Test
    void aStepUploadsItselfAndTheWantedRowsWithTheirTemperatures() {
        int tokens = OPTIONS.maxBatchTokens();
        AttentionItems items = new AttentionItems(AttentionKernels.queryTile(8, 2), 0, tokens, 2, 64);
        StepLayout layout = new StepLayout(tokens, items.maxItems(), 256);
        assertThat(step(token(2)).uploadedBytes())
                .isEqualTo((layout.size() + StepLayout.HEADER + tokens + tokens) * Integer.BYTES);
    }

    private static SimulatedWork step(Batch batch) {
        SimulatedWork before = SimulatedWork.soFar();
        BACKEND.top(batch, new WantedLogits(1, new double[1], (_, _) -> false));
        return SimulatedWork.soFar().since(before);
    }

    private static Model model() {
        ModelConfig config =
                new ModelConfig(8, 8, LAYERS, 2, 1, 8, 2, 1, 40, 64, 1e4, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
        return RandomModel.of(config, TensorType.F32, 1);
    }

    private static Batch token(int block) {
        int[] zero = {0};
        int[] one = {0, 1};
        return new Batch(zero, zero, new int[] {block * 16}, one, new int[] {block}, one, zero);
    }
}
