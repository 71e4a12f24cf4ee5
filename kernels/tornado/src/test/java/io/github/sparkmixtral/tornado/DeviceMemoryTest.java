package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.engine.MemoryPlanner;
import io.github.sparkmixtral.engine.MemoryPlanner.Memory;
import io.github.sparkmixtral.engine.MemoryShares;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import org.junit.jupiter.api.Test;

/** What is planned for GPUs on a machine that has neither one nor TornadoVM. */
class DeviceMemoryTest {
    private static final String PACKAGE = "io.github.sparkmixtral.tornado.";

    /** Has this module's classes, but not those of TornadoVM. */
    private static final class WithoutTornadoVm extends ClassLoader {
        WithoutTornadoVm() {
            super(DeviceMemoryTest.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (name.startsWith("uk.ac.manchester.")) {
                throw new ClassNotFoundException(name);
            }
            if (!name.startsWith(PACKAGE)) {
                return super.loadClass(name, resolve);
            }
            Class<?> loaded = findLoadedClass(name);
            return loaded == null ? define(name) : loaded;
        }

        private Class<?> define(String name) {
            try (InputStream in = getResourceAsStream(name.replace('.', '/') + ".class")) {
                byte[] bytes = in.readAllBytes();
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Test
    void isPlannedWithoutTornadoVmAsWithIt() throws Exception {
        BackendProvider provider = (BackendProvider) new WithoutTornadoVm()
                .loadClass(TornadoBackendProvider.class.getName())
                .getConstructor()
                .newInstance();
        BackendOptions options = new BackendOptions(4, 64, 0, 0);
        MemoryPlanner planner = provider.memory(options).orElseThrow();

        assertThat(planner.place()).isEqualTo(MemoryPlanner.Place.DEVICE);
        assertThat(planner.here()).isEmpty();
        try (Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.F32, 1)) {
            for (int places = 1; places <= 2; places++) {
                Memory memory = new Memory(places, 1L << 30);
                MemoryShares shares = planner.share(model.config(), model.weights(), memory);
                assertThat(shares.blocks()).isPositive();
                assertThat(shares)
                        .isEqualTo(new TornadoBackendProvider()
                                .memory(options)
                                .orElseThrow()
                                .share(model.config(), model.weights(), memory));
            }
        }
    }
}
