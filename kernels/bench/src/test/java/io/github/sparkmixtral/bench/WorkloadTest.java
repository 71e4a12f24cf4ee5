package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.github.sparkmixtral.bench.Limits.Limit;
import io.github.sparkmixtral.bench.Measurement.What;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class WorkloadTest {

    private static final ModelConfig CONFIG =
            new ModelConfig(64, 96, 2, 4, 2, 16, 4, 2, 100, 512, 1e4, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));

    @ParameterizedTest
    @EnumSource(
            value = TensorType.class,
            names = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K"})
    void randomWeightsKeepTheSizeOfWhatTheyMultiply(TensorType type) {
        ModelConfig config = SyntheticModel.tiny(1);
        try (Model model = SyntheticModel.of(config, type, 3)) {
            Tensor gate =
                    model.weights().layers().getFirst().experts().getFirst().gate();
            float[] values = new float[gate.rows() * gate.columns()];
            gate.type().decode(gate.data(), 0, values, 0, values.length);
            double variance = IntStream.range(0, values.length)
                    .mapToDouble(i -> (double) values[i] * values[i])
                    .average()
                    .orElseThrow();
            assertThat(variance * config.hiddenSize()).isCloseTo(1, within(0.1));
        }
    }

    @Test
    void refusesTypesThatItCannotMake() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SyntheticModel.of(CONFIG, TensorType.Q6_K, 3))
                .withMessage("no random weights of type Q6_K; take F32, F16, BF16, Q8_0, Q4_0 or Q4_K");
    }

    @Test
    void oneTokenReadsItsShareOfTheExpertsAndManyReadAll() {
        try (Model model = SyntheticModel.of(CONFIG, TensorType.F32, 3);
                Backend backend = open(model)) {
            Workload workload = new Workload(backend, model);
            double dense = 4.0 * (100 * 64 + 2 * (64 * 64 + 2 * 32 * 64 + 64 * 64 + 4 * 64));
            double experts = 4.0 * 2 * 4 * 3 * 64 * 96;
            assertThat(workload.bytesRead(1)).isEqualTo(dense + experts / 2);
            assertThat(workload.bytesRead(64)).isCloseTo(dense + experts, within(1.0));
        }
    }

    @Test
    void countsTheWeightsThatTokensMeet() {
        try (Model model = SyntheticModel.of(CONFIG, TensorType.F32, 3);
                Backend backend = open(model)) {
            Workload workload = new Workload(backend, model);
            double keysAndValues = 2 * 32 * 64;
            double rest = 64 * 64 + 64 * 64 + 4 * 64 + 2 * 3 * 64 * 96;
            double head = 100 * 64;
            // Of the last of two layers, tokens whose logits are not wanted leave only keys and values.
            assertThat(workload.operations(10, 3)).isEqualTo(2 * (10 * (2 * keysAndValues + rest) + 3 * (rest + head)));
        }
    }

    @Test
    void runsPromptsAndDecodesLongerContextsThanOneStepTakes() {
        try (Model model = SyntheticModel.of(CONFIG, TensorType.Q8_0, 3);
                Backend backend = open(model)) {
            Workload workload = new Workload(backend, model);
            assertThat(workload.prefill(40)).isPositive();
            assertThat(workload.decode(3, 20, 4, 2)).hasSize(2).allMatch(seconds -> seconds > 0);
            assertThat(workload.decode(2, 70, 3, 1)).hasSize(1);
        }
    }

    @Test
    void layersHaveWeightsOfTheirOwnUnlessThatTakesTooMuch() {
        try (Model model = SyntheticModel.of(CONFIG, TensorType.F32, 3)) {
            List<Weights.Layer> layers = model.weights().layers();
            assertThat(layers.get(0).query().data().address())
                    .isNotEqualTo(layers.get(1).query().data().address());
        }
    }

    @Test
    void tellsMedianRangeAndShares() {
        Measurement measurement = Measurement.of(What.DECODE, 8, 128, 0, List.of(0.5, 0.1, 0.2), 2e9, 3e9);
        assertThat(measurement.tokensPerSecond()).isEqualTo(40);
        assertThat(measurement.line())
                .isEqualTo("| decode, batch 8, context 128 | 40.0 | 200.00 (100.00, 500.00) | 10.0 |  | 15.0 |  |");
        assertThat(measurement.within(30e9).line()).endsWith("| 10.0 |  | 15.0 | 50 % |");
        Limit limit = new Limit(2, Range.of(20e9, List.of(1.0)), Range.of(40e9, List.of(1.0)));
        assertThat(measurement.within(limit).line()).endsWith("| 10.0 | 25 % | 15.0 | 75 % |");
        assertThat(Measurement.of(What.PREFILL, 512, 0, 2, List.of(1.0), 1, 1).line())
                .startsWith("| prompt of 512, threads 2 | 512.0 |");
    }

    private static Backend open(Model model) {
        return Backends.find("cpu").open(model, new BackendOptions(4, 64, 8 << 20, 1));
    }
}
