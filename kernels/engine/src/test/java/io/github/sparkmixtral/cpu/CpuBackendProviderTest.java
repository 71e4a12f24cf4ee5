package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.cpu.jit.NativeCode;
import io.github.sparkmixtral.engine.Activations;
import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.BackendProvider;
import io.github.sparkmixtral.memory.MemoryLimit;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.Batches;
import io.github.sparkmixtral.testkit.RandomModel;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CpuBackendProviderTest {

    @Test
    void isFoundByNameAndAlwaysAvailable() {
        BackendProvider provider = ServiceLoader.load(BackendProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(found -> found.name().equals("cpu"))
                .findFirst()
                .orElseThrow();
        assertThat(provider).isInstanceOf(CpuBackendProvider.class);
        assertThat(provider.rank()).isZero();
        assertThat(provider.unavailable()).isEmpty();
    }

    /** What a JVM of its own has printed, and how it has ended. */
    private record Ended(int code, String output) {}

    private static Ended run(Class<?> main, String... flags) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(flags));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), output);
    }

    @Test
    @Timeout(120)
    void withoutTheVectorModuleItWarnsOnceAndRunsOnScalarKernels() throws Exception {
        Ended process = run(WithoutVectors.class);
        assertThat(process.code()).as(process.output()).isZero();
        assertThat(process.output())
                .contains("scalar kernels")
                .contains("131 logits")
                .containsOnlyOnce("--add-modules jdk.incubator.vector");
    }

    /** The kernels that a JVM takes, by the log line of its backend. */
    @ParameterizedTest
    @CsvSource({
        "scalar, CPU backend: scalar kernels",
        "vector, CPU backend: vector",
        "native-code, CPU backend: native code and vector",
        "fast, -Dspark-mixtral.kernels=fast is none of native-code; scalar; vector"
    })
    @Timeout(120)
    void aPropertyNamesTheKernels(String name, String expected) throws Exception {
        assumeThat(NativeCode.unavailable(false)).isEmpty();
        Ended process =
                run(WithoutVectors.class, "--add-modules=jdk.incubator.vector", "-Dspark-mixtral.kernels=" + name);
        assertThat(process.output()).contains(expected.replace(';', ','));
    }

    @Test
    @Timeout(120)
    void withoutNativeAccessItRunsOnTheVectorApi() throws Exception {
        assumeThat(NativeCode.unavailable(false)).isEmpty();
        Ended process = run(WithoutVectors.class, "--add-modules=jdk.incubator.vector", "--illegal-native-access=deny");
        assertThat(process.code()).as(process.output()).isZero();
        assertThat(process.output())
                .contains("it needs the JVM option --enable-native-access=ALL-UNNAMED")
                .contains("CPU backend: vector")
                .contains("131 logits");
    }

    @Test
    void integersAreTakenWhenAskedForAndByThemselvesWhereTheProcessorHasInstructionsForThem() {
        try (Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.BF16, 1)) {
            for (Activations activations : Activations.values()) {
                BackendOptions options = new BackendOptions(
                        1, 16, 1 << 20, 2, 0, BackendOptions.ANY_DEVICES, activations, MemoryLimit.NONE);
                boolean integers = activations == Activations.INT16
                        || activations == Activations.AUTO
                                && NativeCode.unavailable(true).isEmpty();
                try (CpuBackend backend = (CpuBackend) new CpuBackendProvider().open(model, options)) {
                    assertThat(backend.kernels().contains("int16"))
                            .as(activations.name())
                            .isEqualTo(integers);
                }
            }
        }
    }

    /** A hardened system lets no memory become executable: then the Vector API does the same. */
    @Test
    @Timeout(120)
    void withoutExecutableMemoryItRunsOnTheVectorApi() throws Exception {
        assumeThat(NativeCode.unavailable(false)).isEmpty();
        Ended process = run(
                WithoutExecutableMemory.class,
                // The JVM's own code must not grow afterwards: that would end it.
                "-XX:-SegmentedCodeCache",
                "-XX:InitialCodeCacheSize=64m",
                "-XX:ReservedCodeCacheSize=64m",
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED");
        assumeThat(process.output()).doesNotContain(WithoutExecutableMemory.UNKNOWN);
        assertThat(process.code()).as(process.output()).isZero();
        assertThat(process.output())
                .contains("not in native code: this process may not have memory for code")
                .contains("CPU backend: vector")
                .contains("131 logits");
    }

    /** Denies this process memory that becomes executable (prctl(2), PR_SET_MDWE, since Linux 6.3), then opens the backend. */
    static final class WithoutExecutableMemory {

        static final String UNKNOWN = "this kernel cannot deny it";

        private static final int PR_SET_MDWE = 65;
        private static final long PR_MDWE_REFUSE_EXEC_GAIN = 1;

        private WithoutExecutableMemory() {}

        public static void main(String[] arguments) throws Throwable {
            Linker linker = Linker.nativeLinker();
            MethodHandle prctl = linker.downcallHandle(
                    linker.defaultLookup().findOrThrow("prctl"),
                    FunctionDescriptor.of(
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_INT,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG,
                            ValueLayout.JAVA_LONG));
            if ((int) prctl.invokeExact(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0L, 0L, 0L) == 0) {
                WithoutVectors.main(arguments);
            } else {
                System.out.println(UNKNOWN);
            }
        }
    }

    /** Opens the backend twice, as a job on a badly started JVM would. */
    static final class WithoutVectors {

        private WithoutVectors() {}

        public static void main(String[] arguments) {
            for (int i = 0; i < 2; i++) {
                try (Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.BF16, 1);
                        Backend backend = new CpuBackendProvider().open(model, new BackendOptions(1, 16, 1 << 20, 2))) {
                    float[] logits = backend.forward(new Batches()
                            .add(new int[] {1, 2, 3}, 0, 3, new int[] {0}, 1)
                            .build());
                    System.out.println(logits.length + " logits");
                }
            }
        }
    }
}
