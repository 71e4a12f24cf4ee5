package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** One worker's products of rows, rounded to bfloat16, with panels of weights. */
final class Bfloat16Products {

    /** Rows that go through the library together. */
    private static final int TILE = 64;

    private static final int WIDTH = PackedMatrix.BFLOAT16_WIDTH;
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(FLOATS.length() * Short.SIZE));

    private final Map<OneDnn.Shape, OneDnn.Product> products = new HashMap<>();

    /** Whose elements {@link #rounded} holds. */
    private Rows rows;

    /** {@code [rows, columns]} bfloat16; some rows more, for tiles that reach past the last one. */
    private MemorySegment rounded = MemorySegment.NULL;

    /** {@code [TILE, WIDTH]} floats. */
    private final MemorySegment sums = Arena.ofAuto().allocate((long) TILE * WIDTH * Float.BYTES, 64);

    /** See {@link Kernels#gemm}. */
    void multiply(Matrix out, Rows in, PackedMatrix weights, int panel) {
        int columns = weights.bfloat16Columns();
        if (in != rows) {
            round(in, columns);
        }
        long address = weights.panels().address() + panel * weights.panelBytes();
        for (int row = 0; row < in.count(); row += TILE) {
            int count = Math.min(TILE, in.count() - row);
            OneDnn.Shape shape = new OneDnn.Shape(tile(count), columns);
            products.computeIfAbsent(shape, OneDnn.Product::new)
                    .multiply(rounded.address() + (long) row * columns * Short.BYTES, address, sums.address());
            for (int i = 0; i < count; i++) {
                int to = out.offset(in.from() + row + i) + weights.firstOutput(panel);
                long from = (long) i * WIDTH * Float.BYTES;
                MemorySegment.copy(sums, ValueLayout.JAVA_FLOAT, from, out.data(), to, weights.outputs(panel));
            }
        }
    }

    /**
     * Rows that are computed where there are {@code count}, so that the library compiles for few different numbers of them: and never
     * a single one, for which it adds in another order.
     */
    private static int tile(int count) {
        return count <= 16 ? Math.max(2, count) : Math.ceilDiv(count, 4) * 4;
    }

    private void round(Rows in, int columns) {
        int last = (in.count() - 1) % TILE + 1;
        long bytes = (long) (in.count() - last + tile(last)) * columns * Short.BYTES;
        if (rounded.byteSize() < bytes) {
            rounded = Arena.ofAuto().allocate(bytes, 64);
        }
        int held = Math.min(columns, in.matrix().stride());
        for (int row = 0; row < in.count(); row++) {
            long to = (long) row * columns * Short.BYTES;
            round(in.matrix().data(), in.offset(row), held, rounded, to);
            rounded.asSlice(to + (long) held * Short.BYTES, (long) (columns - held) * Short.BYTES)
                    .fill((byte) 0);
        }
        rows = in;
    }

    private static void round(float[] from, int at, int count, MemorySegment to, long toByte) {
        for (int i = 0; i < count; i += FLOATS.length()) {
            IntVector bits = FloatVector.fromArray(FLOATS, from, at + i).reinterpretAsInts();
            bits = bits.add(PackedMatrix.BFLOAT16_HALF).lanewise(VectorOperators.LSHR, Short.SIZE);
            ((ShortVector) bits.convertShape(VectorOperators.I2S, SHORTS, 0))
                    .intoMemorySegment(to, toByte + (long) i * Short.BYTES, ORDER);
        }
    }
}
