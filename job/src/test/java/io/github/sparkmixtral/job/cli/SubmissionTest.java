package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SubmissionTest {
    @TempDir
    private Path directory;

    private Installation installation;

    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @BeforeEach
    void layOutAnInstallation() throws IOException {
        Path home = Files.createDirectories(directory.resolve("an installation"));
        Files.writeString(
                Files.createDirectories(home.resolve("conf")).resolve("spark-defaults.conf"),
                "# ours\nspark.driver.memory    2g\n");
        installation = Installation.unpacked(
                home, Map.of("XDG_CACHE_HOME", directory.resolve("cache").toString()));
    }

    private Submission submission(Map<String, String> environment, String... words) throws IOException {
        Map<String, String> all =
                new HashMap<>(Map.of("SPARK_HOME", directory.resolve("spark").toString()));
        all.putAll(environment);
        return Submission.of(List.of(words), installation, all, new PrintStream(err, true, StandardCharsets.UTF_8));
    }

    private List<String> submit(String... words) throws IOException {
        return submission(Map.of(), words).arguments();
    }

    private String propertiesFile(List<String> arguments) throws IOException {
        return Files.readString(Path.of(arguments.get(arguments.indexOf("--properties-file") + 1)));
    }

    @Test
    void theFirstDashesPartTheOptions() throws Exception {
        assertThat(submit("--master", "local[1]", "--", "--input", "a b", "--", "c"))
                .containsExactly(
                        "--properties-file",
                        installation.conf("spark-defaults.conf").toString(),
                        "--load-spark-defaults",
                        "--master",
                        "local[1]",
                        "--class",
                        "io.github.sparkmixtral.job.BatchInferenceJob",
                        installation.jar().toString(),
                        "--input",
                        "a b",
                        "--",
                        "c");
        assertThat(submit("--help")).endsWith(installation.jar().toString(), "--help");
        assertThat(submit()).endsWith(installation.jar().toString());
    }

    @Test
    void theDemoGetsWhatItWasNotGiven() throws Exception {
        Submission demo = submission(Map.of(), "demo", "--input=mine.jsonl", "--seed", "7");

        assertThat(demo.message()).endsWith("see conf/demo/README.md. The answers go to demo-answers in this folder.");
        assertThat(demo.arguments())
                .endsWith(
                        "--input=mine.jsonl",
                        "--seed",
                        "7",
                        "--config",
                        installation.conf("demo/demo.yaml").toString(),
                        "--model",
                        installation.conf("demo/model.gguf").toString(),
                        "--output",
                        "demo-answers",
                        "--output-mode",
                        "overwrite");
        assertThat(submission(Map.of(), "demo", "--output", "x").message()).endsWith("see conf/demo/README.md.");
        assertThat(submission(Map.of(), "demo", "--output", "x").arguments()).doesNotContain("--output-mode");
        assertThat(submission(Map.of(), "--input", "demo").message()).isEmpty();
    }

    @Test
    void theWholeDemoAsksTheSecondModelToo() throws Exception {
        List<String> demo = submit("demo", "--output", "x", "--backend=cpu");

        assertThat(demo)
                .endsWith(
                        "--then",
                        "--output",
                        "x-retrieval",
                        "--backend",
                        "cpu",
                        "--config",
                        installation.conf("demo/agent/retrieval.yaml").toString(),
                        "--model",
                        installation.conf("demo/agent/model.gguf").toString(),
                        "--input",
                        installation.conf("demo/questions.jsonl").toString(),
                        "--documents",
                        installation.conf("demo/documents.jsonl").toString());
        assertThat(demo).filteredOn("--then"::equals).hasSize(3);
        assertThat(submit("demo"))
                .containsSubsequence("--then", "demo-answers-agent", "--output-mode", "--then", "demo-answers-calls");
        assertThat(submit("demo", "--seed", "7")).doesNotContain("--then");
    }

    @Test
    void inASourceTreeTheDemoAnswersIntoTheBuildsFolder() throws Exception {
        installation = Installation.built(installation.home(), directory.resolve("target"));

        Submission demo = submission(Map.of(), "demo");

        assertThat(demo.message()).endsWith("see conf/demo/README.md.");
        assertThat(demo.arguments())
                .containsSubsequence(
                        "--output", directory.resolve("target/demo").toString());
    }

    @Test
    void aFileOfPropertiesComesBehindOursHoweverItIsGiven() throws Exception {
        Path own = Files.writeString(directory.resolve("own.conf"), "spark.driver.memory=9g");

        for (List<String> given :
                List.of(List.of("--properties-file", own.toString()), List.of("--properties-file=" + own))) {
            List<String> arguments = submit(given.getFirst(), given.getLast(), "--name", "n", "--", "--model", "m");
            assertThat(arguments)
                    .containsOnlyOnce("--properties-file")
                    .doesNotContain("--properties-file=" + own)
                    .containsSubsequence("--load-spark-defaults", "--name", "n", "--class");
            assertThat(propertiesFile(arguments))
                    .isEqualTo("# ours\nspark.driver.memory    2g\n\nspark.driver.memory=9g\n");
        }
    }

    @Test
    void aFileOfPropertiesThatIsNotThereGivesOneSentence() {
        assertThatThrownBy(() -> submit("--properties-file=none.conf", "--", "--model", "m"))
                .hasMessage("--properties-file none.conf cannot be read");
    }

    @Test
    void theLibraryOfABackendComesBeforeTheJarsOfTheUser() throws Exception {
        String library = installation.oneDnn().toString();
        Path config = Files.writeString(directory.resolve("job.yaml"), "backend: cpu-bf16\n");
        Path own = Files.writeString(directory.resolve("own.conf"), "spark.jars  a.jar,b.jar");

        assertThat(submit("--backend", "cpu-bf16")).containsSubsequence("--jars", library);
        assertThat(submit("--jars=mine.jar", "--", "--backend=cpu-bf16"))
                .containsSubsequence("--jars", library + ",mine.jar");
        assertThat(submit("--conf", "spark.jars=mine.jar", "--", "--config", config.toString()))
                .containsSubsequence("--jars", library + ",mine.jar");
        assertThat(submit("--properties-file", own.toString(), "--", "--config=" + config))
                .containsSubsequence("--jars", library + ",a.jar,b.jar");
        assertThat(submit("--config=" + config, "--backend", "cpu")).doesNotContain("--jars");
        assertThat(submit("--config", "none.yaml")).doesNotContain("--jars");
    }

    @Test
    void withoutAnSdkTheJobRunsWithoutTornadoVm() throws Exception {
        Map<String, String> environment = Map.of("TORNADOVM_HOME", "/no/such/sdk");

        assertThat(submission(environment, "--model", "m").arguments()).doesNotContain("--driver-class-path");
        assertThat(err.toString(StandardCharsets.UTF_8).lines())
                .containsExactly(
                        "tornadovm-flags: TORNADOVM_HOME=/no/such/sdk is no directory: set it to an unpacked TornadoVM SDK",
                        "spark-mixtral: running without TornadoVM");
        err.reset();
        submission(environment, "--model", "m", "--backend", "cpu");
        assertThat(err.size()).isZero();
    }

    @Test
    void anInstallationMakesItsFilesInACache() {
        Path home = Path.of("/opt/spark-mixtral");
        assertThat(Installation.unpacked(home, Map.of("HOME", "/home/me")).work())
                .hasToString("/home/me/.cache/spark-mixtral/launcher");
        assertThat(Installation.unpacked(home, Map.of("HOME", "/home/me", "XDG_CACHE_HOME", "/c"))
                        .work())
                .hasToString("/c/spark-mixtral/launcher");
    }

    @Test
    void aCacheThatCannotBeWrittenGivesOneSentence() throws Exception {
        Path file = Files.createFile(directory.resolve("cache"));

        assertThatThrownBy(() -> installation.write("a.conf", new byte[1]))
                .hasMessageStartingWith(file + "/spark-mixtral/launcher/a.conf cannot be written (")
                .hasMessageEndingWith("): set XDG_CACHE_HOME to a folder that can be written");
    }
}
