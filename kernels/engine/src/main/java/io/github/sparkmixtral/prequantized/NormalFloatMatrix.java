package io.github.sparkmixtral.prequantized;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.sparkmixtral.file.JsonFile;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.tensor.RowSource;
import io.github.sparkmixtral.tensor.StoredTensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * A matrix in NF4 (Dettmers et al. 2023) as bitsandbytes stores it: indices into a table of 16 levels, two to a byte, the first one in the
 * upper bits, and the largest magnitude of each block. Blocks run over the whole matrix, row by row. Blocks of ours take over indices, and the
 * magnitudes in half precision: a weight is off by at most 2^-11 of itself.
 *
 * @param weight {@code [rows * columns / 2, 1]} bytes
 * @param magnitudes {@code [rows * columns / blockSize]}, floats, or bytes that index {@code nested}'s table
 * @param state the parameters, as a JSON object in bytes
 */
record NormalFloatMatrix(
        int rows,
        int columns,
        int blockSize,
        StoredTensor weight,
        StoredTensor levels,
        StoredTensor magnitudes,
        Optional<Nested> nested,
        StoredTensor state)
        implements RowSource {

    static final int LEVELS = 16;
    static final int NESTED_LEVELS = 256;

    private static final int BLOCK = TensorType.NF4.blockSize();
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Magnitudes that are quantized themselves ("double quantization"): {@code table[index] * scale + offset}.
     *
     * @param table {@code [NESTED_LEVELS]}
     * @param scales one for each block of magnitudes
     */
    record Nested(StoredTensor table, StoredTensor scales) {}

    @Override
    public void read(int first, int count, MemorySegment out) {
        JsonNode parameters = JsonFile.read(state.file() + ": tensor " + state.name(), state.data());
        check(parameters);
        long element = (long) first * columns;
        long from = element / blockSize;
        long end = Math.ceilDiv(element + (long) count * columns, (long) blockSize);
        float[] largest = largest(from, (int) (end - from), parameters);
        byte[] pairs = new byte[BLOCK / 2];
        byte[] indices = new byte[BLOCK];
        for (long at = 0; at < TensorType.NF4.bytes((long) count * columns); at += TensorType.NF4.blockBytes()) {
            MemorySegment.copy(weight.data(), JAVA_BYTE, element / 2, pairs, 0, pairs.length);
            for (int i = 0; i < BLOCK; i++) {
                indices[i] = (byte) (pairs[i / 2] >> (i % 2 == 0 ? 4 : 0) & 0xF);
            }
            out.set(SHORT, at, Float.floatToFloat16(largest[(int) (element / blockSize - from)]));
            for (int i = 0; i < BLOCK / 2; i++) {
                out.set(JAVA_BYTE, at + 2 + i, (byte) (indices[i] | indices[i + BLOCK / 2] << 4));
            }
            element += BLOCK;
        }
    }

    private float[] largest(long from, int count, JsonNode parameters) {
        float[] largest = new float[count];
        if (nested.isEmpty()) {
            Stored.floats(magnitudes, from, largest, 0, count);
            return largest;
        }
        float[] table = new float[NESTED_LEVELS];
        Stored.floats(nested.get().table(), 0, table, 0, table.length);
        float offset = parameters.path("nested_offset").floatValue();
        int nestedSize = parameters.path("nested_blocksize").intValue();
        float[] scale = new float[1];
        long scales = nested.get().scales().shape().getFirst();
        if (nestedSize < 1 || Math.ceilDiv((long) rows * columns / blockSize, (long) nestedSize) != scales) {
            throw refusal("nested_blocksize is %d, which %d nested scales do not fit".formatted(nestedSize, scales));
        }
        for (int i = 0; i < count; i++) {
            Stored.floats(nested.get().scales(), (from + i) / nestedSize, scale, 0, 1);
            largest[i] = table[magnitudes.data().get(JAVA_BYTE, from + i) & 0xFF] * scale[0] + offset;
        }
        return largest;
    }

    private void check(JsonNode parameters) {
        int size = parameters.path("blocksize").intValue();
        JsonNode shape = parameters.path("shape");
        if (size != blockSize
                || shape.path(0).intValue() != rows
                || shape.path(1).intValue() != columns) {
            throw refusal(
                    "the blocksize is %s and the shape %.60s, but the tensors beside it are of [%d, %d] in blocks of %d"
                            .formatted(parameters.path("blocksize"), shape, rows, columns, blockSize));
        }
        float[] stored = new float[LEVELS];
        Stored.floats(levels, 0, stored, 0, LEVELS);
        for (int i = 0; i < LEVELS; i++) {
            if (!(Math.abs(stored[i] - TensorType.NF4.level(i)) < 1e-6)) {
                throw refusal("the quant_map has the level %s where NF4 has %s"
                        .formatted(stored[i], TensorType.NF4.level(i)));
            }
        }
    }

    private ModelException refusal(String reason) {
        return new ModelException("%s: tensor %s: %s".formatted(state.file(), state.name(), reason));
    }
}
