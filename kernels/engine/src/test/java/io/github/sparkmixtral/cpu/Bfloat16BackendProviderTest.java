package io.github.sparkmixtral.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.engine.Backend;
import io.github.sparkmixtral.engine.BackendOptions;
import io.github.sparkmixtral.engine.Backends;
import io.github.sparkmixtral.file.ModelException;
import io.github.sparkmixtral.model.Model;
import io.github.sparkmixtral.model.ModelConfig.RopeLayout;
import io.github.sparkmixtral.tensor.TensorType;
import io.github.sparkmixtral.testkit.RandomModel;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class Bfloat16BackendProviderTest {

    private static final String CLASS_PATH = System.getProperty("java.class.path");

    @BeforeAll
    static void libraryIsThere() {
        assumeThat(new Bfloat16BackendProvider().unavailable()).isEmpty();
    }

    @Test
    void isTakenWhereItIsAskedForAlone() {
        assertThat(Backends.find("cpu-bf16")).isInstanceOf(Bfloat16BackendProvider.class);
        assertThat(Backends.find("auto")).isNotInstanceOf(Bfloat16BackendProvider.class);
    }

    @Test
    void theJarItNamesIsTheOneItIsTestedWith() {
        String[] names = OneDnn.ARTIFACT.split(":");
        assertThat(OneDnn.class.getResource(OneDnn.DIRECTORY + OneDnn.LIBRARY).toString())
                .contains("/" + names[1] + "-" + names[2] + "-" + names[3] + ".jar!");
    }

    @Test
    void saysWhatItLacks() throws Exception {
        String without = Arrays.stream(CLASS_PATH.split(File.pathSeparator))
                .filter(entry -> !entry.contains("dnnl"))
                .collect(Collectors.joining(File.pathSeparator));
        assertThat(open("--add-modules=jdk.incubator.vector", "-cp", without))
                .isEqualTo("the backend 'cpu-bf16' cannot be used here: it needs the jar " + OneDnn.ARTIFACT
                        + " on the class path");
        assertThat(open("-cp", CLASS_PATH))
                .isEqualTo("the backend 'cpu-bf16' cannot be used here: "
                        + "it needs the JVM option --add-modules jdk.incubator.vector");
    }

    @Test
    void aLibraryThatCannotBeLoadedIsOneSentence() throws Exception {
        assertThat(open("--add-modules=jdk.incubator.vector", "-Djava.io.tmpdir=/nowhere", "-cp", CLASS_PATH))
                .startsWith("the backend cpu-bf16 cannot be used here: oneDNN cannot be loaded from the temporary "
                        + "directory /nowhere (")
                .endsWith("); set java.io.tmpdir to one with 100 MB free, from which programs may run");
        assertThat(open("--add-modules=jdk.incubator.vector", "--illegal-native-access=deny", "-cp", CLASS_PATH))
                .isEqualTo("the backend cpu-bf16 cannot be used here: "
                        + "it needs the JVM option --enable-native-access=ALL-UNNAMED");
    }

    /** What comes of opening the backend in a JVM with these options: its last line. */
    private static String open(String... options) throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(options));
        command.add(Opening.class.getName());
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output.lines().reduce((first, second) -> second).orElseThrow();
    }

    /** Opens the backend twice: what went wrong must be told each time. */
    static final class Opening {

        private Opening() {}

        public static void main(String[] arguments) {
            for (int i = 0; i < 2; i++) {
                try (Model model = RandomModel.of(RandomModel.config(0, RopeLayout.HALVES), TensorType.BF16, 1);
                        Backend backend =
                                Backends.find("cpu-bf16").open(model, new BackendOptions(1, 16, 1 << 20, 2))) {
                    System.out.println(backend.name());
                } catch (IllegalStateException | ModelException e) {
                    System.out.println(e.getMessage());
                }
            }
        }
    }
}
