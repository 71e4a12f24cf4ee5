package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.engine.BackendOptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DevicesTest {

    @ParameterizedTest
    @CsvSource({"9.0, true", "8.0, true", "12.1, true", "7.5, false"})
    void tensorCoresGoByTheComputeCapability(String capability, boolean expected) {
        String info = "Device vendor    : NVIDIA Corporation\nDevice version   : CUDA " + capability
                + "\nDriver version   : 8.0\n";
        assertThat(Devices.hasTensorCores(info)).isEqualTo(expected);
    }

    @Test
    void noTensorCoresWithoutCuda() {
        assertThat(Devices.hasTensorCores("Device version   : OpenCL 9.0")).isFalse();
        assertThat(Devices.hasTensorCores(
                        Devices.chosen(new BackendOptions(1, 1, 0, 0)).getFirst()))
                .isFalse();
    }
}
