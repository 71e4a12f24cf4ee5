package io.github.sparkmixtral.bench;

import io.github.sparkmixtral.cpu.Kernels;
import io.github.sparkmixtral.cpu.Kernels.Kind;
import io.github.sparkmixtral.cpu.KeyValueCache;
import io.github.sparkmixtral.cpu.Matrix;
import io.github.sparkmixtral.cpu.PackedMatrix;
import io.github.sparkmixtral.cpu.Packing;
import io.github.sparkmixtral.cpu.Rows;
import io.github.sparkmixtral.cpu.Span;
import io.github.sparkmixtral.cpu.Workspace;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Each kernel on one thread, scalar beside vector, native code and products in bfloat16, at the widths of a small Mixtral. Before it is timed, a kernel's result is held
 * to the scalar one's; where it is wrong, the benchmark fails.
 */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
public class KernelBenchmark {

    private static final int HIDDEN = 1024;
    private static final int INTERMEDIATE = 3584;
    private static final ModelConfig CONFIG = new ModelConfig(
            HIDDEN, INTERMEDIATE, 1, 16, 4, 64, 1, 1, 320, 8192, 1e6, 1e-5, 0, RopeLayout.HALVES, 1, List.of(2));

    /** Inputs and results deviate by about 1, and no sum has more than 8192 terms. */
    private static final double TOLERANCE = 1e-4;

    /** As many products, each input off by 1 / 32512 of the largest beside it. */
    private static final double INTEGER_TOLERANCE = 5e-3;

    /** As many products, each off by 2^-8 at most. */
    private static final double BFLOAT16_TOLERANCE = 2e-2;

    /** What an operation did; JMH divides it by the time. */
    @AuxCounters
    @State(Scope.Thread)
    public static class Work {
        /** Billions of floating-point operations. */
        public double gigaflops;

        /** Billions of bytes of weights in their file's format or in bfloat16, or of activations. */
        public double gigabytes;

        void add(double flops, double bytes) {
            gigaflops += flops / 1e9;
            gigabytes += bytes / 1e9;
        }
    }

    /** Some rows times a panel of weights after the other, which come from a cache of the last level. */
    @State(Scope.Benchmark)
    public static class Product {
        @Param({"Q8_0", "Q4_0", "Q4_K", "F16"})
        public TensorType type;

        @Param({"1", "8", "128"})
        public int rows;

        @Param({"scalar", "vector", "native-code", "bfloat16"})
        public String kernels;

        private Model model;
        private PackedMatrix weights;
        private Kernels measured;
        private Workspace workspace;
        private Rows in;
        private Matrix out;
        private int panel;

        @Setup(Level.Trial)
        public void prepare() {
            model = SyntheticModel.of(CONFIG, type, 7);
            measured = named(kernels);
            Packing packing = measured.packing();
            Tensor gate =
                    model.weights().layers().getFirst().experts().getFirst().gate();
            weights = PackedMatrix.of(gate, packing, model.arena());
            workspace = new Workspace(CONFIG, rows);
            in = new Rows(inputs(), IntStream.range(0, rows).toArray(), 0, rows);
            out = Matrix.zeros(rows, INTERMEDIATE);
            Matrix expected = Matrix.zeros(rows, INTERMEDIATE);
            for (int p : new int[] {0, weights.panelCount() - measured.panelsAtOnce(rows)}) {
                multiply(Kernels.of(Kind.SCALAR), expected, p);
                multiply(measured, out, p);
            }
            check("gemm", expected, out, tolerance(packing));
        }

        private static double tolerance(Packing packing) {
            return switch (packing) {
                case NONE, FLOATS -> TOLERANCE;
                case INTEGERS -> INTEGER_TOLERANCE;
                case BFLOAT16 -> BFLOAT16_TOLERANCE;
            };
        }

        private Matrix inputs() {
            Matrix gaussian = gaussian(rows, HIDDEN);
            Matrix inputs = measured.inputs(rows, HIDDEN);
            System.arraycopy(gaussian.data(), 0, inputs.data(), 0, gaussian.data().length);
            for (int row = 0; row < rows; row++) {
                measured.prepare(inputs, row);
            }
            return inputs;
        }

        void multiply(Kernels kernels, Matrix to, int panel) {
            kernels.gemm(to, in, weights, panel, panel + measured.panelsAtOnce(rows), workspace);
        }

        @TearDown(Level.Trial)
        public void close() {
            model.close();
        }
    }

    @Benchmark
    public Matrix gemm(Product product, Work work) {
        int panels = product.measured.panelsAtOnce(product.rows);
        product.panel = (product.panel + panels) % (product.weights.panelCount() - panels + 1);
        product.multiply(product.measured, product.out, product.panel);
        long elements = (long) panels * product.weights.outputs(product.panel) * HIDDEN;
        TensorType held = product.weights.packing() == Packing.BFLOAT16 ? TensorType.BF16 : product.type;
        work.add(2.0 * product.rows * elements, held.bytes(elements));
        return product.out;
    }

    /** A token's queries of one key/value head, over the keys and values before it. */
    @State(Scope.Benchmark)
    public static class Attention {
        @Param({"128", "4096"})
        public int context;

        @Param({"scalar", "vector"})
        public String kernels;

        private Kernels measured;
        private KeyValueCache cache;
        private Matrix query;
        private Matrix out;
        private Span span;
        private Workspace workspace;

        @Setup(Level.Trial)
        public void prepare() {
            measured = named(kernels);
            int blocks = context / KeyValueCache.BLOCK;
            cache = new KeyValueCache(CONFIG, blocks);
            IntStream.range(0, blocks).forEach(cache::reserve);
            Matrix keys = gaussian(context, CONFIG.kvHeads() * CONFIG.headDimension());
            Matrix values = gaussian(context, CONFIG.kvHeads() * CONFIG.headDimension());
            for (int position = 0; position < context; position++) {
                cache.store(0, position, keys, values, position);
            }
            query = gaussian(1, CONFIG.heads() * CONFIG.headDimension());
            out = Matrix.zeros(1, query.columns());
            span = new Span(IntStream.range(0, blocks).toArray(), 0, 0, context);
            workspace = new Workspace(CONFIG, 1);
            Matrix expected = Matrix.zeros(1, query.columns());
            attend(Kernels.of(Kind.SCALAR), expected);
            attend(measured, out);
            check("attend", expected, out, TOLERANCE);
        }

        void attend(Kernels kernels, Matrix to) {
            kernels.attend(to, query, 0, 1, cache, 0, 0, new Span[] {span}, workspace);
        }

        @TearDown(Level.Trial)
        public void close() {
            cache.close();
        }
    }

    @Benchmark
    public Matrix attend(Attention attention, Work work) {
        attention.attend(attention.measured, attention.out);
        double elements = 2.0 * attention.context * CONFIG.headDimension();
        work.add(2 * elements * CONFIG.heads() / CONFIG.kvHeads(), elements * Float.BYTES);
        return attention.out;
    }

    /** One row of activations. */
    @State(Scope.Benchmark)
    public static class Row {
        @Param({"scalar", "vector"})
        public String kernels;

        private Kernels measured;
        private Matrix in;
        private Matrix normed;
        private float[] weight;
        private Matrix gate;
        private Matrix up;

        @Setup(Level.Trial)
        public void prepare() {
            measured = named(kernels);
            in = gaussian(1, HIDDEN);
            normed = Matrix.zeros(1, HIDDEN);
            weight = new float[HIDDEN];
            Arrays.fill(weight, 0.5f);
            Matrix expected = Matrix.zeros(1, HIDDEN);
            Kernels.of(Kind.SCALAR).rmsNorm(expected, 0, in, 0, weight, 1e-5);
            measured.rmsNorm(normed, 0, in, 0, weight, 1e-5);
            check("rmsNorm", expected, normed, TOLERANCE);

            gate = gaussian(1, INTERMEDIATE);
            up = gaussian(1, INTERMEDIATE);
            Matrix activated = new Matrix(gate.data().clone(), gate.columns(), gate.stride());
            Kernels.of(Kind.SCALAR).swiGlu(activated, up, 0, 0, INTERMEDIATE);
            measured.swiGlu(gate, up, 0, 0, INTERMEDIATE);
            check("swiGlu", activated, gate, TOLERANCE);
        }
    }

    @Benchmark
    public Matrix rmsNorm(Row row, Work work) {
        row.measured.rmsNorm(row.normed, 0, row.in, 0, row.weight, 1e-5);
        work.add(4.0 * HIDDEN, 3.0 * HIDDEN * Float.BYTES);
        return row.normed;
    }

    /** Runs in place, so that values sink towards zero, which costs no more and no less. */
    @Benchmark
    public Matrix swiGlu(Row row, Work work) {
        row.measured.swiGlu(row.gate, row.up, 0, 0, INTERMEDIATE);
        work.add(0, 3.0 * INTERMEDIATE * Float.BYTES);
        return row.gate;
    }

    private static Kernels named(String kernels) {
        return switch (kernels) {
            case "scalar" -> Kernels.of(Kind.SCALAR);
            case "vector" -> Kernels.of(Kind.VECTOR);
            case "vector-int16" -> Kernels.of(Kind.VECTOR_INT16);
            case "native-code" -> Kernels.of(Kind.NATIVE_CODE);
            case "native-code-int16" -> Kernels.of(Kind.NATIVE_CODE_INT16);
            case "bfloat16" -> Kernels.of(Kind.BFLOAT16);
            default -> throw new IllegalArgumentException("there are no kernels called " + kernels);
        };
    }

    private static Matrix gaussian(int rows, int columns) {
        Random random = new Random(columns);
        Matrix matrix = Matrix.zeros(rows, columns);
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                matrix.data()[matrix.offset(row) + column] = (float) random.nextGaussian();
            }
        }
        return matrix;
    }

    /** Throws where a result is not the scalar one, up to rounding. */
    static void check(String kernel, Matrix expected, Matrix actual, double tolerance) {
        for (int i = 0; i < expected.data().length; i++) {
            // Written so that a NaN fails.
            if (!(Math.abs(expected.data()[i] - actual.data()[i]) <= tolerance)) {
                throw new IllegalStateException(kernel + " is wrong: element " + i % expected.stride() + " of row "
                        + i / expected.stride() + " is " + actual.data()[i] + ", not " + expected.data()[i]);
            }
        }
    }
}
