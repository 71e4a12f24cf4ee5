package io.github.sparkmixtral.cpu;

import org.assertj.core.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;

class Bfloat16KernelsTest extends KernelsContractTest {

    @BeforeAll
    static void libraryIsThere() {
        Assumptions.assumeThat(new Bfloat16BackendProvider().unavailable()).isEmpty();
    }

    @Override
    Kernels kernels() {
        return new VectorKernels(Packing.BFLOAT16);
    }

    @Override
    float multiplied(float element) {
        return Float.intBitsToFloat(Float.floatToRawIntBits(element) + (1 << 15) & 0xFFFF0000);
    }
}
