package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import io.github.sparkmixtral.tornado.MemoryPlan.Space;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryPlanTest {

    private static final long PLENTY = 16L << 30;

    private static final ModelConfig MIXTRAL = new ModelConfig(
            4096, 14336, 32, 32, 8, 128, 8, 2, 32000, 32768, 1e6, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));

    private final Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.F32, 1);

    /** 2 layers of 2 kv heads of 10 elements: 5 words and a scale for each of 16 keys and values. */
    private static final long BLOCK_BYTES = 2 * 2 * 2 * 16 * (5 + 1) * 4;

    @AfterEach
    void close() {
        model.close();
    }

    @Test
    void cacheTakesWhatItIsGiven() {
        MemoryPlan plan = MemoryPlan.of(
                model, new BackendOptions(4, 64, 10 * BLOCK_BYTES + 1, 0), List.of(new Space("device", PLENTY)), false);
        assertThat(plan.blocks()).isEqualTo(10);
        assertThat(plan.capacity().layout().maxTokens()).isEqualTo(64);
    }

    @Test
    void cacheIsSizedForItsSequencesWhereNothingIsSaid() {
        MemoryPlan plan =
                MemoryPlan.of(model, new BackendOptions(4, 64, 0, 0), List.of(new Space("device", PLENTY)), false);
        assertThat(plan.blocks()).isEqualTo(4 * 2048 / 16);
    }

    @Test
    void cacheTakesWhatIsLeftOfASmallDevice() {
        MemoryPlan all =
                MemoryPlan.of(model, new BackendOptions(4, 64, 0, 0), List.of(new Space("device", PLENTY)), false);
        long fixed = all.bytes() - all.blocks() * BLOCK_BYTES;
        long device = (fixed + 20 * BLOCK_BYTES) * 100 / 92 + 200;
        MemoryPlan plan =
                MemoryPlan.of(model, new BackendOptions(4, 64, 0, 0), List.of(new Space("device", device)), false);
        assertThat(plan.blocks()).isEqualTo(20);
        assertThat(plan.bytes()).isLessThan(device);
    }

    @Test
    void saysHowMuchIsNeededAndHowMuchThereIs() {
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> MemoryPlan.of(
                        model, new BackendOptions(4, 64, 0, 0), List.of(new Space("Little GPU", 100 << 10)), false))
                .withMessageMatching(
                        "the model does not fit on Little GPU: its weights take \\d+ MiB, the workspace of 64 tokens \\d+ MiB and one block of the key/value cache 1 MiB, but of 1 MiB only 1 MiB can be used; quantize the model further, lower --max-num-batched-tokens or take larger devices or more of them");
    }

    @Test
    void countsWhatTensorCoresNeed() {
        BackendOptions options = new BackendOptions(4, 64, 1 << 20, 0);
        MemoryPlan without = MemoryPlan.of(model, options, List.of(new Space("device", PLENTY)), false);
        MemoryPlan with = MemoryPlan.of(model, options, List.of(new Space("device", PLENTY)), true);
        // Of 2 entries for each of 64 tokens: 64 columns in 32 words, and a unit.
        long rows = 128 * (32 + 1);
        // The vocabulary of 131, rounded up to 160, takes 2 tiles of 128; the entries fill 2 tiles of 64, and 5 experts
        // may leave
        // as many unfilled.
        long tiles = 2 * (2 + 5) * 64 * 128;
        // One word of each array is there without tensor cores.
        assertThat(with.bytes() - without.bytes()).isEqualTo((rows + tiles - 2) * 4);
    }

    @Test
    void severalDevicesShareTheLayers() {
        BackendOptions options = new BackendOptions(4, 64, 10 * BLOCK_BYTES, 0);
        MemoryPlan one = MemoryPlan.of(model, options, List.of(new Space("device", PLENTY)), false);
        MemoryPlan two =
                MemoryPlan.of(model, options, List.of(new Space("device", PLENTY), new Space("device", PLENTY)), false);
        assertThat(two.blocks()).isEqualTo(10);
        assertThat(two.shares().stream().map(MemoryPlan.Share::layers))
                .containsExactly(new LayerRange(0, 1, 2), new LayerRange(1, 2, 2));
        assertThat(two.bytes()).isGreaterThan(one.bytes());
    }

    @Test
    void asFewDevicesAreTakenAsTheModelNeeds() {
        BackendOptions options = new BackendOptions(4, 64, 0, 0);
        long all = MemoryPlan.of(model, options, List.of(new Space("device", PLENTY)), false)
                .bytes();
        List<Space> large = List.of(new Space("device", PLENTY), new Space("device", PLENTY));
        assertThat(MemoryPlan.fewest(model, options, large, false)).isEqualTo(1);
        List<Space> small = List.of(new Space("device", all / 2), new Space("device", all / 2));
        assertThat(MemoryPlan.fewest(model, options, small, false)).isEqualTo(2);
    }

    @Test
    void refusesMoreDevicesThanLayers() {
        List<Space> three = Collections.nCopies(3, new Space("device", PLENTY));
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> MemoryPlan.of(model, new BackendOptions(4, 64, 0, 0), three, false))
                .withMessage("the model has 2 layers, too few for 3 GPUs; give the engine fewer");
    }

    @Test
    void saysOfSeveralDevicesWhatFitsWhere() {
        List<Space> two = Collections.nCopies(2, new Space("GPU", 2 << 20));
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> MemoryPlan.of(model, new BackendOptions(4, 2048, 0, 0), two, false))
                .withMessageMatching(
                        "the model does not fit on 2 x GPU: its weights take \\d+ MiB, the workspace of 2048 tokens \\d+ MiB on each and one block of the key/value cache 1 MiB, but of 4 MiB only 4 MiB can be used; quantize the model further, lower --max-num-batched-tokens or take larger devices or more of them");
    }

    @ParameterizedTest
    @CsvSource({
        "24, 5 GPUs of 24 GiB as bf16; 3 GPUs of 24 GiB as Q8_0; 2 GPUs of 24 GiB as Q4_0",
        "80, 2 GPUs of 80 GiB as bf16; 1 GPU of 80 GiB as Q8_0; 1 GPU of 80 GiB as Q4_0",
        "1, ''"
    })
    void saysHowManyDevicesMixtralNeeds(long gibibytes, String needs) {
        assertThat(MemoryPlan.needs(MIXTRAL, new BackendOptions(64, 2048, 0, 0), gibibytes << 30).stream()
                        .map(DeviceNeed::toString)
                        .collect(Collectors.joining("; ")))
                .isEqualTo(needs);
    }

    @Test
    void refusesACacheThatDoesNotFit() {
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> MemoryPlan.of(
                        model, new BackendOptions(4, 64, 2L << 30, 0), List.of(new Space("device", 1L << 30)), false))
                .withMessageMatching(
                        "the key/value cache is to take 2048 MiB, but beside the model only \\d+ MiB are free on device; lower --kv-cache-memory");
    }

    @Test
    void refusesACacheOfLessThanABlock() {
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> MemoryPlan.of(
                        model, new BackendOptions(4, 64, 100, 0), List.of(new Space("device", PLENTY)), false))
                .withMessage(
                        "one block of 16 tokens of the key/value cache needs 3072 bytes, more than the 100 allowed; raise --kv-cache-memory");
    }

    @Test
    void promptsLongerThanAChunkTakeNoMoreMemory() {
        MemoryPlan plan = MemoryPlan.of(
                model, new BackendOptions(1, 100_000, 1 << 20, 0), List.of(new Space("device", PLENTY)), false);
        assertThat(plan.capacity().layout().maxTokens()).isEqualTo(MemoryPlan.MAX_CHUNK_TOKENS);
    }

    @ParameterizedTest
    @CsvSource({"10, 257, at most 256 experts per layer", "514, 2, at most 512 elements per head"})
    void refusesAShapeThatTheKernelsDoNotTake(int headDimension, int experts, String limit) {
        ModelConfig config = new ModelConfig(
                8, 8, 1, 1, 1, headDimension, experts, 2, 11, 16, 1e4, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));
        try (Model odd = RandomModel.of(config, TensorType.F32, 1)) {
            assertThatExceptionOfType(ModelException.class)
                    .isThrownBy(() -> MemoryPlan.of(
                            odd, new BackendOptions(4, 64, 0, 0), List.of(new Space("device", PLENTY)), false))
                    .withMessage("the tornado backend takes %s, and the model has %d; use --backend cpu"
                            .formatted(limit, Math.max(headDimension, experts)));
        }
    }
}
