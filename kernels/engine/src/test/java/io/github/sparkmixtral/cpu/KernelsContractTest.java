package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.QuantizedRow;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every {@link Kernels} promises, on sizes that fit no vector: the formula within rounding, and an element's bits whatever is
 * computed beside it. The formulas are written out here once more, in double and in the plainest way.
 */
abstract class KernelsContractTest {

    /**
     * A float sum of n products in any fixed order is off by less than n * 2^-24 times the sum of their magnitudes; lanes and runs
     * make that about n / 16 here. A fourth of n leaves room.
     */
    private static final double EPSILON = 0x1p-24;

    /** Of a sequence: more than kernels take at a time, and no multiple of that. */
    private static final int POSITIONS = 9 * KeyValueCache.BLOCK;

    private static final ModelConfig CONFIG = RandomModel.config(0, RopeLayout.HALVES);

    private final Random random = new Random(42);
    private final Kernels kernels = kernels();

    abstract Kernels kernels();

    /** What becomes of an input or a weight before it is multiplied. */
    float multiplied(float element) {
        return element;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 13, 16, 31, 207, 1024})
    void rmsNormIsItsFormula(int columns) {
        Matrix in = matrix(3, columns);
        Matrix out = Matrix.zeros(5, columns);
        float[] weight = Arrays.copyOf(floats(columns), Matrix.padded(columns));
        kernels.rmsNorm(out, 4, in, 1, weight, 1e-5);
        double squares = 0;
        for (int c = 0; c < columns; c++) {
            squares += Math.pow(at(in, 1, c), 2);
        }
        for (int c = 0; c < columns; c++) {
            double expected = at(in, 1, c) / Math.sqrt(squares / columns + 1e-5) * weight[c];
            // The sum's error is halved by the root; scale and two products are rounded once each.
            assertThat((double) at(out, 4, c))
                    .isCloseTo(expected, within(Math.abs(expected) * EPSILON * (4 + columns / 8.0)));
        }
        assertPaddingIsZero(out);
        assertThat(Arrays.copyOf(out.data(), out.offset(4))).containsOnly(0);
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, 1",
        "1, 4, 13",
        "2, 13, 31",
        "3, 31, 4",
        "4, 33, 16",
        "5, 2, 207",
        "7, 64, 1024",
        "13, 9, 1040",
        "31, 35, 2500"
    })
    void gemmIsItsFormula(int rows, int outputs, int columns) {
        try (Arena arena = Arena.ofConfined()) {
            Matrix in = matrix(rows + 2, columns);
            int[] inRows = random.ints(rows + 1, 0, rows + 2).toArray();
            Tensor weights = random(arena, TensorType.F32, outputs, columns);
            Matrix out = Matrix.zeros(rows + 1, outputs);
            gemm(out, in, inRows, 1, rows + 1, weights);
            float[] w = decoded(weights);
            for (int row = 1; row <= rows; row++) {
                for (int o = 0; o < outputs; o++) {
                    double expected = 0;
                    double magnitude = 0;
                    for (int c = 0; c < columns; c++) {
                        double product = (double) multiplied(at(in, inRows[row], c)) * multiplied(w[o * columns + c]);
                        expected += product;
                        magnitude += Math.abs(product);
                    }
                    assertThat((double) at(out, row, o))
                            .isCloseTo(expected, within(magnitude * EPSILON * (4 + columns / 4.0)));
                }
            }
            assertPaddingIsZero(out);
            assertThat(Arrays.copyOf(out.data(), out.stride())).containsOnly(0);
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    void gemmReadsEveryFormat(TensorType type) {
        try (Arena arena = Arena.ofConfined()) {
            int columns = type.isQuantized() ? 5 * 256 : 1061;
            for (int rows : new int[] {1, 3, 7, 21}) {
                Tensor weights = random(arena, type, 37, columns);
                Tensor plain = plain(arena, weights);
                Matrix in = matrix(rows, columns);
                Matrix out = Matrix.zeros(rows, 37);
                Matrix expected = Matrix.zeros(rows, 37);
                gemm(out, in, IntStream.range(0, rows).toArray(), 0, rows, weights);
                gemm(expected, in, IntStream.range(0, rows).toArray(), 0, rows, plain);
                assertProducts(out, expected, in, weights);
            }
        }
    }

    /** Compares products with those of the same weights as floats. */
    void assertProducts(Matrix out, Matrix expected, Matrix in, Tensor weights) {
        if (weights.type().isAffine()) {
            assertAffine(out, expected, in, weights);
        } else {
            // The same values in another format are the same product, bit for bit.
            assertThat(out.data()).isEqualTo(expected.data());
        }
    }

    /** Kernels may move a minimum by 2^4 or 2^8 scales and back, each element then being off by a unit of that size at most. */
    private static void assertAffine(Matrix out, Matrix expected, Matrix in, Tensor weights) {
        int block = weights.type().scaleBlock();
        double unit =
                EPSILON * (weights.type().blockBytes() * 8 / weights.type().blockSize() < 5 ? 32 : 512);
        QuantizedRow row = new QuantizedRow(weights);
        for (int o = 0; o < out.columns(); o++) {
            row.read(o);
            for (int r = 0; r < out.data().length / out.stride(); r++) {
                double bound = 0;
                for (int c = 0; c < weights.columns(); c++) {
                    double size = unit * Math.abs(row.scale(c / block)) + EPSILON * Math.abs(row.minimum(c / block));
                    bound += Math.abs(at(in, r, c)) * size;
                }
                double sums = EPSILON * weights.columns() * Math.abs(at(expected, r, o));
                assertThat((double) at(out, r, o)).isCloseTo(at(expected, r, o), within(bound + sums));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 31, 207, 1500, 3600})
    void gemmOfOneRowIsTheSameInAnyCompany(int columns) {
        try (Arena arena = Arena.ofConfined()) {
            assertSameInAnyCompany(random(arena, TensorType.F32, 41, columns));
        }
    }

    @ParameterizedTest
    @EnumSource(TensorType.class)
    void gemmOfOneRowIsTheSameInAnyCompany(TensorType type) {
        try (Arena arena = Arena.ofConfined()) {
            assertSameInAnyCompany(random(arena, type, 41, 5 * 256));
        }
    }

    private void assertSameInAnyCompany(Tensor weights) {
        int rows = 37;
        Matrix in = matrix(rows, weights.columns());
        Matrix together = Matrix.zeros(rows, weights.rows());
        gemm(together, in, IntStream.range(0, rows).toArray(), 0, rows, weights);
        for (int row : new int[] {0, 1, 17, 35, 36}) {
            for (int company = 0; company < 18; company++) {
                int[] inRows = IntStream.rangeClosed(0, company + 2)
                        .map(i -> i == 2 ? row : 9)
                        .toArray();
                Matrix few = Matrix.zeros(company + 3, weights.rows());
                gemm(few, in, inRows, 2, company + 3, weights);
                assertThat(row(few, 2)).isEqualTo(row(together, row));
            }
        }
    }

    @Test
    void aNumberThatIsNotFiniteIsRefusedByName() {
        assumeThat(kernels.packing()).isNotEqualTo(Packing.NONE);
        try (Arena arena = Arena.ofConfined()) {
            for (TensorType type : new TensorType[] {TensorType.F16, TensorType.Q8_0, TensorType.Q4_K}) {
                Tensor weights = random(arena, type, 40, 256);
                long at = 33 * weights.rowBytes();
                weights.data()
                        .set(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at, (short) 0xFC00);
                Matrix in = matrix(1, 256);
                assertThatExceptionOfType(ModelException.class)
                        .isThrownBy(() -> gemm(Matrix.zeros(1, 40), in, new int[1], 0, 1, weights))
                        .withMessage("row 33 of tensor w (" + type
                                + ") holds a number that is infinite or not a number; the file is damaged");
            }
        }
    }

    /** The first calls are interpreted, the last ones compiled; both must add in the same order. */
    @Test
    void compilingChangesNoBit() {
        try (Arena arena = Arena.ofConfined()) {
            Matrix in = matrix(5, 333);
            Tensor weights = random(arena, TensorType.F32, 11, 333);
            int[] rows = {0, 1, 2, 3, 4};
            float[] first = null;
            for (int call = 0; call < 3000; call++) {
                Matrix out = Matrix.zeros(5, 11);
                gemm(out, in, rows, 0, 5, weights);
                kernels.swiGlu(out, out, 0, 0, 11);
                kernels.rmsNorm(out, 1, out, 2, new float[16], 1e-5);
                first = first == null ? out.data() : first;
                assertThat(Arrays.equals(out.data(), first)).isTrue();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "0, 1", "0, 16", "0, 17", "0, 31", "3, 20", "16, 40", "5, 6", "37, 58", "0, 64", "20, 64", "0, 65", "63, 129",
        "70, 144"
    })
    void attentionIsItsFormula(int from, int to) {
        int size = CONFIG.headDimension();
        int group = CONFIG.heads() / CONFIG.kvHeads();
        try (KeyValueCache cache = new KeyValueCache(CONFIG, 12)) {
            int[] blocks = {99, 99, 7, 0, 4, 8, 11, 3, 2, 10, 1};
            IntStream.range(2, blocks.length).forEach(i -> cache.reserve(blocks[i]));
            Matrix keys = matrix(POSITIONS, CONFIG.kvHeads() * size);
            Matrix values = matrix(POSITIONS, CONFIG.kvHeads() * size);
            fill(cache, blocks, keys, values);
            Matrix query = matrix(3, CONFIG.heads() * size);
            Matrix out = Matrix.zeros(3, CONFIG.heads() * size);
            for (int kvHead = 0; kvHead < CONFIG.kvHeads(); kvHead++) {
                attend(out, query, 1, cache, kvHead, new Span(blocks, 2, from, to));
            }
            for (int head = 0; head < CONFIG.heads(); head++) {
                double[] expected = attention(query, head, keys, values, head / group, from, to);
                for (int d = 0; d < size; d++) {
                    // A weighted mean of values below 5 in size; the exponent of the weights is off by about 1e-6 at
                    // most.
                    assertThat((double) at(out, 1, head * size + d)).isCloseTo(expected[d], within(1e-5));
                }
            }
            assertPaddingIsZero(out);
        }
    }

    /** Slots past the span may hold anything, NaN even: what another sequence left there, or nothing yet. */
    @Test
    void attentionSeesNothingOutsideOfItsSpan() {
        int width = CONFIG.kvHeads() * CONFIG.headDimension();
        try (KeyValueCache cache = new KeyValueCache(CONFIG, 9)) {
            int[] blocks = {2, 1, 3, 0, 8, 7, 6, 5, 4};
            IntStream.of(blocks).forEach(cache::reserve);
            Matrix keys = matrix(POSITIONS, width);
            Matrix values = matrix(POSITIONS, width);
            fill(cache, blocks, keys, values);
            Matrix query = matrix(1, CONFIG.heads() * CONFIG.headDimension());
            Matrix before = Matrix.zeros(1, query.columns());
            Matrix after = Matrix.zeros(1, query.columns());
            Span span = new Span(blocks, 0, 5, 100);
            attend(before, query, 0, cache, 0, span);
            for (int position = 0; position < POSITIONS; position++) {
                if (position < span.from() || position >= span.to()) {
                    Arrays.fill(keys.data(), keys.offset(position), keys.offset(position) + width, Float.NaN);
                    Arrays.fill(values.data(), values.offset(position), values.offset(position) + width, Float.NaN);
                }
            }
            fill(cache, blocks, keys, values);
            attend(after, query, 0, cache, 0, span);
            assertThat(after.data()).isEqualTo(before.data());
            assertThat(before.data()[0]).isNotZero().isFinite();
        }
    }

    @Test
    void attentionSurvivesLargeScores() {
        int width = CONFIG.kvHeads() * CONFIG.headDimension();
        try (KeyValueCache cache = new KeyValueCache(CONFIG, 9)) {
            int[] blocks = {0, 1, 2, 3, 4, 5, 6, 7, 8};
            IntStream.of(blocks).forEach(cache::reserve);
            Matrix keys = Matrix.zeros(POSITIONS, width);
            Matrix values = matrix(POSITIONS, width);
            Matrix query = Matrix.zeros(1, CONFIG.heads() * CONFIG.headDimension());
            Arrays.fill(query.data(), 0, query.columns(), 30);
            // Position 80 outweighs all others by far; those before it were summed first.
            Arrays.fill(keys.data(), keys.offset(80), keys.offset(80) + width, 30);
            fill(cache, blocks, keys, values);
            Matrix out = Matrix.zeros(1, query.columns());
            attend(out, query, 0, cache, 0, new Span(blocks, 0, 0, 144));
            assertThat(at(out, 0, 0)).isEqualTo(at(values, 80, 0));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 13, 16, 31, 207})
    void swiGluIsItsFormula(int columns) {
        Matrix gate = matrix(2, columns);
        Matrix up = matrix(2, columns);
        gate.data()[0] = -95;
        gate.data()[gate.offset(1)] = 120;
        float[] x = gate.data().clone();
        float[] y = up.data().clone();
        kernels.swiGlu(gate, up, 0, 0, columns);
        kernels.swiGlu(gate, up, 1, 0, columns);
        for (int row = 0; row < 2; row++) {
            for (int c = 0; c < columns; c++) {
                double in = x[gate.offset(row) + c];
                double expected = in / (1 + Math.exp(-in)) * y[up.offset(row) + c];
                // Two units for the exponential, one each for sum, quotient and product; below -87 it is cut off.
                assertThat((double) at(gate, row, c))
                        .isCloseTo(expected, within(Math.abs(expected) * EPSILON * 8 + 1e-30));
            }
        }
        assertPaddingIsZero(gate);
    }

    @Test
    void accumulateAddsAWeightedRow() {
        Matrix sum = matrix(3, 31);
        Matrix addend = matrix(2, 31);
        float[] before = row(sum, 2);
        kernels.accumulate(sum, 2, 0.3f, addend, 1);
        for (int c = 0; c < 31; c++) {
            assertThat(at(sum, 2, c)).isEqualTo(Math.fma(0.3f, at(addend, 1, c), before[c]));
        }
        assertPaddingIsZero(sum);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 13, 16, 131, 207, 256, 257, 32000})
    void totalIsItsFormula(int vocabulary) {
        float[] logits = floats(vocabulary + 3);
        float highest = 6;
        logits[3 + vocabulary / 2] = highest;
        for (double temperature : new double[] {0.05, 0.7, 1, 30}) {
            double expected = 0;
            for (int i = 3; i < logits.length; i++) {
                expected += Math.exp((logits[i] - highest) / temperature);
            }
            assertThat(kernels.total(logits, 3, logits.length, highest, temperature))
                    .isCloseTo(expected, within(expected * Kernels.TOTAL_ERROR));
        }
    }

    private void gemm(Matrix out, Matrix in, int[] inRows, int fromRow, int toRow, Tensor weights) {
        gemm(kernels, out, in, inRows, fromRow, toRow, weights);
    }

    static void gemm(Kernels kernels, Matrix out, Matrix in, int[] inRows, int fromRow, int toRow, Tensor weights) {
        try (Arena arena = Arena.ofConfined()) {
            PackedMatrix packed = PackedMatrix.of(weights, kernels.packing(), arena);
            Rows rows = new Rows(prepared(kernels, in), inRows, fromRow, toRow);
            Workspace workspace = new Workspace(CONFIG, rows.count());
            // By one panel, two, and so on: however they are split, results are the same.
            for (int from = 0, panels = 1; from < packed.panelCount(); from += panels, panels++) {
                kernels.gemm(out, rows, packed, from, Math.min(from + panels, packed.panelCount()), workspace);
            }
        }
    }

    /** Some numbers of rows, in any order but their own, multiplied with the same weights by two kernels: the same bits. */
    void assertSameBits(Kernels expecting, Kernels tested, Tensor weights, int... rowCounts) {
        Matrix in = matrix(70, weights.columns());
        int[] reversed = IntStream.range(0, 70).map(i -> 69 - i).toArray();
        for (int rows : rowCounts) {
            Matrix expected = Matrix.zeros(70, weights.rows());
            Matrix actual = Matrix.zeros(70, weights.rows());
            Arrays.fill(actual.data(), Float.NaN);
            gemm(expecting, expected, in, reversed, 1, rows + 1, weights);
            gemm(tested, actual, in, reversed, 1, rows + 1, weights);
            for (int row = 1; row <= rows; row++) {
                assertThat(row(actual, row))
                        .as("%s, %d rows", weights.type(), rows)
                        .isEqualTo(row(expected, row));
            }
        }
    }

    /** The same rows as inputs of products. */
    static Matrix prepared(Kernels kernels, Matrix rows) {
        int count = rows.data().length / rows.stride();
        Matrix inputs = kernels.inputs(count, rows.columns());
        System.arraycopy(rows.data(), 0, inputs.data(), 0, rows.data().length);
        for (int row = 0; row < count; row++) {
            kernels.prepare(inputs, row);
        }
        return inputs;
    }

    /** Attention of one row in layer 1. */
    private void attend(Matrix out, Matrix query, int row, KeyValueCache cache, int kvHead, Span span) {
        Span[] spans = new Span[row + 1];
        spans[row] = span;
        kernels.attend(out, query, row, row + 1, cache, 1, kvHead, spans, new Workspace(CONFIG, 1));
    }

    /** Spans of every kind beside each other: short ones, long ones, and those of a sliding window. */
    @Test
    void attentionOfOneRowIsTheSameInAnyCompany() {
        try (KeyValueCache cache = new KeyValueCache(CONFIG, 9)) {
            int[] blocks = {2, 1, 3, 0, 8, 7, 6, 5, 4};
            IntStream.of(blocks).forEach(cache::reserve);
            Matrix keys = matrix(POSITIONS, CONFIG.kvHeads() * CONFIG.headDimension());
            fill(cache, blocks, keys, matrix(POSITIONS, keys.columns()));
            int rows = Workspace.ATTENDING;
            Matrix query = matrix(rows, CONFIG.heads() * CONFIG.headDimension());
            Span[] spans = new Span[rows];
            for (int row = 0; row < rows; row++) {
                int to = 1 + random.nextInt(POSITIONS);
                spans[row] = new Span(blocks, 0, row % 2 == 0 ? 0 : random.nextInt(to), to);
            }
            for (int from = 0; from < rows; from += 3) {
                Matrix together = Matrix.zeros(rows, query.columns());
                kernels.attend(together, query, from, rows, cache, 1, 1, spans, new Workspace(CONFIG, 1));
                for (int row = from; row < rows; row++) {
                    Matrix alone = Matrix.zeros(rows, query.columns());
                    attend(alone, query, row, cache, 1, spans[row]);
                    assertThat(row(together, row)).isEqualTo(row(alone, row));
                    assertThat(row(alone, row)).isNotEqualTo(new float[query.columns()]);
                }
            }
        }
    }

    private double[] attention(Matrix query, int head, Matrix keys, Matrix values, int kvHead, int from, int to) {
        int size = CONFIG.headDimension();
        double[] weights = new double[to];
        double sum = 0;
        for (int position = from; position < to; position++) {
            double score = 0;
            for (int d = 0; d < size; d++) {
                score += (double) at(query, 1, head * size + d) * at(keys, position, kvHead * size + d);
            }
            weights[position] = Math.exp(score / Math.sqrt(size));
            sum += weights[position];
        }
        double[] result = new double[size];
        for (int position = from; position < to; position++) {
            for (int d = 0; d < size; d++) {
                result[d] += weights[position] / sum * at(values, position, kvHead * size + d);
            }
        }
        return result;
    }

    /** Stores row p of keys and values as position p of layer 1; the last nine blocks of the table are the sequence's. */
    private static void fill(KeyValueCache cache, int[] blocks, Matrix keys, Matrix values) {
        int table = blocks.length - POSITIONS / KeyValueCache.BLOCK;
        for (int position = 0; position < POSITIONS; position++) {
            int slot = blocks[table + position / KeyValueCache.BLOCK] * KeyValueCache.BLOCK
                    + position % KeyValueCache.BLOCK;
            cache.store(1, slot, keys, values, position);
        }
    }

    Matrix matrix(int rows, int columns) {
        Matrix matrix = Matrix.zeros(rows, columns);
        for (int row = 0; row < rows; row++) {
            System.arraycopy(floats(columns), 0, matrix.data(), matrix.offset(row), columns);
        }
        return matrix;
    }

    private float[] floats(int count) {
        float[] floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = (float) random.nextGaussian();
        }
        return floats;
    }

    /** Random bytes are valid weights of every format, once the exponents of its floats are kept moderate. */
    Tensor random(Arena arena, TensorType type, int rows, int columns) {
        MemorySegment data =
                arena.allocate(type.bytes((long) rows * columns) + 1, 1).asSlice(1);
        for (long at = 0; at < data.byteSize(); at++) {
            data.set(ValueLayout.JAVA_BYTE, at, (byte) random.nextInt());
        }
        for (long block = 0; block < data.byteSize(); block += type.blockBytes()) {
            moderate(type, data, block);
        }
        return new Tensor("w", type, rows, columns, data);
    }

    private void moderate(TensorType type, MemorySegment data, long block) {
        switch (type) {
            case F32 ->
                data.set(
                        ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
                        block,
                        Float.floatToRawIntBits((float) random.nextGaussian()));
            case BF16 -> data.set(ValueLayout.JAVA_BYTE, block + 1, (byte) (0x3F + 0x80 * random.nextInt(2)));
            case F16, Q4_0, Q5_0, Q8_0, IQ4_NL, IQ4_XS, NF4 -> half(data, block);
            case Q4_1, Q5_1, Q4_K, Q5_K -> {
                half(data, block);
                half(data, block + 2);
            }
            case Q2_K -> {
                half(data, block + 80);
                half(data, block + 82);
            }
            case Q3_K -> half(data, block + 108);
            case Q6_K -> half(data, block + 208);
            case TQ1_0 -> half(data, block + 52);
            case TQ2_0 -> half(data, block + 64);
            // A power of two that half precision has, which subnormal numbers reach down to 2^-24.
            case MXFP4 -> data.set(ValueLayout.JAVA_BYTE, block, (byte) (104 + random.nextInt(30)));
        }
    }

    /** Every exponent but that of infinities and NaN: subnormal numbers too. */
    private void half(MemorySegment data, long at) {
        short bits = (short) (random.nextInt(0x4400) | random.nextInt(2) << 15);
        data.set(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at, bits);
    }

    static float[] decoded(Tensor tensor) {
        float[] floats = new float[tensor.rows() * tensor.columns()];
        tensor.type().decode(tensor.data(), 0, floats, 0, floats.length);
        return floats;
    }

    private static Tensor plain(Arena arena, Tensor tensor) {
        MemorySegment data = arena.allocateFrom(ValueLayout.JAVA_FLOAT, decoded(tensor));
        return new Tensor("plain", TensorType.F32, tensor.rows(), tensor.columns(), data);
    }

    static float at(Matrix matrix, int row, int column) {
        return matrix.data()[matrix.offset(row) + column];
    }

    static float[] row(Matrix matrix, int row) {
        return Arrays.copyOfRange(matrix.data(), matrix.offset(row), matrix.offset(row) + matrix.columns());
    }

    private static void assertPaddingIsZero(Matrix matrix) {
        for (int at = 0; at < matrix.data().length; at++) {
            if (at % matrix.stride() >= matrix.columns()) {
                assertThat(matrix.data()[at]).isZero();
            }
        }
    }
}
