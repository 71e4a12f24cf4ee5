package io.github.sparkmixtral.prequantized;

import io.github.sparkmixtral.tensor.StoredTensor;
import java.lang.foreign.MemorySegment;

/**
 * GPTQ (Frantar et al. 2022) as AutoGPTQ and GPTQModel store it. Integers run along the inputs, as a stream of bits for each output;
 * zero points run along the outputs, for each group.
 *
 * @param qweight {@code [columns * bits / 32, rows]} words
 * @param qzeros {@code [groups, rows * bits / 32]} words
 * @param scales {@code [groups, rows]}
 * @param zeroOffset added to a stored zero point, in so many bits: the format {@code gptq} stores one less, {@code gptq_v2} does not
 */
record GptqLayout(int rows, int bits, StoredTensor qweight, StoredTensor qzeros, StoredTensor scales, int zeroOffset)
        implements IntegerRows.Layout {

    @Override
    public void read(int first, int count, IntegerRows to) {
        int deep = Math.toIntExact(qweight.shape().getFirst());
        int[] words = new int[deep * count];
        for (int word = 0; word < deep; word++) {
            long from = ((long) word * rows + first) * Integer.BYTES;
            MemorySegment.copy(qweight.data(), Stored.INT, from, words, word * count, count);
        }
        for (int row = 0; row < count; row++) {
            for (int column = 0; column < to.columns(); column++) {
                to.codes()[row * to.columns() + column] = (short) Stored.bits(words, row, count, column, bits);
            }
        }
        int wide = Math.toIntExact(qzeros.shape().getLast());
        float[] scale = new float[count];
        for (int group = 0; group < to.groups(); group++) {
            int[] zeros = Stored.words(qzeros.data(), (long) group * wide, wide);
            Stored.floats(scales, (long) group * rows + first, scale, 0, count);
            for (int row = 0; row < count; row++) {
                int zero = Stored.bits(zeros, 0, 1, first + row, bits) + zeroOffset & (1 << bits) - 1;
                to.zeros()[row * to.groups() + group] = zero;
                to.scales()[row * to.groups() + group] = scale[row];
            }
        }
    }
}
