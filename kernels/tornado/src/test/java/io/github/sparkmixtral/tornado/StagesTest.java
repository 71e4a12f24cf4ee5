package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.Batches;
import io.github.sparkmixtral.testkit.RandomModel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** Layers on several devices, in ways that the contract of backends does not ask for. */
class StagesTest {

    private static final BackendOptions OPTIONS = new BackendOptions(4, 64, 1 << 20, 0);

    /** Room for 5 tokens at a time, and for as many changes of block tables as ever. */
    private static final BackendOptions SMALL_STEPS = new BackendOptions(4, 5, 1 << 20, 0);

    private final Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.F32, 5);
    private final List<TornadoDevice> devices = Devices.chosen(OPTIONS);

    @AfterEach
    void close() {
        model.close();
    }

    /** 40 tokens in 8 parts, which both devices are at; two of the sequences are cut in two or more. */
    @Test
    void partsOfAStepFollowOneAnotherThroughTheDevices() {
        int[] tokens = IntStream.range(0, 40).map(i -> i * 7 % 131).toArray();
        Batch batch = new Batches()
                .add(tokens, 0, 17, new int[] {4, 9}, 17)
                .add(tokens, 0, 3, new int[] {1}, 1)
                .add(tokens, 0, 20, new int[] {7, 2}, 3)
                .hidden(0, 16, 39)
                .build();
        MemoryPlan parts = MemoryPlan.of(
                model, SMALL_STEPS, devices.stream().map(Devices::space).toList(), false);
        try (Backend two = new TornadoBackend(model, OPTIONS, devices, false, parts);
                Backend one = new TornadoBackend(model, OPTIONS, devices.subList(0, 1), false)) {
            float[] logits = Arrays.copyOf(two.forward(batch), 21 * 131);
            assertThat(logits).containsExactly(Arrays.copyOf(one.forward(batch), 21 * 131), within(5e-3f));
            assertThat(two.hidden()).containsExactly(one.hidden(), within(5e-3f));
        }
    }

    @Test
    void weightsThatAreNoneForTensorCoresGoWithoutThem() {
        try (Arena arena = Arena.ofShared()) {
            Model unfit = withTinyOutput(arena);
            Batch batch =
                    new Batches().add(new int[20], 0, 20, new int[] {0, 1}, 1).build();
            try (Backend with = new TornadoBackend(unfit, OPTIONS, devices, true);
                    Backend without = new TornadoBackend(unfit, OPTIONS, devices, false)) {
                assertThat(Arrays.copyOf(with.forward(batch), 131))
                        .isEqualTo(Arrays.copyOf(without.forward(batch), 131));
            }
        }
    }

    /** The model, the second layer's output matrix of which lies below fp16's range. */
    private Model withTinyOutput(Arena arena) {
        List<Weights.Layer> layers = new ArrayList<>(model.weights().layers());
        Weights.Layer last = layers.removeLast();
        Tensor output = last.output();
        MemorySegment tiny = arena.allocate(output.data().byteSize());
        for (long at = 0; at < tiny.byteSize(); at += Float.BYTES) {
            tiny.set(ValueLayout.JAVA_FLOAT, at, 1e-9f * output.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, at));
        }
        layers.add(new Weights.Layer(
                last.attentionNorm(),
                last.query(),
                last.key(),
                last.value(),
                new Tensor(output.name(), output.type(), output.rows(), output.columns(), tiny),
                last.expertNorm(),
                last.router(),
                last.experts()));
        Weights weights = model.weights();
        return new Model(
                model.description(),
                new Weights(weights.embedding(), layers, weights.outputNorm(), weights.head()),
                model.arena());
    }
}
