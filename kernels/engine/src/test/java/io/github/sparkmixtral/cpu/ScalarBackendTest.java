package io.github.sparkmixtral.cpu;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.testkit.BackendContractTest;

class ScalarBackendTest extends BackendContractTest {

    @Override
    protected Backend open(Model model, BackendOptions options) {
        return new CpuBackend("cpu", model, options, new ScalarKernels());
    }

    @Override
    protected float tolerance() {
        return 0;
    }
}
