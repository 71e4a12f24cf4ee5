package io.github.sparkmixtral.cpu;

class ScalarKernelsTest extends KernelsContractTest {

    @Override
    Kernels kernels() {
        return new ScalarKernels();
    }
}
