package io.github.sparkmixtral.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.RowReader;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.TinyMixtral;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
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
        Weights quantized = new Quantizer(quantization).quantize("m", source, progress::add);
        TensorType type = quantization.type().orElseThrow();
        // A step takes single rows of it, and from the file.
        assertThat(quantized.embedding()).isSameAs(source.embedding());
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
                assertQuantized(to.experts().get(e).up(), from.experts().get(e).up(), type);
                assertQuantized(
                        to.experts().get(e).down(), from.experts().get(e).down(), type);
            }
        }
        assertThat(progress)
                .containsExactly(
                        "2 matrices stay as they are, their rows being no multiple of 32 weights, such as model.layers.0.self_attn.o_proj.weight BF16");
    }

    @Test
    void aTiedHeadIsQuantizedAndTheEmbeddingIsNot() {
        ObjectNode config = TinyMixtral.config().put("tie_word_embeddings", true);
        Map<String, TinyMixtral.Values> tensors = TinyMixtral.published();
        tensors.remove("lm_head.weight");
        Weights source = weights(config, tensors);
        Weights quantized = new Quantizer(Quantization.Q4_0).quantize("m", source, progress::add);
        assertThat(quantized.embedding()).isSameAs(source.embedding());
        assertQuantized(quantized.head(), source.head(), TensorType.Q8_0);
    }

    @Test
    void quantizedWeightsTakeNoMemory() {
        Weights source = weights(TinyMixtral.config(), TinyMixtral.published());
        long before = source.bytesOffHeap();
        assertThat(new Quantizer(Quantization.Q8_0)
                        .quantize("m", source, progress::add)
                        .bytesOffHeap())
                .isLessThanOrEqualTo(before);
    }

    @Test
    void noneKeepsTheFile() {
        Weights source = weights(TinyMixtral.config(), TinyMixtral.published());
        assertThat(new Quantizer(Quantization.NONE).quantize("m", source, progress::add))
                .isSameAs(source);
        assertThat(progress).isEmpty();
    }

    @Test
    void refusesWhatIsQuantizedAlready() {
        Weights source = weights(TinyMixtral.config(), TinyMixtral.published());
        Weights quantized = new Quantizer(Quantization.Q8_0).quantize("m", source, progress::add);
        assertThatThrownBy(() -> new Quantizer(Quantization.Q4_0).plan("dir/m.gguf", quantized))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "dir/m.gguf is quantized already (tensor model.layers.0.self_attn.q_proj.weight is Q8_0): leave out --quantization");
    }

    /** Whichever rows are read first, and together. */
    @Test
    void rowsOfALargeMatrixAreQuantizedWhenTheyAreRead() {
        Tensor large = tensor(7_003, 64);
        Tensor norm = tensor(1, 64);
        Weights source = new Weights(large, List.of(), norm, large);
        assertQuantized(
                new Quantizer(Quantization.Q8_0)
                        .quantize("m", source, progress::add)
                        .head(),
                large,
                TensorType.Q8_0);
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
        RowReader reader = new RowReader(actual);
        for (int row = source.rows() - 1; row >= 0; row--) {
            long at = row * actual.rowBytes();
            assertThat(reader.row(row).mismatch(out.asSlice(at, actual.rowBytes())))
                    .as("first byte that differs in row " + row + " of " + source.name())
                    .isEqualTo(-1);
        }
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
