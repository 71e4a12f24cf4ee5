package io.github.sparkmixtral.model;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.TinyMixtral;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

class QuantizerTest {
    private final List<String> progress = new ArrayList<>();

    @ParameterizedTest
    @EnumSource(mode = Mode.EXCLUDE, names = "NONE")
    void quantizesEveryMatrixRowByRow(Quantization quantization) {
        Weights source = weights(TinyMixtral.config(), TinyMixtral.published());
        try (Arena arena = Arena.ofShared()) {
            Weights quantized =
                    new Quantizer(quantization).quantize("m", source, MemoryLimit.NONE, arena, progress::add);
            TensorType type = quantization.type().orElseThrow();
            assertQuantized(quantized.embedding(), source.embedding(), type);
            assertQuantized(quantized.head(), source.head(), TensorType.Q8_0);
            assertThat(quantized.outputNorm()).isSameAs(source.outputNorm());
            for (int i = 0; i < TinyMixtral.LAYERS; i++) {
                Weights.Layer to = quantized.layers().get(i);
                Weights.Layer from = source.layers().get(i);
                assertThat(to.attentionNorm()).isSameAs(from.attentionNorm());
                assertThat(to.expertNorm()).isSameAs(from.expertNorm());
                assertThat(to.router()).isSameAs(from.router());
                assertQuantized(to.query(), from.query(), type);
                assertQuantized(to.key(), from.key(), type);
                assertQuantized(to.value(), from.value(), type);
                // 16 columns are no multiple of 32.
                assertThat(to.output()).isSameAs(from.output());
                for (int e = 0; e < TinyMixtral.EXPERTS; e++) {
                    assertQuantized(
                            to.experts().get(e).gate(), from.experts().get(e).gate(), type);
                    assertQuantized(
                            to.experts().get(e).up(), from.experts().get(e).up(), type);
                    assertQuantized(
                            to.experts().get(e).down(), from.experts().get(e).down(), type);
                }
            }
        }
        assertThat(progress)
                .contains(
                        "2 matrices stay as they are, their rows being no multiple of 32 weights, such as model.layers.0.self_attn.o_proj.weight BF16")
                .endsWith("quantizing to " + quantization + ": 100 %");
    }

    @Test
    void aTiedHeadStaysTied() {
        ObjectNode config = TinyMixtral.config().put("tie_word_embeddings", true);
        Map<String, TinyMixtral.Values> tensors = TinyMixtral.published();
        tensors.remove("lm_head.weight");
        Weights source = weights(config, tensors);
        try (Arena arena = Arena.ofShared()) {
            Weights quantized =
                    new Quantizer(Quantization.Q4_0).quantize("m", source, MemoryLimit.NONE, arena, progress::add);
            assertThat(quantized.head()).isSameAs(quantized.embedding());
            assertQuantized(quantized.head(), source.head(), TensorType.Q8_0);
        }
    }

    @Test
    void noneKeepsTheFile() {
        Weights source = weights(TinyMixtral.config(), TinyMixtral.published());
        assertThat(new Quantizer(Quantization.NONE)
                        .quantize("m", source, MemoryLimit.NONE, Arena.ofAuto(), progress::add))
                .isSameAs(source);
        assertThat(progress).isEmpty();
    }

    @Test
    void refusesWhatIsQuantizedAlready() {
        Weights source = weights(TinyMixtral.config(), TinyMixtral.published());
        try (Arena arena = Arena.ofShared()) {
            Weights quantized =
                    new Quantizer(Quantization.Q8_0).quantize("m", source, MemoryLimit.NONE, arena, progress::add);
            assertThatThrownBy(() -> new Quantizer(Quantization.Q4_0).plan("dir/m.gguf", quantized))
                    .isInstanceOf(ModelException.class)
                    .hasMessage(
                            "dir/m.gguf is quantized already (tensor model.embed_tokens.weight is Q8_0): leave out --quantization");
        }
    }

    @Test
    void refusesWhatDoesNotFitIntoMemory() {
        Quantizer quantizer = new Quantizer(Quantization.Q8_0);
        quantizer.checkFits("m", 100L << 30, 100L << 30);
        assertThatThrownBy(() -> quantizer.checkFits("m", 100L << 30, (100L << 30) - 1))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "m takes 102400 MiB of memory as Q8_0, but only 102399 MiB are free; take a machine or a container with more, or a model that is quantized already");
    }

    @Test
    void reportsEachTenthOnce() {
        // Larger than a task's share, so that one matrix takes several.
        Tensor large = tensor(70_000, 64);
        Tensor norm = tensor(1, 64);
        Weights source = new Weights(large, List.of(), norm, large);
        try (Arena arena = Arena.ofShared()) {
            Weights quantized =
                    new Quantizer(Quantization.Q8_0).quantize("m", source, MemoryLimit.NONE, arena, progress::add);
            assertQuantized(quantized.head(), large, TensorType.Q8_0);
        }
        assertThat(progress).doesNotHaveDuplicates().hasSizeBetween(3, 10).endsWith("quantizing to Q8_0: 100 %");
    }

    @Test
    void stopsWhenItsThreadIsInterrupted() {
        Weights source = weights(TinyMixtral.config(), TinyMixtral.published());
        try (Arena arena = Arena.ofShared()) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> new Quantizer(Quantization.Q8_0)
                            .quantize("m", source, MemoryLimit.NONE, arena, progress::add))
                    .isInstanceOf(ModelException.class)
                    .hasMessage("loading was interrupted");
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    void aLimitIsCheckedBeforeTheWork() {
        Weights source = weights(TinyMixtral.config(), TinyMixtral.published());
        Quantizer quantizer = new Quantizer(Quantization.Q8_0);
        try (Arena arena = Arena.ofShared()) {
            Set<Tensor> made = new HashSet<>();
            quantizer
                    .quantize("m", source, MemoryLimit.NONE, arena, progress::add)
                    .map(tensor -> {
                        made.add(tensor);
                        return tensor;
                    });
            source.map(tensor -> {
                made.remove(tensor);
                return tensor;
            });
            long needed =
                    made.stream().mapToLong(tensor -> tensor.data().byteSize()).sum();
            progress.clear();
            MemoryLimit limit = new MemoryLimit(needed - 1, bytes -> "needs " + bytes);
            assertThatThrownBy(() -> quantizer.quantize("m", source, limit, arena, progress::add))
                    .isInstanceOf(ModelException.class)
                    .hasMessage("needs " + needed);
            assertThat(progress).noneMatch(line -> line.startsWith("quantizing"));
        }
    }

    private static void assertQuantized(Tensor actual, Tensor source, TensorType type) {
        assertThat(actual.type()).as(source.name()).isEqualTo(type);
        assertThat(actual.name()).isEqualTo(source.name());
        byte[] expected = new byte[Math.toIntExact(type.bytes(source.elements()))];
        float[] values = CheckpointAssert.values(source);
        MemorySegment out = MemorySegment.ofArray(expected);
        for (int row = 0; row < source.rows(); row++) {
            float[] one = Arrays.copyOfRange(values, row * source.columns(), (row + 1) * source.columns());
            type.encode(one, out, type.bytes((long) row * source.columns()));
        }
        assertThat(MemorySegment.ofArray(actual.data().toArray(JAVA_BYTE)).mismatch(out))
                .as("first byte that differs in " + source.name())
                .isEqualTo(-1);
    }

    private static Tensor tensor(int rows, int columns) {
        short[] halves = new short[rows * columns];
        for (int i = 0; i < halves.length; i++) {
            halves[i] = Float.floatToFloat16((i * 7919 % 2001 - 1000) / 500f);
        }
        byte[] bytes = new byte[2 * halves.length];
        MemorySegment.copy(MemorySegment.ofArray(halves), 0, MemorySegment.ofArray(bytes), 0, bytes.length);
        return new Tensor(rows + " rows", TensorType.F16, rows, columns, MemorySegment.ofArray(bytes));
    }

    private static Weights weights(ObjectNode config, Map<String, TinyMixtral.Values> tensors) {
        return HuggingFaceCheckpoint.read("dir", TinyMixtral.opener(TinyMixtral.directory(config, tensors)))
                .weights();
    }
}
