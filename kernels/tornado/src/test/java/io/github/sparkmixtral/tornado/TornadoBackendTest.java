package io.github.sparkmixtral.tornado;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.testkit.BackendContractTest;
import org.junit.jupiter.api.Tag;

@Tag("device")
class TornadoBackendTest extends BackendContractTest {

    @Override
    protected Backend open(Model model, BackendOptions options) {
        return new TornadoBackend(model, options, Devices.chosen(options));
    }

    /**
     * Logits have a deviation of about 1.5. How sums are cut up depends on how many rows share a matrix, and keys and values of 16 bits
     * turn a difference in the last bit into one of 1 in 65,534.
     */
    @Override
    protected float tolerance() {
        return 5e-3f;
    }
}
