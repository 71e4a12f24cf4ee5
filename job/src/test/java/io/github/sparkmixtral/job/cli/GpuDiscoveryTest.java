package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code conf/getGpusResources.sh} on machines of several kinds. */
class GpuDiscoveryTest {
    private static final Path SCRIPT =
            Path.of("..", "conf", "getGpusResources.sh").toAbsolutePath();

    /** All that is on the path. */
    @TempDir
    Path tools;

    /** What the script left behind. */
    private record Run(int exitCode, String out, String err) {
        List<String> addresses() throws IOException {
            assertThat(exitCode).as(err).isZero();
            JsonNode json = new JsonMapper().readTree(out);
            assertThat(json.get("name").asText()).isEqualTo("gpu");
            return json.get("addresses").valueStream().map(JsonNode::asText).toList();
        }
    }

    @BeforeEach
    void provideTheToolsOfEveryMachine() throws IOException {
        for (String name : List.of("bash", "grep", "seq")) {
            Path there = Stream.of("/bin", "/usr/bin")
                    .map(directory -> Path.of(directory, name))
                    .filter(Files::exists)
                    .findFirst()
                    .orElseThrow();
            tool(name, "exec " + there + " \"$@\"");
        }
    }

    @Test
    void countsAsNvidiaSmiDoes() throws Exception {
        tool("nvidia-smi", "printf '0\\n1\\n2\\n'");
        tool("clinfo", "exit 1");
        assertThat(run(null).addresses()).containsExactly("0", "1", "2");
    }

    @Test
    void countsAnewWhatASchedulerHasLeft() throws Exception {
        tool("nvidia-smi", "printf '0\\n1\\n2\\n3\\n'");
        assertThat(run("3,1").addresses()).containsExactly("0", "1");
        assertThat(run("GPU-8932f937").addresses()).containsExactly("0");
        for (String none : List.of("", "-1")) {
            Run hidden = run(none);
            assertThat(hidden.exitCode()).isEqualTo(1);
            assertThat(hidden.err())
                    .isEqualTo("getGpusResources.sh: CUDA_VISIBLE_DEVICES='" + none + "' hides every GPU\n");
        }
    }

    @Test
    void asksOpenClForGpusWithoutNvidiaSmi() throws Exception {
        tool(
                "clinfo",
                "printf '[A/0] CL_DEVICE_TYPE  CL_DEVICE_TYPE_CPU\\n[B/0] CL_DEVICE_TYPE  CL_DEVICE_TYPE_GPU\\n'");
        assertThat(run(null).addresses()).containsExactly("0");
        tool("clinfo", "printf '[A/0] CL_DEVICE_TYPE  CL_DEVICE_TYPE_CPU\\n'");
        Run none = run(null);
        assertThat(none.exitCode()).isEqualTo(1);
        assertThat(none.err()).isEqualTo("getGpusResources.sh: clinfo finds no OpenCL device that is a GPU\n");
    }

    @Test
    void saysWhyThereAreNone() throws Exception {
        assertThat(run(null).err()).startsWith("getGpusResources.sh: there is neither nvidia-smi nor clinfo");
        tool("nvidia-smi", "echo 'No devices were found'");
        assertThat(run(null).err()).isEqualTo("getGpusResources.sh: nvidia-smi finds no GPU\n");
        tool("nvidia-smi", "echo 'driver mismatch'; exit 9");
        Run broken = run(null);
        assertThat(broken.exitCode()).isEqualTo(1);
        assertThat(broken.err()).isEqualTo("getGpusResources.sh: nvidia-smi failed: driver mismatch\n");
    }

    private void tool(String name, String script) throws IOException {
        Path tool = Files.writeString(tools.resolve(name), "#!/bin/sh\n" + script + "\n");
        assertThat(tool.toFile().setExecutable(true)).isTrue();
    }

    /** @param visible CUDA_VISIBLE_DEVICES; null where it is not set */
    private Run run(String visible) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(SCRIPT.toString());
        builder.environment().clear();
        builder.environment().put("PATH", tools.toString());
        if (visible != null) {
            builder.environment().put("CUDA_VISIBLE_DEVICES", visible);
        }
        Process process = builder.start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), out, err);
    }
}
