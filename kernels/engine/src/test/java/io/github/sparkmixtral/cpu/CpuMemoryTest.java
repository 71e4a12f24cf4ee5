package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryPlanner.Memory;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a plan says is what a backend does. */
class CpuMemoryTest {
    private final Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.F32, 1);

    @AfterEach
    void close() {
        model.close();
    }

    private MemoryShares share(BackendOptions options, long memory) {
        MemoryPlanner planner = new CpuBackendProvider().memory(options).orElseThrow();
        assertThat(planner.place()).isEqualTo(MemoryPlanner.Place.HOST);
        assertThat(planner.here()).isPresent();
        return planner.share(model.config(), model.weights(), new Memory(1, memory));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1 << 20})
    void theCacheIsTheOneOfTheBackend(long kvCacheBytes) {
        BackendOptions options = new BackendOptions(4, 64, kvCacheBytes, 1);
        MemoryShares shares = share(options, 1L << 40);
        try (Backend backend = new CpuBackendProvider().open(model, options)) {
            assertThat(shares.blocks()).isEqualTo(backend.cacheBlocks());
        }
        assertThat(shares.bytes())
                .isEqualTo(shares.weights() + shares.workspace() + shares.blocks() * shares.blockBytes());
    }

    @Test
    void halfOfWhatIsLeftGoesToTheCache() {
        BackendOptions options = new BackendOptions(4, 64, 0, 1);
        MemoryShares plenty = share(options, 1L << 40);
        long beside = plenty.weights() + plenty.workspace();

        assertThat(share(options, beside + 20 * plenty.blockBytes()).blocks()).isEqualTo(10);
        assertThatThrownBy(() -> share(options, beside - 1))
                .isInstanceOf(ModelException.class)
                .hasMessageStartingWith("the weights need ");
    }
}
