package io.github.sparkmixtral.job.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.github.sparkmixtral.job.SparkFixture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The DAGs of {@code conf/airflow}, without Airflow: what they would submit is run. Needs Python. */
@Timeout(240)
class AirflowIT {
    private static final String DAY = "2026-12-01";
    private static final Path DAGS =
            Path.of("..", "conf", "airflow").toAbsolutePath().normalize();
    private static final Path RENDER =
            Path.of("src", "test", "airflow", "render.py").toAbsolutePath();

    @TempDir
    private Path directory;

    @BeforeEach
    void requirePython() {
        boolean found;
        try {
            found = new ProcessBuilder("python3", "--version").start().waitFor() == 0;
        } catch (IOException | InterruptedException e) {
            found = false;
        }
        assumeThat(found).as("python3").isTrue();
    }

    private JsonNode render(String dag, String... more) throws Exception {
        List<String> command = new ArrayList<>(
                List.of("python3", RENDER.toString(), DAGS.resolve(dag).toString(), DAY));
        command.addAll(List.of(more));
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment()
                .putAll(Map.of(
                        "SPARK_MIXTRAL_HOME", directory.resolve("home").toString(),
                        "SPARK_MIXTRAL_MODEL", SparkFixture.MODEL.toString(),
                        "SPARK_MIXTRAL_INPUT",
                                directory.resolve("in/ds={{ ds }}/*.jsonl").toString(),
                        "SPARK_MIXTRAL_OUTPUT",
                                directory.resolve("out/ds={{ ds }}").toString()));
        Process process =
                builder.redirectError(directory.resolve("python.err").toFile()).start();
        byte[] out = process.getInputStream().readAllBytes();
        assertThat(process.waitFor())
                .as(Files.readString(directory.resolve("python.err")))
                .isZero();
        return new JsonMapper().readTree(out);
    }

    /** An installation has these files of the source tree. */
    private void install() throws IOException {
        Path home = directory.resolve("home");
        Files.createDirectories(home.resolve("lib"));
        Files.createSymbolicLink(
                home.resolve("lib/spark-mixtral.jar"),
                Path.of("target/spark-mixtral.jar").toAbsolutePath());
        Files.createSymbolicLink(home.resolve("conf"), DAGS.getParent());
    }

    private void submit(List<String> command, String log) throws Exception {
        Path file = directory.resolve(log);
        assertThat(StandaloneCluster.submitLocally(directory, command.subList(1, command.size()), file))
                .as(Files.readString(file))
                .isZero();
    }

    @Test
    void theDaysCommandAnswersAndASecondTryDoesNothing() throws Exception {
        install();
        SparkFixture.write(
                Files.createDirectories(directory.resolve("in/ds=" + DAY)).resolve("prompts.jsonl"),
                "{\"custom_id\": \"a\", \"prompt\": \"What is the capital of Egypt?\"}",
                "{\"custom_id\": \"b\", \"prompt\": \"Reverse the list: red, blue\"}");
        JsonNode tasks = render("spark_mixtral_dag.py");
        assertThat(tasks.at("/dag/retries").asInt()).isPositive();
        assertThat(tasks.at("/order/0").toString()).isEqualTo("[\"answer\",\"summary\"]");
        List<String> submit = new ArrayList<>();
        tasks.at("/answer/command").forEach(word -> submit.add(word.asText()));
        assertThat(submit)
                .contains("--deadline=5h")
                .doesNotContain("--master=")
                .noneMatch(word -> word.contains("KEY"));

        submit(submit, "first.log");
        Path output = directory.resolve("out/ds=" + DAY);
        FileTime done = Files.getLastModifiedTime(output.resolve("_SUCCESS"));
        assertThat(SparkFixture.rows(output)).hasSize(2);

        submit(submit, "second.log");
        assertThat(Files.readString(directory.resolve("second.log")))
                .contains("is complete already: nothing is left to do");
        assertThat(Files.getLastModifiedTime(output.resolve("_SUCCESS"))).isEqualTo(done);

        String manifest = tasks.at("/summary/arguments/0").asText();
        assertThat(manifest).isEqualTo(output.toString());
        JsonNode summary = render("spark_mixtral_dag.py", "summary", manifest);
        assertThat(summary.get("request_count").asInt()).isEqualTo(2);
        assertThat(summary.at("/counts/succeeded").asInt()).isEqualTo(2);
        assertThat(summary.get("terminal_reason").asText()).isEqualTo("completed");
        assertThat(summary.get("result_uri").asText()).contains(output.toString());
        assertThat(summary.toString().length()).isLessThan(1000);
    }

    @Test
    void theSparkOperatorsJobHasTheSameArgumentsAndTheFlagsOfTheProperties() throws Exception {
        JsonNode task = render("spark_mixtral_kubernetes_dag.py").get("answer");
        JsonNode application = new YAMLMapper().readTree(task.get("application").asText());
        assertThat(application.at("/metadata/namespace").asText())
                .isEqualTo(task.get("namespace").asText());
        assertThat(application.at("/metadata/name").asText()).isEqualTo("spark-mixtral-20261201-1");
        assertThat(application.at("/spec/sparkVersion").asText())
                .isEqualTo(org.apache.spark.package$.MODULE$.SPARK_VERSION());
        List<String> arguments = new ArrayList<>();
        application.at("/spec/arguments").forEach(argument -> arguments.add(argument.asText()));
        assertThat(arguments).contains("--input=s3a://bucket/prompts/ds=" + DAY + "/*.jsonl");
        for (String line : Files.readAllLines(DAGS.resolveSibling("spark-defaults.conf"))) {
            if (line.matches("spark\\.(driver|executor)\\.extraJavaOptions .*")) {
                String[] property = line.split("\\s+", 2);
                assertThat(application.at("/spec/sparkConf").get(property[0]).asText())
                        .isEqualTo(property[1]);
            }
        }
    }
}
