package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.file.ModelException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class CpuBackendTest {

    @Test
    void weightsThatDoNotFitAreRefusedBeforeAnythingIsTaken() {
        assertThat(CpuBackend.leftBeside(3L << 30, 5L << 30, Packing.FLOATS)).isEqualTo(2L << 30);
        assertThat(CpuBackend.leftBeside(3L << 30, 3L << 30, Packing.FLOATS)).isZero();
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> CpuBackend.leftBeside(26L << 30, 16L << 30, Packing.FLOATS))
                .withMessage(
                        "the weights need 26624 MiB of memory beside the model's file, but only 16384 MiB are free; "
                                + "take a machine with more, or a model of fewer bits");
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> CpuBackend.leftBeside(94L << 30, 64L << 30, Packing.BFLOAT16))
                .withMessageEndingWith("take a machine with more, or --backend cpu with a quantized model");
    }

    @Test
    void memoryInLargePagesIsZeroWritableAndGoneWithItsArena() {
        MemorySegment memory;
        try (Arena arena = Arena.ofShared()) {
            memory = HugePages.allocate((5 << 20) + 3, arena);
            assertThat(memory.byteSize()).isEqualTo((5 << 20) + 3);
            assertThat(memory.address() % 64).isZero();
            assertThat(memory.get(ValueLayout.JAVA_BYTE, memory.byteSize() - 1)).isZero();
            memory.fill((byte) 7);
            assertThat(memory.get(ValueLayout.JAVA_BYTE, memory.byteSize() - 1)).isEqualTo((byte) 7);
        }
        assertThat(memory.scope().isAlive()).isFalse();
    }

    @Test
    void moreMemoryThanThereCanBeIsAnErrorThatTheBackendTellsOf() {
        try (Arena arena = Arena.ofShared()) {
            assertThatExceptionOfType(OutOfMemoryError.class).isThrownBy(() -> HugePages.allocate(1L << 60, arena));
        }
    }
}
