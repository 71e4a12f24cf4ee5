package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.cpu.Bfloat16BackendProvider;
import io.github.sparkmixtral.job.SparkFixture;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Starts {@code job/bin/spark-mixtral} as a user does, on the jar that was just built. */
class LauncherIT {
    private static final Path LAUNCHER = Path.of("bin", "spark-mixtral").toAbsolutePath();

    @TempDir
    Path directory;

    /** What a process left behind. */
    private record Run(int exitCode, String out, List<String> err) {
        String lastLine() {
            return err.getLast();
        }
    }

    private Run launch(String... arguments) throws IOException, InterruptedException {
        return launch(Map.of(), arguments);
    }

    /** With these variables of the environment besides. */
    private Run launch(Map<String, String> environment, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(LAUNCHER.toString()));
        command.addAll(List.of(arguments));
        File out = directory.resolve("out.txt").toFile();
        File err = directory.resolve("err.txt").toFile();
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectOutput(out)
                .redirectError(err);
        // The Spark that was tested is the one of the build, whatever is installed here.
        builder.environment().keySet().removeAll(List.of("SPARK_HOME", "SPARK_CONF_DIR", "TORNADOVM_HOME"));
        builder.environment().putAll(environment);
        int exitCode = builder.start().waitFor();
        return new Run(exitCode, Files.readString(out.toPath()), Files.readAllLines(err.toPath()));
    }

    @Test
    void theDemoAnswersEveryPromptAndScoresTheAnswers() throws Exception {
        Path answers = directory.resolve("answers");

        Run run = launch("demo", "--output", answers.toString());

        assertThat(run.exitCode()).as(String.join("\n", run.err())).isZero();
        assertThat(run.out()).contains("custom_id", "answer", "expected", "finish_reason");
        assertThat(run.err()).anySatisfy(line -> assertThat(line).endsWith("The answers are in " + answers));
        assertThat(run.err()).as("the JVM's warnings").noneMatch(line -> line.startsWith("WARNING"));
        assertThat(answers.resolve("_SUCCESS")).exists();
        JsonNode manifest =
                new JsonMapper().readTree(answers.resolve("_manifest.json").toFile());
        assertThat(manifest.at("/rows/total").asInt()).isEqualTo(109);
        assertThat(manifest.at("/rows/answered").asInt()).isEqualTo(109);
        assertThat(manifest.at("/score/rows").asInt()).isEqualTo(109);
        assertThat(manifest.at("/score/groups")).hasSize(20);
        assertThat(ratio(manifest, "json", "few_shot")).isGreaterThanOrEqualTo(0.9);
        assertThat(ratio(manifest, "tool", "tool_result")).isGreaterThanOrEqualTo(0.9);
        assertThat(ratio(manifest, "context", "context_absent")).isGreaterThanOrEqualTo(0.9);
        assertThat(ratio(manifest, "copy")).isGreaterThanOrEqualTo(0.9);
        assertThat(ratio(manifest, "passkey_1000")).isGreaterThanOrEqualTo(0.9);
        assertThat(run.out())
                .contains("|kind ", "|passkey_1000 ", "|all ", "|two_searches ", "|two_calls ", "|absent ");
        for (String table : List.of("agent", "calls", "retrieval")) {
            Path more = directory.resolve("answers-" + table);
            assertThat(more.resolve("_SUCCESS")).exists();
        }
        assertThat(run.lastLine()).endsWith("The answers are in " + answers + "-retrieval");
    }

    /** Exact answers per row of some kinds together. */
    private static double ratio(JsonNode manifest, String... kinds) {
        long rows = 0;
        long correct = 0;
        for (JsonNode group : manifest.at("/score/groups")) {
            if (List.of(kinds).contains(group.path("value").asText())) {
                rows += group.path("rows").asLong();
                correct += group.path("correct").asLong();
            }
        }
        return (double) correct / rows;
    }

    @Test
    void optionsBeforeTheDashesGoToSparkSubmit() throws Exception {
        Run run = launch("--master", "nonsense", "--", "demo", "--output", "answers");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).anySatisfy(line -> assertThat(line).contains("Master must"));
    }

    @Test
    void wrongUseEndsWithItsExitCodeAndOneSentence() throws Exception {
        Run run = launch("demo", "--output", "answers", "--top-p", "3");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.lastLine()).isEqualTo("spark-mixtral: --top-p must be in (0, 1], not 3");
        assertThat(directory.resolve("answers")).doesNotExist();
    }

    @Test
    void argumentsKeepTheirSpacesAndQuotes() throws Exception {
        Run run = launch("--model", "no such 'model' here", "--input", "x.txt", "--output", "y");

        assertThat(run.exitCode()).isEqualTo(4);
        assertThat(run.lastLine())
                .startsWith("spark-mixtral: no such model: /")
                .contains("/no such 'model' here: give a path");
    }

    @Test
    void aGpuBackendThatCannotRunHereEndsTheJob() throws Exception {
        Run run = launch("demo", "--output", "answers", "--backend", "tornado");

        assertThat(run.exitCode()).isEqualTo(4);
        assertThat(run.lastLine())
                .startsWith(
                        "spark-mixtral: the backend 'tornado' cannot be used here: this JVM was started without TornadoVM")
                .contains("TORNADOVM_HOME");
        assertThat(directory.resolve("answers/_SUCCESS")).doesNotExist();
    }

    @Test
    void withoutAGpuTheCpuAnswersAndOneLineSaysSo() throws Exception {
        Files.write(directory.resolve("some.jsonl"), prompts(2));

        Run run = launch(
                Map.of("TORNADOVM_HOME", "/no/such/sdk"), "demo", "--input", "some.jsonl", "--output", "answers");

        assertThat(run.exitCode()).as(String.join("\n", run.err())).isZero();
        assertThat(run.err())
                .contains(
                        "tornadovm-flags: TORNADOVM_HOME=/no/such/sdk is no directory: set it to an unpacked TornadoVM SDK",
                        "spark-mixtral: running without TornadoVM");
        assertThat(run.err())
                .filteredOn(line -> line.contains("backend cpu"))
                .singleElement(STRING)
                .endsWith("backend cpu; refused: tornado (--backend tornado says why)");
    }

    @Test
    void gpusAreNotWaitedForWhereSparkGivesOutNone() throws Exception {
        Path conf = LAUNCHER.resolve("../../../conf/spark-gpu.conf").normalize();

        Run run = launch("--properties-file", conf.toString(), "--", "demo", "--output", "answers");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.lastLine())
                .isEqualTo(
                        "spark-mixtral: spark.task.resource.gpu.amount is set, but Spark gives out no GPUs in local mode:"
                                + " leave it out (conf/spark-gpu.conf is for clusters); the engine takes a GPU by itself");
    }

    @Test
    void tornadoVmComesBesideWhatIsSetAlready() throws Exception {
        Path sdk = sdk();
        Files.writeString(
                Files.createDirectories(directory.resolve("conf")).resolve("spark-defaults.conf"),
                "spark.driver.extraClassPath /other.jar\nspark.driver.defaultJavaOptions = -Da=b\n");
        Map<String, String> environment = new HashMap<>(fakeSpark());
        environment.put("TORNADOVM_HOME", sdk.toString());
        environment.put("SPARK_CONF_DIR", directory.resolve("conf").toString());

        List<String> submitted = launch(
                        environment,
                        "--conf",
                        "spark.executor.extraClassPath=/mine.jar",
                        "--",
                        "--model",
                        "m",
                        "--backend=auto")
                .out()
                .lines()
                .toList();

        String jar = copied().resolve("lib/spark-mixtral.jar").toString();
        Path flags = LAUNCHER.resolve("../../target/tornadovm.args").normalize();
        assertThat(submitted)
                .containsSubsequence("--driver-class-path", jar + ":/other.jar")
                .contains(
                        "spark.executor.extraClassPath=" + jar + ":/mine.jar",
                        "spark.driver.defaultJavaOptions=\"@" + flags + "\" -Da=b",
                        "spark.executor.defaultJavaOptions=\"@" + flags + "\"")
                .endsWith("--model", "m", "--backend=auto");
        assertThat(Files.readString(flags)).contains("-Djava.library.path=" + sdk + "/lib", "--add-reads=a=b");
        assertThat(launch(environment, "--model", "m", "--backend", "cpu").out())
                .doesNotContain("tornadovm.args");
    }

    @Test
    void theLibraryOfABackendComesBesideTheJarsOfTheUser() throws Exception {
        String[] own = {"--jars", "mine.jar", "--", "--model", "m", "--backend", "cpu-bf16"};

        List<String> submitted = launch(fakeSpark(), own).out().lines().toList();

        Path library = copied().resolve("lib/onednn.jar");
        assertThat(library).isRegularFile();
        assertThat(submitted).containsSubsequence("--jars", library + ",mine.jar", "--class");
        assertThat(launch(fakeSpark(), "--model", "m", "--backend", "cpu").out())
                .doesNotContain("onednn");
    }

    @Test
    void aBackendWithALibraryOfItsOwnAnswersTheDemo() throws Exception {
        assumeThat(new Bfloat16BackendProvider().unavailable().orElse("")).doesNotContain("Linux", "processor");
        Files.write(directory.resolve("some.jsonl"), prompts(20));

        Run run = launch("demo", "--input", "some.jsonl", "--output", "answers", "--backend", "cpu-bf16");

        assertThat(run.exitCode()).as(String.join("\n", run.err())).isZero();
        assertThat(SparkFixture.spark()
                        .read()
                        .parquet(directory.resolve("answers").toString())
                        .where("finish_reason = 'stop'")
                        .count())
                .isEqualTo(20);
    }

    @Test
    void propertiesOfTheUserComeBehindOurs() throws Exception {
        Path own = Files.writeString(directory.resolve("own.conf"), "spark.executor.memory 77g");

        List<String> submitted = launch(
                        fakeSpark(),
                        "--verbose",
                        "--properties-file",
                        own.toString(),
                        "--name",
                        "n",
                        "--",
                        "--model",
                        "m")
                .out()
                .lines()
                .toList();

        assertThat(submitted).containsOnlyOnce("--properties-file").containsSubsequence("--verbose", "--name", "n");
        String properties = Files.readString(Path.of(submitted.get(submitted.indexOf("--properties-file") + 1)));
        assertThat(properties).contains("--add-modules=jdk.incubator.vector").endsWith("\nspark.executor.memory 77g\n");
        Run missing = launch("--properties-file", "none.conf", "--", "--model", "m");
        assertThat(missing.exitCode()).isEqualTo(1);
        assertThat(missing.lastLine()).isEqualTo("spark-mixtral: --properties-file none.conf cannot be read");
    }

    @Test
    void onADeviceTheDemoGivesTheAnswersOfTheCpu() throws Exception {
        String sdk = System.getenv("TORNADOVM_HOME");
        assumeThat(sdk).as("TORNADOVM_HOME, the SDK to run the demo with").isNotNull();
        Files.write(directory.resolve("some.jsonl"), prompts(20));
        String[] demo = {"demo", "--input", "some.jsonl", "--output", "device", "--backend", "tornado"};

        Run device = launch(Map.of("TORNADOVM_HOME", sdk), demo);
        demo[4] = "cpu";
        demo[6] = "cpu";
        Run cpu = launch(demo);

        assertThat(device.exitCode()).as(String.join("\n", device.err())).isZero();
        assertThat(cpu.exitCode()).as(String.join("\n", cpu.err())).isZero();
        Dataset<Row> same = SparkFixture.spark()
                .read()
                .parquet(directory.resolve("device").toString())
                .select("custom_id", "generated_text")
                .intersect(SparkFixture.spark()
                        .read()
                        .parquet(directory.resolve("cpu").toString())
                        .select("custom_id", "generated_text"));
        assertThat(same.count()).isEqualTo(20);
    }

    /** The first lines of the demo's input. */
    private static List<String> prompts(int count) throws IOException {
        Path file = LAUNCHER.resolve("../../../conf/demo/prompts.jsonl").normalize();
        return Files.readAllLines(file).subList(0, count);
    }

    /** The copy of what was built last, from which the launcher runs. */
    private static Path copied() throws IOException {
        Path copies = LAUNCHER.resolve("../../target/launch").normalize();
        return copies.resolve(Files.readString(copies.resolve("current")).strip());
    }

    /** A Spark that only prints what is submitted to it, a line for each argument. */
    private Map<String, String> fakeSpark() throws IOException {
        Path submit = Files.createDirectories(directory.resolve("spark/bin")).resolve("spark-submit");
        Files.writeString(submit, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
        assertThat(submit.toFile().setExecutable(true)).isTrue();
        return Map.of("SPARK_HOME", directory.resolve("spark").toString());
    }

    /** The files that make a TornadoVM SDK, all of them empty but the lists of flags. */
    private Path sdk() throws IOException {
        Path sdk = directory.resolve("sdk");
        Path modules = Files.createDirectories(sdk.resolve("share/java/tornado"));
        for (String module : List.of("api", "runtime", "annotation", "drivers-common", "drivers-opencl")) {
            Files.createFile(modules.resolve("tornado-" + module + "-5.2.0-jdk25.jar"));
        }
        for (String library : List.of("asm-9.9", "commons-math3-3.6.1", "snmp4j-2.8.6")) {
            Files.createFile(modules.resolve(library + ".jar"));
        }
        Path graal = Files.createDirectories(sdk.resolve("share/java/graalJars"));
        for (String library : List.of("compiler", "truffle-compiler", "collections", "word")) {
            Files.createFile(graal.resolve(library + "-25.0.2.jar"));
        }
        Path lists = Files.createDirectories(sdk.resolve("etc/exportLists"));
        Files.writeString(lists.resolve("common-exports"), "--add-reads=a=b\n");
        Files.writeString(lists.resolve("opencl-exports"), "--add-reads=c=d\n");
        return sdk;
    }
}
