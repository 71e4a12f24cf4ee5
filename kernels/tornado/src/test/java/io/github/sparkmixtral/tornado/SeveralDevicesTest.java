package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.testkit.BackendContractTest;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** The layers on two devices. */
@Tag("device")
class SeveralDevicesTest extends BackendContractTest {

    @BeforeAll
    static void wantsTwoDevices() {
        assumeThat(Devices.chosen(new BackendOptions(1, 1, 0, 0)))
                .as("TornadoVM's devices of one kind")
                .hasSizeGreaterThan(1);
    }

    @Override
    protected Backend open(Model model, BackendOptions options) {
        List<TornadoDevice> devices = Devices.chosen(options);
        assertThat(model.config().layers()).isGreaterThan(1);
        return new TornadoBackend(model, options, devices.subList(0, 2));
    }

    /** See {@link TornadoBackendTest}. */
    @Override
    protected float tolerance() {
        return 5e-3f;
    }
}
