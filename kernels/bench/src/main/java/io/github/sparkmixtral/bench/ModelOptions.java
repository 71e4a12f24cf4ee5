package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.tensor.TensorType;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Which model to measure: one from files, or random weights. */
final class ModelOptions {

    /** Shapes of synthetic models. */
    enum Shape {
        MIXTRAL_8X7B,
        SMALL,
        TINY;

        ModelConfig config(int layers) {
            return switch (this) {
                case MIXTRAL_8X7B -> SyntheticModel.mixtral8x7b(layers);
                case SMALL -> SyntheticModel.small(layers);
                case TINY -> SyntheticModel.tiny(layers);
            };
        }
    }

    @Option(names = "--model", description = "A model to load; without it, random weights of --shape.")
    private Path model;

    @Option(
            names = "--shape",
            defaultValue = "SMALL",
            description = "Shape of random weights: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Shape shape;

    @Option(
            names = "--layers",
            defaultValue = "8",
            description = "Layers of random weights (default: ${DEFAULT-VALUE}).")
    private int layers;

    @Option(
            names = "--weights",
            defaultValue = "Q8_0",
            description = "Type of random weights: F32, F16, BF16, Q8_0, Q4_0 or Q4_K (default: ${DEFAULT-VALUE}).")
    private TensorType weights;

    /** The model; the caller closes it. */
    Model load() {
        return model == null
                ? SyntheticModel.of(shape.config(layers), weights, 42)
                : ModelLoader.load(model, Quantization.NONE, _ -> {});
    }

    boolean random() {
        return model == null;
    }
}
