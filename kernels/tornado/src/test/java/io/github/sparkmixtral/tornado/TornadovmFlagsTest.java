package io.github.sparkmixtral.tornado;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code job/bin/tornadovm-flags} on folders that are laid out as SDKs are, or not quite. */
class TornadovmFlagsTest {

    private static final Path SCRIPT = Path.of("../../job/bin/tornadovm-flags");

    @TempDir
    private Path folder;

    private Path sdk;

    @BeforeEach
    void layOutAnSdk() throws IOException {
        sdk = folder.resolve("an sdk");
        for (String jar : List.of(
                "tornado/tornado-api-5.2.0-jdk25",
                "tornado/tornado-runtime-5.2.0-jdk25",
                "tornado/tornado-annotation-5.2.0-jdk25",
                "tornado/tornado-drivers-common-5.2.0-jdk25",
                "tornado/tornado-drivers-opencl-5.2.0-jdk25",
                "tornado/tornado-drivers-opencl-jni-5.2.0-jdk25-libs",
                "tornado/asm-9.9",
                "tornado/commons-math3-3.6.1",
                "tornado/snmp4j-2.8.6",
                "tornado/log4j-core-2.25.4",
                "graalJars/compiler-25.0.2",
                "graalJars/compiler-management-25.0.2",
                "graalJars/truffle-compiler-25.0.2",
                "graalJars/collections-25.0.2",
                "graalJars/word-25.0.2")) {
            create("share/java/" + jar + ".jar", "");
        }
        create("etc/exportLists/common-exports", "# a comment\n--add-reads=tornado.runtime=jdk.graal.compiler \n");
        create("etc/exportLists/opencl-exports", "--add-reads=tornado.drivers.opencl=jdk.graal.compiler\n");
        create("etc/exportLists/cuda-exports", "--add-reads=tornado.drivers.cuda=jdk.graal.compiler\n");
    }

    @Test
    void listsTheModulesThatCompileKernelsAndNoOthers() throws Exception {
        Run run = run(sdk);
        assertThat(run.errors).isEmpty();
        assertThat(run.status).isZero();
        String jars = sdk + "/share/java/";
        assertThat(run.output)
                .contains(
                        "\"-Djava.library.path=" + sdk + "/lib\"",
                        "\"--module-path=" + jars + "tornado/tornado-api-5.2.0-jdk25.jar:" + jars
                                + "tornado/tornado-runtime-5.2.0-jdk25.jar:" + jars
                                + "tornado/tornado-annotation-5.2.0-jdk25.jar:" + jars
                                + "tornado/tornado-drivers-common-5.2.0-jdk25.jar:" + jars
                                + "tornado/tornado-drivers-opencl-5.2.0-jdk25.jar:" + jars + "tornado/asm-9.9.jar:"
                                + jars
                                + "tornado/commons-math3-3.6.1.jar:" + jars + "tornado/snmp4j-2.8.6.jar\"",
                        "\"--upgrade-module-path=" + jars + "graalJars/compiler-25.0.2.jar:" + jars
                                + "graalJars/truffle-compiler-25.0.2.jar:" + jars + "graalJars/collections-25.0.2.jar:"
                                + jars
                                + "graalJars/word-25.0.2.jar\"",
                        "--add-modules=tornado.drivers.opencl,tornado.annotation",
                        "--enable-native-access=tornado.drivers.opencl",
                        "-Dtornado.recover.bailout=False",
                        "--add-reads=tornado.runtime=jdk.graal.compiler",
                        "--add-reads=tornado.drivers.opencl=jdk.graal.compiler")
                .noneMatch(line -> line.contains("log4j") || line.contains("cuda") || line.startsWith("#"));
    }

    @Test
    void takesEveryDriverThatTheSdkHas() throws Exception {
        create("share/java/tornado/tornado-drivers-cuda-5.2.0-jdk25.jar", "");
        assertThat(run(sdk).output)
                .contains(
                        "--add-modules=tornado.drivers.cuda,tornado.drivers.opencl,tornado.annotation",
                        "--enable-native-access=tornado.drivers.cuda,tornado.drivers.opencl",
                        "--add-reads=tornado.drivers.cuda=jdk.graal.compiler",
                        "--add-reads=tornado.drivers.opencl=jdk.graal.compiler");
    }

    @Test
    void aWrongFolderGivesOneSentence() throws Exception {
        assertFails(
                null,
                "TORNADOVM_HOME is not set: set it to an unpacked TornadoVM SDK for JDK 25, from https://www.tornadovm.org");
        assertFails(
                folder.resolve("none"),
                "TORNADOVM_HOME=" + folder.resolve("none") + " is no directory: set it to an"
                        + " unpacked TornadoVM SDK");
        assertFails(
                folder,
                "TORNADOVM_HOME=" + folder + " is no TornadoVM SDK for JDK 25: it has no"
                        + " share/java/tornado/tornado-api-*.jar");
    }

    @Test
    void anSdkThatLacksAPartGivesOneSentence() throws Exception {
        Files.delete(sdk.resolve("etc/exportLists/opencl-exports"));
        assertFails(
                sdk, "TORNADOVM_HOME=" + sdk + " is no whole TornadoVM SDK: it has no etc/exportLists/opencl-exports");
        Files.delete(sdk.resolve("share/java/graalJars/word-25.0.2.jar"));
        assertFails(
                sdk,
                "TORNADOVM_HOME=" + sdk + " is no TornadoVM SDK for JDK 25: it has no"
                        + " share/java/graalJars/word-*.jar");
        Files.delete(sdk.resolve("share/java/tornado/tornado-drivers-opencl-5.2.0-jdk25.jar"));
        assertFails(
                sdk, "TORNADOVM_HOME=" + sdk + " has a driver for none of CUDA, OpenCL and PTX: take an SDK with one");
    }

    @Test
    void anSdkForAnotherJdkIsRefused() throws Exception {
        Path jars = sdk.resolve("share/java/tornado");
        Files.move(jars.resolve("tornado-api-5.2.0-jdk25.jar"), jars.resolve("tornado-api-5.2.0-jdk21.jar"));
        assertFails(
                sdk,
                "TORNADOVM_HOME=" + sdk + " is for another JDK (tornado-api-5.2.0-jdk21.jar): take an SDK for JDK"
                        + " 25, such as 5.2.0-jdk25");
    }

    private static void assertFails(Path home, String sentence) throws Exception {
        Run run = run(home);
        assertThat(run.errors).containsExactly("tornadovm-flags: " + sentence);
        assertThat(run.output).isEmpty();
        assertThat(run.status).isEqualTo(1);
    }

    private void create(String file, String text) throws IOException {
        Path path = sdk.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private record Run(int status, List<String> output, List<String> errors) {}

    private static Run run(Path home) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(SCRIPT.toString());
        builder.environment().remove("TORNADOVM_HOME");
        if (home != null) {
            builder.environment().put("TORNADOVM_HOME", home.toString());
        }
        Path errors = Files.createTempFile("tornadovm-flags", ".err");
        try {
            Process process = builder.redirectError(errors.toFile()).start();
            List<String> output = new String(process.getInputStream().readAllBytes(), UTF_8)
                    .lines()
                    .toList();
            return new Run(process.waitFor(), output, Files.readAllLines(errors));
        } finally {
            Files.delete(errors);
        }
    }
}
