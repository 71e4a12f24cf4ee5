package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.testkit.BackendContractTest;
import org.junit.jupiter.api.BeforeAll;

class NativeBackendTest extends BackendContractTest {

    @BeforeAll
    static void codeCanBeWritten() {
        assumeThat(NativeCode.unavailable(false)).isEmpty();
    }

    @Override
    protected Backend open(Model model, BackendOptions options) {
        return new CpuBackend("cpu", model, options, new NativeKernels(Packing.FLOATS));
    }

    @Override
    protected float tolerance() {
        return 0;
    }
}
