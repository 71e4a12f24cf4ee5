package io.github.sparkmixtral.prequantized;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** Reads what methods store beside each other: words of integers, and scales in some float type. */
final class Stored {
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Stored() {}

    /**
     * The tensor, if it is of the dtype and of one of the shapes.
     *
     * @throws ModelException where it is not
     */
    static StoredTensor checked(StoredTensor tensor, String dtype, List<Long>... shapes) {
        if (!tensor.typeName().equals(dtype)) {
            throw new ModelException("%s: tensor %s has the type %s, not %s"
                    .formatted(tensor.file(), tensor.name(), tensor.typeName(), dtype));
        }
        return shaped(tensor, shapes);
    }

    /** As {@link #checked}, of any of our float types. */
    static StoredTensor floats(StoredTensor tensor, List<Long>... shapes) {
        if (tensor.type().filter(type -> !type.isQuantized()).isEmpty()) {
            throw new ModelException("%s: tensor %s has the type %s, not F32, F16 or BF16"
                    .formatted(tensor.file(), tensor.name(), tensor.typeName()));
        }
        return shaped(tensor, shapes);
    }

    private static StoredTensor shaped(StoredTensor tensor, List<Long>... shapes) {
        if (!List.of(shapes).contains(tensor.shape())) {
            throw new ModelException(
                    "%s: tensor %s has the shape %s, but the model's dimensions and its quantization ask for %s"
                            .formatted(
                                    tensor.file(),
                                    tensor.name(),
                                    tensor.shape(),
                                    Arrays.stream(shapes).map(List::toString).collect(Collectors.joining(" or "))));
        }
        return tensor;
    }

    static List<Long> shape(long... dimensions) {
        return Arrays.stream(dimensions).boxed().toList();
    }

    /** Elements {@code [from, from + count)} of a float tensor. */
    static void floats(StoredTensor tensor, long from, float[] out, int to, int count) {
        TensorType type = tensor.type().orElseThrow();
        type.decode(tensor.data(), type.bytes(from), out, to, count);
    }

    static int[] words(MemorySegment data, long from, int count) {
        int[] words = new int[count];
        MemorySegment.copy(data, INT, from * Integer.BYTES, words, 0, count);
        return words;
    }

    /**
     * The {@code index}-th integer of a stream of bits, which begins with the lowest bits of its first word and goes on in the next one
     * {@code stride} words further.
     */
    static int bits(int[] words, int start, int stride, int index, int bits) {
        int at = index * bits;
        int word = start + (at >>> 5) * stride;
        int shift = at & 31;
        int value = words[word] >>> shift;
        if (shift + bits > Integer.SIZE) {
            value |= words[word + stride] << Integer.SIZE - shift;
        }
        return value & (1 << bits) - 1;
    }
}
