package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.BackendContractTest;
import io.github.sparkmixtral.testkit.RandomModel;
import java.lang.foreign.Arena;
import java.util.List;
import org.assertj.core.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class Bfloat16BackendTest extends BackendContractTest {

    @BeforeAll
    static void libraryIsThere() {
        Assumptions.assumeThat(new Bfloat16BackendProvider().unavailable()).isEmpty();
    }

    /** Rounding the inputs of the router could choose another expert. */
    @Test
    void theRouterAloneStaysInFloats() {
        try (Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.BF16, 1);
                WorkerPool pool = new WorkerPool("pack", 1);
                Arena arena = Arena.ofConfined()) {
            long bytes = PackedWeights.bytes(model.weights(), Packing.BFLOAT16);
            PackedWeights weights =
                    PackedWeights.pack(model.weights(), Packing.BFLOAT16, arena.allocate(bytes, 64), pool);
            for (PackedWeights.Layer layer : weights.layers()) {
                assertThat(layer.router().packing()).isEqualTo(Packing.FLOATS);
                assertThat(List.of(layer.query(), layer.key(), layer.value(), layer.output()))
                        .extracting(PackedMatrix::packing)
                        .containsOnly(Packing.BFLOAT16);
                assertThat(layer.experts())
                        .allSatisfy(expert -> assertThat(List.of(expert.gate(), expert.up(), expert.down()))
                                .extracting(PackedMatrix::packing)
                                .containsOnly(Packing.BFLOAT16));
            }
            assertThat(weights.head().packing()).isEqualTo(Packing.BFLOAT16);
        }
    }

    @Override
    protected Backend open(Model model, BackendOptions options) {
        return new Bfloat16BackendProvider().open(model, options);
    }

    @Override
    protected float tolerance() {
        return 0;
    }
}
