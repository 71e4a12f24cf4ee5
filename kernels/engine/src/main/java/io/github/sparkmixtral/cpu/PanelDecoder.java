package io.github.sparkmixtral.cpu;

import static io.github.sparkmixtral.cpu.VectorMath.FLOATS;
import static io.github.sparkmixtral.cpu.VectorMath.INTS;

import io.github.sparkmixtral.cpu.jit.IntegerLayout;
import io.github.sparkmixtral.cpu.jit.PanelLayout;
import io.github.sparkmixtral.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.stream.IntStream;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Decodes parts of a {@link PackedMatrix}' panels into floats {@code [columns, WIDTH]}.
 *
 * <p>A quant q of n bits is moved to the top of a float's fraction, below the exponent of one, which makes it {@code 1 + q / 2^n}
 * without a conversion; one fused multiply-add with {@code 2^n scale} and {@code minimum - (2^n + zero) scale} makes that the
 * element. For types without minimum that is exact up to the rounding that {@link TensorType#decode} has too; for the others it is
 * within {@code 2^-24 (2^n + zero) scale}.
 *
 * <p>No method here takes or returns a vector: one that happens not to be inlined would allocate at each call.
 */
final class PanelDecoder {

    /** The float 1. */
    static final int ONE = 0x3F800000;

    /** Sign, exponent and fraction of a half-precision number that was moved up by 13 bits, with its sign. */
    private static final int HALF = 0x8FFFE000;

    private static final int STEP = FLOATS.length();

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Bits of NF4's levels, divided by 16. */
    private static final int[] LEVELS = IntStream.range(0, 16)
            .map(i -> Float.floatToRawIntBits(TensorType.NF4.level(i) / 16))
            .toArray();

    private static final int WIDTH = PackedMatrix.WIDTH;
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(STEP * Short.SIZE));
    /** As many bytes as floats in a vector, or 8 where that would be fewer than the smallest vector holds. */
    private static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(STEP, 8) * Byte.SIZE));

    private PanelDecoder() {}

    /** Decodes the inputs {@code [column, column + columns)} of a panel, where {@code column} begins a block. */
    static void decode(PackedMatrix weights, int panel, int column, int columns, Workspace workspace) {
        long first = panel * weights.panelBytes() + weights.quants();
        long at = first + (long) column * WIDTH * weights.bits() / Byte.SIZE;
        switch (weights.type()) {
            case F32 ->
                MemorySegment.copy(weights.panels(), at, workspace.panel, 0, (long) columns * WIDTH * Float.BYTES);
            case F16 -> halves(weights.panels(), at, columns, workspace.panel);
            case BF16 -> upperHalves(weights.panels(), at, columns, workspace.panel);
            case NF4 -> {
                scales(weights, panel, column, columns, workspace);
                int shift = Integer.numberOfTrailingZeros(weights.type().scaleBlock());
                for (int lane = 0; lane < WIDTH; lane += STEP) {
                    levels(weights.panels(), first + weights.quants(column, lane), shift, columns, lane, workspace);
                }
            }
            default -> {
                scales(weights, panel, column, columns, workspace);
                int shift = Integer.numberOfTrailingZeros(weights.type().scaleBlock());
                for (int lane = 0; lane < WIDTH; lane += STEP) {
                    long from = first + weights.quants(column, lane);
                    quants(weights.panels(), from, weights.bits(), shift, columns, lane, workspace);
                }
            }
        }
    }

    private static void upperHalves(MemorySegment data, long at, int columns, MemorySegment panel) {
        for (int i = 0; i < columns * WIDTH; i += STEP) {
            IntVector bits = (IntVector) ShortVector.fromMemorySegment(SHORTS, data, at + (long) i * Short.BYTES, ORDER)
                    .convertShape(VectorOperators.S2I, INTS, 0);
            bits.lanewise(VectorOperators.LSHL, 16)
                    .reinterpretAsFloats()
                    .intoMemorySegment(panel, (long) i * Float.BYTES, ORDER);
        }
    }

    /** Finite numbers: sign, exponent and fraction move into place, and a multiplication by 2^112 mends the exponent's bias. */
    private static void halves(MemorySegment data, long at, int columns, MemorySegment panel) {
        for (int i = 0; i < columns * WIDTH; i += STEP) {
            IntVector bits = (IntVector) ShortVector.fromMemorySegment(SHORTS, data, at + (long) i * Short.BYTES, ORDER)
                    .convertShape(VectorOperators.S2I, INTS, 0);
            bits.lanewise(VectorOperators.LSHL, 13)
                    .and(HALF)
                    .reinterpretAsFloats()
                    .mul(0x1p112f)
                    .intoMemorySegment(panel, (long) i * Float.BYTES, ORDER);
        }
    }

    /** Writes what the quants of these inputs are multiplied by, and what is added then, to the workspace. */
    static void scales(PackedMatrix weights, int panel, int column, int columns, Workspace workspace) {
        float power = 1 << weights.bits();
        scales(weights, panel, column, columns, power, -(power + weights.zero()) / power, workspace);
    }

    /** The same of quants that are the upper bits of a byte, from which {@link IntegerLayout#MIDDLE} was taken. */
    static void integerScales(PackedMatrix weights, int panel, int column, int columns, Workspace workspace) {
        float power = 1f / (1 << Byte.SIZE - weights.bits());
        scales(weights, panel, column, columns, power, IntegerLayout.MIDDLE, workspace);
    }

    /** @param multiple of the multipliers, which are to be added to the minima */
    private static void scales(
            PackedMatrix weights,
            int panel,
            int column,
            int columns,
            float power,
            float multiple,
            Workspace workspace) {
        TensorType type = weights.type();
        int block = column / type.scaleBlock();
        int end = block + columns / type.scaleBlock();
        int group = type.blockSize() / type.scaleBlock();
        long at = panel * weights.panelBytes();
        MemorySegment data = weights.panels();
        float[] multipliers = workspace.multipliers;
        float[] offsets = workspace.offsets;
        products(data, at, at + weights.factors(), block, end, group, power, multipliers);
        if (type.isAffine()) {
            float sign = weights.factored() ? -1 : 1;
            products(
                    data,
                    at + weights.minimumHalves(),
                    at + weights.minimumFactors(),
                    block,
                    end,
                    group,
                    sign,
                    offsets);
        }
        for (int i = 0; i < (end - block) * WIDTH; i += STEP) {
            FloatVector offset = FloatVector.fromArray(FLOATS, multipliers, i).mul(multiple);
            if (type.isAffine()) {
                offset = offset.add(FloatVector.fromArray(FLOATS, offsets, i));
            }
            offset.intoArray(offsets, i);
        }
    }

    /** {@code power * half * factor} of the blocks {@code [block, end)}; factors are 1 where {@code group} is. */
    private static void products(
            MemorySegment data, long halves, long factors, int block, int end, int group, float power, float[] out) {
        int shift = Integer.numberOfTrailingZeros(group);
        for (int b = block, to = 0; b < end; b++) {
            for (int lane = 0; lane < WIDTH; lane += STEP, to += STEP) {
                long half = halves + (long) ((b >> shift) * WIDTH + lane) * Short.BYTES;
                IntVector bits = (IntVector) ShortVector.fromMemorySegment(SHORTS, data, half, ORDER)
                        .convertShape(VectorOperators.S2I, INTS, 0);
                bits.lanewise(VectorOperators.LSHL, 13)
                        .and(HALF)
                        .reinterpretAsFloats()
                        .mul(0x1p112f * power)
                        .intoArray(out, to);
            }
        }
        for (int i = block * WIDTH; group > 1 && i < end * WIDTH; i += STEP) {
            FloatVector factor = (FloatVector) ByteVector.fromMemorySegment(BYTES, data, factors + i, ORDER)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            factor.mul(FloatVector.fromArray(FLOATS, out, i - block * WIDTH)).intoArray(out, i - block * WIDTH);
        }
    }

    /** As {@link #quants}, for the levels that quants of 4 bits mean; divided by the power of two that multipliers have in them. */
    private static void levels(MemorySegment data, long at, int shift, int columns, int lane, Workspace workspace) {
        MemorySegment panel = workspace.panel;
        IntVector low = IntVector.fromArray(INTS, LEVELS, 0);
        IntVector high = IntVector.fromArray(INTS, LEVELS, LEVELS.length - STEP);
        for (int c = 0; c < columns; c++) {
            long word = at + (long) (c >> 3) * WIDTH * Integer.BYTES;
            long to = ((long) c * WIDTH + lane) * Float.BYTES;
            int scale = (c >> shift) * WIDTH + lane;
            int turn = PackedMatrix.FRACTION - 4 + PanelLayout.turn(c, 4);
            if (STEP < 8) {
                for (int i = 0; i < STEP; i++) {
                    int quants = Integer.rotateRight(data.get(INT, word + (long) i * Integer.BYTES), turn);
                    float level = Float.intBitsToFloat(LEVELS[quants & 0xF]);
                    panel.set(FLOAT, to + (long) i * Float.BYTES, level * workspace.multipliers[scale + i]);
                }
                continue;
            }
            IntVector index = IntVector.fromMemorySegment(INTS, data, word, ORDER)
                    .lanewise(VectorOperators.ROR, turn)
                    .and(0xF);
            IntVector bits = STEP == 8 ? index.selectFrom(low, high) : index.selectFrom(low);
            bits.reinterpretAsFloats()
                    .mul(FloatVector.fromArray(FLOATS, workspace.multipliers, scale))
                    .intoMemorySegment(panel, to, ORDER);
        }
    }

    /** Four inputs at a time: a loop body of more vector operations is not always inlined. */
    private static void quants(
            MemorySegment data, long at, int bits, int shift, int columns, int lane, Workspace workspace) {
        IntVector mask = IntVector.broadcast(INTS, (1 << bits) - 1 << PackedMatrix.FRACTION - bits);
        IntVector one = IntVector.broadcast(INTS, ONE);
        MemorySegment panel = workspace.panel;
        for (int c = 0; c < columns; c += 4) {
            int scale = (c >> shift) * WIDTH + lane;
            FloatVector multiplier = FloatVector.fromArray(FLOATS, workspace.multipliers, scale);
            FloatVector offset = FloatVector.fromArray(FLOATS, workspace.offsets, scale);
            long word = at + (long) (c * bits >> 5) * WIDTH * Integer.BYTES;
            IntVector quants = IntVector.fromMemorySegment(INTS, data, word, ORDER)
                    .lanewise(VectorOperators.ROR, PanelLayout.turn(c, bits));
            for (int i = 0; i < 4; i++) {
                quants.and(mask)
                        .or(one)
                        .reinterpretAsFloats()
                        .fma(multiplier, offset)
                        .intoMemorySegment(panel, ((long) (c + i) * WIDTH + lane) * Float.BYTES, ORDER);
                quants = quants.lanewise(VectorOperators.ROR, Byte.SIZE);
            }
        }
    }
}
