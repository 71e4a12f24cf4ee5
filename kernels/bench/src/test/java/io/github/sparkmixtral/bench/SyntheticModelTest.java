package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelLoader;
import io.github.sparkmixtral.model.Quantization;
import io.github.sparkmixtral.model.Weights;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.ModelWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SyntheticModelTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @EnumSource(
            value = TensorType.class,
            names = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K"})
    void whatIsWrittenIsLoadedAgain(TensorType type) throws IOException {
        Path file = folder.resolve("model.gguf");
        try (Model made = SyntheticModel.of(SyntheticModel.tiny(2), type, 3)) {
            ModelWriter.writeGguf(
                    file, made, SyntheticModel.vocabulary(made.config().vocabularySize()));
            try (Model read = ModelLoader.load(file, Quantization.NONE, _ -> {})) {
                assertThat(read.config())
                        .usingRecursiveComparison()
                        .ignoringFields("ropeLayout")
                        .withComparatorForType(Comparator.comparingDouble(Double::floatValue), Double.class)
                        .isEqualTo(made.config());
                assertThat(read.tokenizer().encode("w300 w999"))
                        .isEqualTo(made.tokenizer().encode("w300 w999"));
                List<Tensor> expected = tensors(made.weights());
                List<Tensor> actual = tensors(read.weights());
                assertThat(actual).hasSameSizeAs(expected);
                for (int i = 0; i < expected.size(); i++) {
                    assertThat(actual.get(i).type()).isEqualTo(expected.get(i).type());
                    assertThat(actual.get(i).data().mismatch(expected.get(i).data()))
                            .as(actual.get(i).name())
                            .isEqualTo(-1);
                }
            }
        }
    }

    private static List<Tensor> tensors(Weights weights) {
        List<Tensor> tensors = new ArrayList<>(List.of(weights.embedding(), weights.outputNorm(), weights.head()));
        for (Weights.Layer layer : weights.layers()) {
            tensors.addAll(List.of(layer.attentionNorm(), layer.query(), layer.key(), layer.value()));
            tensors.addAll(List.of(layer.output(), layer.expertNorm(), layer.router()));
            layer.experts().forEach(expert -> tensors.addAll(List.of(expert.gate(), expert.up(), expert.down())));
        }
        return tensors;
    }
}
