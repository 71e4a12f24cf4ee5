package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.BackendContractTest;
import io.github.sparkmixtral.testkit.Batches;
import io.github.sparkmixtral.testkit.RandomModel;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("device")
class TornadoBackendTest extends BackendContractTest {

    @Override
    protected Backend open(Model model, BackendOptions options) {
        return new TornadoBackend(model, options, Devices.chosen(options).subList(0, 1));
    }

    /**
     * Seven layers are more than a graph takes: what the second one leaves out or takes twice would show. Every token goes to all
     * experts, since rounding may turn a close choice.
     */
    @Test
    void layersOfSeveralGraphsFollowOneAnother() {
        ModelConfig config =
                new ModelConfig(44, 52, 7, 6, 2, 10, 2, 2, 131, 2048, 1e4, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
        BackendOptions options = new BackendOptions(2, 32, 1 << 20, 1);
        int[] tokens = IntStream.range(0, 21).map(i -> i * 11 % 131).toArray();
        Batch batch = new Batches().add(tokens, 0, 21, new int[] {3, 1}, 21).build();
        try (Model model = RandomModel.of(config, TensorType.F32, 3);
                Backend cpu = Backends.find("cpu").open(model, options);
                Backend device = open(model, options)) {
            float[] expected = Arrays.copyOf(cpu.forward(batch), 21 * 131);
            assertThat(Arrays.copyOf(device.forward(batch), 21 * 131)).containsExactly(expected, within(2e-2f));
        }
    }

    /**
     * Logits have a deviation of about 1.5. How sums are cut up depends on how many rows share a matrix, and keys and values of 16 bits
     * turn a difference in the last bit into one of 1 in 65,534.
     */
    @Override
    protected float tolerance() {
        return 5e-3f;
    }
}
