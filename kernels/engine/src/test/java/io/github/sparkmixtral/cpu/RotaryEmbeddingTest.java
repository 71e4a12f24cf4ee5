package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.testkit.GoldenModel;
import io.github.sparkmixtral.testkit.RandomModel;
import org.junit.jupiter.api.Test;

class RotaryEmbeddingTest {

    /** A sine from two libraries may differ in its last bit; an angle that is rounded elsewhere is off by up to 1e-3 here. */
    private static final float TOLERANCE = 1.2e-7f;

    @Test
    void anglesAreThoseOfTransformersAtEveryPosition() {
        JsonNode cases = GoldenModel.json("rope.json");
        assertThat(cases).hasSize(3);
        for (JsonNode golden : cases) {
            int half = golden.get("dimension").intValue() / 2;
            RotaryEmbedding rotary =
                    new RotaryEmbedding(config(golden.get("theta").doubleValue(), 2 * half, RopeLayout.HALVES));
            Matrix cosines = Matrix.zeros(1, half);
            Matrix sines = Matrix.zeros(1, half);
            for (int i = 0; i < golden.get("positions").size(); i++) {
                rotary.angles(cosines, sines, 0, golden.get("positions").get(i).intValue());
                for (int frequency = 0; frequency < half; frequency++) {
                    assertThat(cosines.data()[frequency])
                            .isCloseTo(
                                    golden.get("cosines").get(i).get(frequency).floatValue(), within(TOLERANCE));
                    assertThat(sines.data()[frequency])
                            .isCloseTo(golden.get("sines").get(i).get(frequency).floatValue(), within(TOLERANCE));
                }
            }
        }
    }

    @Test
    void rotatesThePairsOfItsLayout() {
        Matrix cosines = new Matrix(new float[] {0, 0.5f}, 2, 2);
        Matrix sines = new Matrix(new float[] {1, 2}, 2, 2);
        Matrix halves = new Matrix(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 8, 8);
        new RotaryEmbedding(config(1e4, 4, RopeLayout.HALVES)).rotate(halves, cosines, sines, 0);
        assertThat(halves.data()).containsExactly(-3, -7, 1, 6, -7, -13, 5, 16);
        Matrix neighbours = new Matrix(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 8, 8);
        new RotaryEmbedding(config(1e4, 4, RopeLayout.NEIGHBOURS)).rotate(neighbours, cosines, sines, 0);
        assertThat(neighbours.data()).containsExactly(-2, 1, -6.5f, 8, -6, 5, -12.5f, 18);
    }

    private static ModelConfig config(double theta, int headDimension, RopeLayout layout) {
        ModelConfig c = RandomModel.config(0, layout);
        return new ModelConfig(
                c.hiddenSize(),
                c.intermediateSize(),
                c.layers(),
                c.heads(),
                c.kvHeads(),
                headDimension,
                c.experts(),
                c.expertsPerToken(),
                c.vocabularySize(),
                c.maxPositions(),
                theta,
                c.rmsNormEpsilon(),
                c.slidingWindow(),
                layout,
                c.bosTokenId(),
                c.eosTokenIds());
    }
}
