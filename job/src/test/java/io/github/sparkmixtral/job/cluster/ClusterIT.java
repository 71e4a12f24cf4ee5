package io.github.sparkmixtral.job.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.agent.AgentTool;
import io.github.sparkmixtral.job.SparkFixture;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Kills on a real cluster: a master, two workers and their executors as processes. */
@Timeout(value = 300)
class ClusterIT {
    private static final int ROWS = 144;

    @TempDir
    private static Path shared;

    private static StandaloneCluster cluster;
    private static Path input;
    private static List<String> undisturbed;

    @TempDir
    private Path directory;

    @BeforeAll
    static void startCluster() throws Exception {
        cluster = new StandaloneCluster(shared, Map.of(), Map.of());
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            lines.add("{\"prompt\": \"Sort these numbers: " + i * 7 % 97 + ", " + i * 31 % 89 + ", " + i + "\"}");
        }
        input = SparkFixture.write(shared.resolve("prompts.jsonl"), lines.toArray(String[]::new));
        Path alone = shared.resolve("alone");
        SparkFixture.Outcome outcome = SparkFixture.run(arguments(alone).toArray());
        assertThat(outcome.exitCode().value()).as(outcome.lastLine()).isZero();
        undisturbed = texts(alone);
    }

    @AfterAll
    static void stopCluster() {
        cluster.close();
    }

    private static List<String> arguments(Path output) {
        return List.of(
                "--model",
                SparkFixture.MODEL.toString(),
                "--input",
                input.toString(),
                "--output",
                output.toString(),
                "--temperature",
                "0.8",
                "--seed",
                "3",
                "--max-tokens",
                "16",
                "--ignore-eos",
                "--chunk-rows",
                "12");
    }

    private static List<String> texts(Path output) {
        return SparkFixture.rows(output).stream().map(ClusterIT::text).toList();
    }

    private static String text(Row row) {
        return row.getAs("custom_id") + ": " + row.getAs("generated_text") + row.getAs("error") + row.getAs("seed");
    }

    private static Map<String, FileTime> chunks(Path output) throws IOException {
        Map<String, FileTime> times = new HashMap<>();
        if (Files.exists(output)) {
            try (Stream<Path> files = Files.list(output)) {
                for (Path file : files.filter(
                                path -> path.getFileName().toString().startsWith("part-"))
                        .toList()) {
                    times.put(file.getFileName().toString(), Files.getLastModifiedTime(file));
                }
            }
        }
        return times;
    }

    private static void awaitChunks(Path output, int count, Process driver) throws Exception {
        while (chunks(output).size() < count) {
            assertThat(driver.isAlive())
                    .as("the job has ended before it was killed")
                    .isTrue();
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    private Process submit(Path output) throws IOException {
        return cluster.submit(directory.resolve("driver.log"), Map.of(), List.of(), arguments(output));
    }

    private void assertDone(Process driver) throws Exception {
        assertThat(driver.waitFor())
                .as(Files.readString(directory.resolve("driver.log")))
                .isZero();
    }

    @Test
    void killedDriverAndKilledExecutorLoseNothingAndTheSameCommandFinishes() throws Exception {
        Path output = directory.resolve("out");
        Process driver = submit(output);
        awaitChunks(output, 4, driver);
        driver.destroyForcibly().waitFor();
        Map<String, FileTime> before = chunks(output);
        // What is there is whole: every reader sees final rows, none of them twice.
        assertThat(output.resolve("_SUCCESS")).doesNotExist();
        List<String> readable = texts(output);
        assertThat(undisturbed).containsAll(readable);
        assertThat(new HashSet<>(readable)).hasSameSizeAs(readable);

        Process again = submit(output);
        awaitChunks(output, before.size() + 2, again);
        List<ProcessHandle> executors = cluster.executors();
        assertThat(executors).isNotEmpty();
        executors.getFirst().destroyForcibly();
        assertDone(again);

        assertThat(chunks(output)).containsAllEntriesOf(before);
        assertThat(texts(output)).isEqualTo(undisturbed);
        assertThat(output.resolve("_SUCCESS")).exists();
        JsonNode manifest =
                new ObjectMapper().readTree(output.resolve("_manifest.json").toFile());
        assertThat(manifest.at("/rows/resumed").asInt()).isGreaterThanOrEqualTo(4 * 12);
        assertThat(manifest.at("/attempts").asInt()).isEqualTo(2);
    }

    /** One worker's engines never load; the first one of the other worker dies, the second one does the work. */
    @Test
    void engineThatDiesIsReloadedAndAHostWhereNoneLoadsIsLeft() throws Exception {
        Path output = directory.resolve("out");
        Path faulty = BackendJar.write(directory.resolve("faulty.jar"), FaultyBackendProvider.CLASSES);
        try (StandaloneCluster broken = new StandaloneCluster(
                Files.createDirectory(directory.resolve("broken")),
                Map.of(FaultyBackendProvider.FAULTS, "first-step"),
                Map.of(FaultyBackendProvider.FAULTS, "load"))) {
            List<String> arguments = new ArrayList<>(arguments(output));
            arguments.addAll(List.of("--backend", FaultyBackendProvider.NAME));
            assertDone(broken.submit(
                    directory.resolve("driver.log"), Map.of(), List.of("spark.jars=" + faulty), arguments));
            assertThat(texts(output)).isEqualTo(undisturbed);
            String log = broken.executorLogs();
            assertThat(log)
                    .contains("The engine has failed, 1 times in a row now: ")
                    .contains("This executor gives up, so that Spark goes elsewhere: the device is broken on purpose");
        }
    }

    /** Over HTTP, from the driver, while the job runs: the two executors' numbers and their sum. */
    @Test
    void driverTellsTheMetricsOfItsExecutors() throws Exception {
        Path output = directory.resolve("out");
        int port = StandaloneCluster.freePort();
        List<String> properties = List.of(
                "spark.plugins=io.github.sparkmixtral.metrics.MixtralMetrics",
                "spark.metrics.conf.driver.sink.prometheusServlet.class=org.apache.spark.metrics.sink.PrometheusServlet",
                "spark.metrics.conf.driver.sink.prometheusServlet.path=/metrics/prometheus",
                "spark.metrics.namespace=job",
                "spark.ui.enabled=true",
                "spark.ui.port=" + port);
        Process driver = cluster.submit(directory.resolve("driver.log"), Map.of(), properties, arguments(output));
        String prefix = "metrics_job_driver_plugin_io_github_sparkmixtral_metrics_MixtralMetrics_";
        String last = "";
        try (HttpClient client = HttpClient.newHttpClient()) {
            HttpRequest request = HttpRequest.newBuilder(
                            URI.create("http://127.0.0.1:" + port + "/metrics/prometheus/"))
                    .build();
            while (driver.isAlive()) {
                try {
                    String body = client.send(request, HttpResponse.BodyHandlers.ofString())
                            .body();
                    last = body.contains(prefix + "all_rows_Count") ? body : last;
                } catch (IOException notThere) {
                    // The driver is starting, or has ended.
                }
                TimeUnit.MILLISECONDS.sleep(100);
            }
        }
        assertDone(driver);
        JsonNode manifest =
                new ObjectMapper().readTree(output.resolve("_manifest.json").toFile());
        Map<String, Double> told = new HashMap<>();
        for (String line : last.lines().filter(one -> one.startsWith(prefix)).toList()) {
            told.put(
                    line.substring(prefix.length(), line.indexOf('{')),
                    Double.valueOf(line.substring(line.lastIndexOf(' ') + 1)));
        }
        for (String name : List.of("rows", "prompt_tokens", "completion_tokens", "computed_prompt_tokens")) {
            assertThat(told.get("all_" + name + "_Count"))
                    .as(name)
                    .isPositive()
                    .isEqualTo(told.get("executor_0_" + name + "_Count") + told.get("executor_1_" + name + "_Count"));
        }
        assertThat(told.get("all_rows_Count"))
                .isEqualTo(manifest.at("/rows/answered").asDouble());
        assertThat(told.get("all_prompt_tokens_Count"))
                .isEqualTo(manifest.at("/tokens/prompt").asDouble());
        assertThat(told.get("all_completion_tokens_Count"))
                .isEqualTo(manifest.at("/tokens/completion").asDouble());
    }

    @Test
    void agentsOnTwoExecutorsCallTheToolOfAJar() throws Exception {
        Path output = directory.resolve("out");
        Path jar = BackendJar.write(directory.resolve("tools.jar"), AgentTool.class, Directory.CLASSES);
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            String question = i % 2 == 0 ? "Who leads Lir Bank?" : "What is " + (100 + i) + " times 183?";
            lines.add("{\"custom_id\": \"" + i + "\", \"prompt\": \"" + question + "\"}");
        }
        Path questions = SparkFixture.write(directory.resolve("questions.jsonl"), lines.toArray(String[]::new));
        List<String> arguments = List.of(
                "--model",
                SparkFixture.MODEL.toString(),
                "--input",
                questions.toString(),
                "--output",
                output.toString(),
                "--task",
                "agent",
                "--tools",
                "Calculator,Search",
                "--temperature",
                "0",
                "--chunk-rows",
                "6");
        assertDone(cluster.submit(directory.resolve("driver.log"), Map.of(), List.of("spark.jars=" + jar), arguments));
        List<Row> rows = SparkFixture.rows(output);
        assertThat(rows).hasSize(24).allSatisfy(row -> {
            int number = Integer.parseInt(row.getAs("custom_id"));
            assertThat(row.<String>getAs("generated_text"))
                    .isEqualTo(
                            number % 2 == 0
                                    ? "The head of Lir Bank is Fax Grend."
                                    : "The answer is " + (100 + number) * 183 + ".");
            assertThat(row.<Row>getList(row.fieldIndex("turns"))).hasSize(2);
        });
    }

    @Test
    void twoExecutorsEmbedScoreAndClassifyWithTheBitsOfOne() throws Exception {
        Path jar = BackendJar.ofClass(directory.resolve("program.jar"), ReadingProgram.class);
        Path there = directory.resolve("there");
        Path here = directory.resolve("here");
        Process driver = cluster.submitProgram(
                directory.resolve("driver.log"),
                jar,
                ReadingProgram.class.getName(),
                List.of(SparkFixture.MODEL.toString(), there.toString()));
        assertDone(driver);
        ReadingProgram.answer(SparkFixture.spark(), SparkFixture.MODEL.toString(), here.toString());
        for (String task : List.of("embed", "score", "classify")) {
            assertThat(answers(there.resolve(task))).hasSize(40).containsExactlyElementsOf(answers(here.resolve(task)));
        }
        assertThat(answers(there.resolve("embed")).getFirst()).contains("\"embedding\":[");
    }

    /** Rows as JSON, but for what depends on what ran beside them. */
    private static List<String> answers(Path output) {
        return SparkFixture.spark()
                .read()
                .parquet(output.toString())
                .orderBy("custom_id")
                .drop("usage")
                .toJSON()
                .collectAsList();
    }
}
