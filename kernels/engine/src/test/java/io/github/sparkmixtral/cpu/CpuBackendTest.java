package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class CpuBackendTest {
    private static final long CACHE_BYTES = 1 << 20;

    @Test
    void weightsThatDoNotFitAreRefusedBeforeAnythingIsTaken() {
        assertThat(CpuMemory.leftBeside(3L << 30, 5L << 30, Packing.FLOATS)).isEqualTo(2L << 30);
        assertThat(CpuMemory.leftBeside(3L << 30, 3L << 30, Packing.FLOATS)).isZero();
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> CpuMemory.leftBeside(26L << 30, 16L << 30, Packing.FLOATS))
                .withMessage(
                        "the weights need 26624 MiB of memory beside the model's file, but only 16384 MiB are free; "
                                + "take a machine or a container with more, or a model of fewer bits");
        assertThatExceptionOfType(ModelException.class)
                .isThrownBy(() -> CpuMemory.leftBeside(94L << 30, 64L << 30, Packing.BFLOAT16))
                .withMessageEndingWith(
                        "take a machine or a container with more, or --backend cpu with a quantized model");
    }

    @Test
    void limitCountsWhatIsPackedAndWhatNoFileHolds() {
        try (Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.F32, 1)) {
            long held = model.weights().bytesOffHeap();
            long packed = PackedWeights.bytes(model.weights(), Packing.NONE);
            assertThat(held).isPositive();
            long needed = held + packed + CACHE_BYTES;

            open(model, new MemoryLimit(needed, bytes -> "needs " + bytes)).close();
            assertThatExceptionOfType(ModelException.class)
                    .isThrownBy(() -> open(model, new MemoryLimit(needed - 1, bytes -> "needs " + bytes)))
                    .withMessage("needs " + needed);
        }
    }

    private static CpuBackend open(Model model, MemoryLimit limit) {
        BackendOptions options =
                new BackendOptions(1, 16, CACHE_BYTES, 1, 0, BackendOptions.ANY_DEVICES, Activations.AUTO, limit);
        return new CpuBackend("cpu", model, options, new ScalarKernels());
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
