package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.sun.management.ThreadMXBean;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.Tensor;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class VectorKernelsTest extends KernelsContractTest {

    @Override
    Kernels kernels() {
        return new VectorKernels(Packing.FLOATS);
    }

    /** The order of a dot product as {@link VectorKernels} documents it, in plain Java: the same bits on every machine. */
    @ParameterizedTest
    @ValueSource(ints = {5, 16, 100, 1024, 1025, 2600})
    void aDotProductIsOneDocumentedSum(int columns) {
        Random random = new Random(columns);
        Matrix in = Matrix.zeros(1, columns);
        float[] w = new float[columns];
        float expected = 0;
        for (int c = 0; c < columns; c++) {
            in.data()[c] = (float) random.nextGaussian();
            w[c] = (float) random.nextGaussian();
            expected = Math.fma(in.data()[c], w[c], expected);
        }
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = new Tensor("w", TensorType.F32, 1, columns, arena.allocateFrom(ValueLayout.JAVA_FLOAT, w));
            PackedMatrix weights = packed(tensor, arena);
            weights.pack(0);
            Matrix out = Matrix.zeros(1, 1);
            Workspace workspace = new Workspace(RandomModel.config(0, RopeLayout.HALVES), 1);
            kernels().gemm(out, new Rows(in, new int[1], 0, 1), weights, 0, 1, workspace);
            assertThat(out.data()[0]).isEqualTo(expected);
        }
    }

    /**
     * A vector that escapes inlining is an object: a loop that is a little too large allocates gigabytes a second. What is inlined
     * depends on all that a JVM has run before, so each product is watched in a JVM that runs nothing else.
     */
    @ParameterizedTest
    @EnumSource(
            value = TensorType.class,
            names = {"F32", "BF16", "F16", "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "NF4"})
    void compiledProductsAllocateNothing(TensorType type) throws Exception {
        Process process = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Products.class.getName(),
                        type.name()))
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        assertThat(output).contains(type + " allocates nothing");
    }

    /** Multiplies by weights of one type until that allocates nothing any more, or for a minute. */
    static final class Products {

        /** One for each kind of tile. */
        private static final int[] ROWS = {1, 2, 4, 8, 23};

        private Products() {}

        public static void main(String[] arguments) {
            TensorType type = TensorType.valueOf(arguments[0]);
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            Kernels kernels = new VectorKernels(Packing.FLOATS);
            Workspace workspace = new Workspace(RandomModel.config(0, RopeLayout.HALVES), 23);
            Tensor tensor = new Tensor("w", type, 32, 1024, Arena.global().allocate(type.bytes(32 * 1024)));
            PackedMatrix weights = packed(tensor, Arena.global());
            weights.pack(0);
            Matrix in = Matrix.zeros(23, 1024);
            Matrix out = Matrix.zeros(23, 32);
            int[] indices = IntStream.range(0, 23).toArray();
            List<Rows> inputs = Arrays.stream(ROWS)
                    .mapToObj(rows -> new Rows(in, indices, 0, rows))
                    .toList();
            long allocated = Long.MAX_VALUE;
            for (long end = System.nanoTime() + 60_000_000_000L; allocated > 1000 && System.nanoTime() < end; ) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 10; i++) {
                    for (int j = 0; j < ROWS.length; j++) {
                        kernels.gemm(out, inputs.get(j), weights, 0, 1, workspace);
                    }
                    kernels.swiGlu(in, in, i % 7, 0, 1024);
                }
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            }
            System.out.println(type + " allocates " + (allocated > 1000 ? allocated + " bytes" : "nothing"));
        }
    }

    @Test
    void halvesOfEveryKindAreDecodedExactly() {
        float[] expected = new float[1 << 16];
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(2 << 16);
            for (int bits = 0; bits < 1 << 16; bits++) {
                short finite = (bits & 0x7C00) == 0x7C00 ? 0 : (short) bits;
                data.set(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 2L * bits, finite);
            }
            TensorType.F16.decode(data, 0, expected, 0, expected.length);
            Tensor tensor = new Tensor("w", TensorType.F16, 128, 512, data);
            PackedMatrix weights = packed(tensor, arena);
            Workspace workspace = new Workspace(RandomModel.config(0, RopeLayout.HALVES), 1);
            for (int panel = 0; panel < weights.panelCount(); panel++) {
                weights.pack(panel);
                PanelDecoder.decode(weights, panel, 0, 512, workspace);
                for (int i = 0; i < 512 * PackedMatrix.WIDTH; i++) {
                    int output = panel * PackedMatrix.WIDTH + i % PackedMatrix.WIDTH;
                    assertThat(workspace.panel.getAtIndex(ValueLayout.JAVA_FLOAT, i))
                            .isEqualTo(expected[output * 512 + i / PackedMatrix.WIDTH]);
                }
            }
        }
    }

    @Test
    void exponentialIsExactToTwoUnitsAndTheSameInScalarAndVector() {
        float[] lanes = new float[VectorMath.FLOATS.length()];
        Random random = new Random(5);
        for (int i = 0; i < 200_000; i++) {
            float x = i < 8
                    ? new float[] {0, -0f, 1, -1, -87, 88, 0.34657359f, -0.34657359f}[i]
                    : random.nextFloat(-87, 88);
            float y = VectorMath.exp(x);
            double expected = Math.exp(x);
            assertThat((double) y).isCloseTo(expected, within(2.0 * Math.ulp((float) expected)));
            if (i % 16 == 0) {
                Arrays.fill(lanes, x + 1);
                VectorMath.exp(lanes, 0, lanes.length, 1);
                assertThat(lanes).containsOnly(VectorMath.exp(x + 1 - 1));
            }
        }
        assertThat(VectorMath.exp(Float.NEGATIVE_INFINITY)).isEqualTo(VectorMath.exp(-87));
        assertThat(VectorMath.exp(1000)).isEqualTo(VectorMath.exp(88));
        assertThat(VectorMath.exp(Float.NaN)).isNaN();
    }

    private static PackedMatrix packed(Tensor tensor, Arena arena) {
        Packing packing = Packing.FLOATS;
        return new PackedMatrix(tensor, packing, arena.allocate(PackedMatrix.bytes(tensor, packing), 64));
    }
}
