package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.AllLogits;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Batch;
import io.github.sparkmixtral.engine.Logits;
import io.github.sparkmixtral.engine.WantedLogits;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.Batches;
import io.github.sparkmixtral.testkit.RandomModel;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.Transfers;

/** What of a step's logits is copied to the host, to the byte. */
class LogitTransfersTest {

    private static final int ROWS = 8;

    /** 64 tokens and logits, and two sums. */
    private static final long BEST_OF_A_ROW = (64 + 64 + 2) * 4;

    private final Batch batch = batch();

    private static Batch batch() {
        Batches batches = new Batches();
        for (int row = 0; row < ROWS; row++) {
            batches.add(new int[] {row + 3}, 0, 1, new int[] {row}, 1);
        }
        return batches.build();
    }

    @Test
    void onlyTheBestAreCopiedAndAllOfRowsThatNeedThem() {
        ModelConfig config = RandomModel.config(0, RopeLayout.HALVES);
        long row = 4L * Widths.of(config).vocabulary();
        BackendOptions options = new BackendOptions(ROWS, 64, 1 << 20, 0);
        try (Model model = RandomModel.of(config, TensorType.F32, 3);
                Backend backend = new TornadoBackend(
                        model, options, Devices.chosen(options).subList(0, 1))) {
            int width = config.vocabularySize();
            float[] all = Arrays.copyOf(backend.forward(batch), ROWS * width);
            assertThat(copied(backend, List.of())).isEqualTo(ROWS * BEST_OF_A_ROW);
            assertThat(copied(backend, List.of(2))).isEqualTo(ROWS * BEST_OF_A_ROW + row);
            assertThat(copied(backend, List.of(0, 1, 5, 7))).isEqualTo(ROWS * BEST_OF_A_ROW + 4 * row);
            // What was fetched for an earlier step is of no more use.
            Logits logits = backend.top(batch, wanted(List.of(3, 4)));
            assertThat(logits.of(0)).isSameAs(logits.best());
            AllLogits whole = (AllLogits) logits.of(4);
            for (int token = 0; token < width; token++) {
                assertThat(whole.logit(logits.rowOf(4), token)).isEqualTo(all[4 * width + token]);
            }
        }
    }

    private long copied(Backend backend, List<Integer> whole) {
        long before = Transfers.bytesToHost();
        backend.top(batch, wanted(whole));
        return Transfers.bytesToHost() - before;
    }

    private static WantedLogits wanted(List<Integer> whole) {
        double[] temperatures = IntStream.range(0, ROWS).mapToDouble(row -> 0.8).toArray();
        return new WantedLogits(64, temperatures, (_, row) -> whole.contains(row));
    }
}
