package io.github.sparkmixtral.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

class DeviceArraysTest {

    /** Pages that are dropped are again what the file behind them has: nothing. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void releasedMemoryIsGivenBack() {
        try (DeviceArrays arrays = new DeviceArrays()) {
            IntArray large = arrays.ints(1 << 20);
            FloatArray small = arrays.floats(100);
            large.init(7);
            small.init(7);
            DeviceArrays.release(large, small);
            assertThat(large.getSize()).isEqualTo(1 << 20);
            assertThat(large.get(1 << 19)).isZero();
            assertThat(small.get(50)).as("of less than a page").isEqualTo(7);
            large.set(1 << 19, 3);
            assertThat(large.get(1 << 19)).isEqualTo(3);
        }
    }
}
