package io.github.sparkmixtral.job.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.yarn.api.records.FinalApplicationStatus;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The launcher with {@code conf/spark-yarn.conf} on a real YARN: Spark, the JDK, model, input and output lie on HDFS, and the
 * machine's own Java is of no use.
 */
@Timeout(value = 600)
class YarnJob {
    private static final int ROWS = 120;
    private static final int CHUNKS = ROWS / 12;

    /** With it a node of 4 GB has room for one executor. */
    private static final String ROOM = "1800m";

    private static final String MODEL = "hdfs:///models/model.gguf";
    private static final String INPUT = "hdfs:///in/prompts.jsonl";

    private static List<String> options(String deployMode, String overhead, String... more) {
        List<String> options = new ArrayList<>(List.of(
                "--deploy-mode",
                deployMode,
                "--driver-memory",
                "512m",
                "--executor-memory",
                "512m",
                "--executor-cores",
                "1",
                "--conf",
                "spark.executor.memoryOverhead=" + overhead));
        options.addAll(List.of(more));
        return options;
    }

    @TempDir
    private static Path shared;

    private static YarnCluster cluster;
    private static FileSystem hdfs;
    private static List<String> undisturbed;

    @TempDir
    private Path directory;

    @BeforeAll
    static void start() throws Exception {
        cluster = new YarnCluster(shared);
        hdfs = cluster.files();
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            lines.add("{\"prompt\": \"Sort these numbers: " + i * 7 % 97 + ", " + i * 31 % 89 + ", " + i + "\"}");
        }
        Path input = SparkFixture.write(shared.resolve("prompts.jsonl"), lines.toArray(String[]::new));
        Path alone = shared.resolve("alone");
        SparkFixture.Outcome outcome =
                SparkFixture.run(arguments(SparkFixture.MODEL.toString(), input.toString(), alone.toString())
                        .toArray());
        assertThat(outcome.exitCode().value()).as(outcome.lastLine()).isZero();
        undisturbed = texts(alone);
        cluster.put(SparkFixture.MODEL, MODEL);
        cluster.put(input, INPUT);
    }

    @AfterAll
    static void stop() throws IOException {
        cluster.close();
    }

    private static List<String> arguments(String model, String input, String output) {
        return List.of(
                "--model",
                model,
                "--model-cache",
                shared.resolve("cache").toString(),
                "--input",
                input,
                "--output",
                output,
                "--temperature",
                "0.8",
                "--seed",
                "3",
                "--max-tokens",
                "8",
                "--ignore-eos",
                "--chunk-rows",
                "12");
    }

    private static List<String> texts(Path output) {
        return SparkFixture.rows(output).stream()
                .map(row -> row.getAs("custom_id") + ": " + row.getAs("generated_text") + row.getAs("error")
                        + row.getAs("seed"))
                .toList();
    }

    private static org.apache.hadoop.fs.Path hadoop(String path) {
        return new org.apache.hadoop.fs.Path(path);
    }

    private Path log(String name) {
        return directory.resolve(name + ".log");
    }

    /** Files by name, with their times: one that was written again has another. */
    private static Map<String, Long> files(String output, String prefix) throws IOException {
        Map<String, Long> times = new TreeMap<>();
        if (hdfs.exists(hadoop(output))) {
            for (FileStatus file : hdfs.listStatus(hadoop(output))) {
                if (file.getPath().getName().startsWith(prefix)) {
                    times.put(file.getPath().getName(), file.getModificationTime());
                }
            }
        }
        return times;
    }

    private void awaitChunks(String output, int count, Process driver) throws Exception {
        while (files(output, "part-").size() < count) {
            assertThat(driver.isAlive()).as(Files.readString(log("killed"))).isTrue();
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    @Test
    void aKilledContainerLosesNothingAndTheSameCommandDoesNothing() throws Exception {
        String output = "hdfs:///out/killed";
        List<String> arguments = arguments(MODEL, INPUT, output);
        Process driver = cluster.submit(log("killed"), options("cluster", ROOM), arguments);
        awaitChunks(output, 2, driver);
        List<ProcessHandle> executors = cluster.executors();
        // One on each node, on the JDK that the job has brought.
        assertThat(executors)
                .hasSize(2)
                .allSatisfy(executor -> assertThat(Path.of("/proc", Long.toString(executor.pid()), "exe")
                                .toRealPath())
                        .startsWith(shared.resolve("target").toRealPath())
                        .endsWith(Path.of("bin", "java")));
        Map<String, Long> before = files(output, "part-");
        executors.getFirst().destroyForcibly();
        assertThat(before).hasSizeLessThan(CHUNKS);

        assertThat(driver.waitFor()).as(Files.readString(log("killed"))).isZero();

        assertThat(cluster.newest().getFinalApplicationStatus()).isEqualTo(FinalApplicationStatus.SUCCEEDED);
        // One that was published just before the kill may have been written again.
        assertThat(files(output, "part-"))
                .hasSize(CHUNKS)
                .containsKeys(before.keySet().toArray(String[]::new));
        Set<String> others = new HashSet<>(files(output, "").keySet());
        others.removeAll(files(output, "part-").keySet());
        assertThat(others).containsExactlyInAnyOrder("_job.json", "_manifest.json", "_SUCCESS");
        Path copy = directory.resolve("copy");
        hdfs.copyToLocalFile(hadoop(output), hadoop(copy.toString()));
        assertThat(texts(copy)).isEqualTo(undisturbed);
        JsonNode manifest = manifest(output);
        assertThat(manifest.at("/rows/total").asInt()).isEqualTo(ROWS);
        assertThat(manifest.at("/attempts").asInt()).isEqualTo(1);

        Map<String, Long> done = files(output, "");
        assertThat(cluster.submit(log("again"), options("client", ROOM), arguments)
                        .waitFor())
                .as(Files.readString(log("again")))
                .isZero();
        assertThat(Files.readString(log("again"))).contains(output + " is complete already: nothing is left to do");
        assertThat(cluster.newest().getFinalApplicationStatus()).isEqualTo(FinalApplicationStatus.SUCCEEDED);
        assertThat(files(output, "")).isEqualTo(done);
    }

    private static JsonNode manifest(String output) throws IOException {
        try (InputStream in = hdfs.open(hadoop(output + "/_manifest.json"))) {
            return new ObjectMapper().readTree(in);
        }
    }

    @Test
    void tooSmallAMemoryOverheadEndsTheClientWithOneSentence() throws Exception {
        List<String> arguments = new ArrayList<>(arguments(MODEL, INPUT, "hdfs:///out/small"));
        arguments.addAll(List.of("--kv-cache-memory", "1g"));
        Process driver = cluster.submit(log("small"), options("client", "128m"), arguments);
        assertThat(driver.waitFor()).isEqualTo(ExitCode.MODEL_UNUSABLE.value());
        assertThat(Files.readAllLines(log("small")).getLast())
                .matches("spark-mixtral: .*the weights and the key/value cache need .* GiB off the heap, but"
                        + " spark\\.executor\\.memoryOverhead is 0\\.1 GiB, and YARN kills what takes more: set"
                        + " spark\\.executor\\.memoryOverhead=.*");
        assertThat(cluster.newest().getFinalApplicationStatus()).isEqualTo(FinalApplicationStatus.FAILED);
    }

    @Test
    void inClusterModeYarnTellsWhyAJobHasFailed() throws Exception {
        Path config = Files.writeString(
                directory.resolve("job.yaml"),
                "model: " + MODEL + "\ninput: hdfs:///in/none.jsonl\noutput: hdfs:///out/failed\n");
        Process driver = cluster.submit(
                log("failed"), options("cluster", ROOM, "--files", config.toString()), List.of("--config", "job.yaml"));
        assertThat(driver.waitFor()).isEqualTo(1);
        assertThat(cluster.newest().getFinalApplicationStatus()).isEqualTo(FinalApplicationStatus.FAILED);
        String diagnostics = cluster.newest().getDiagnostics();
        assertThat(diagnostics)
                .contains("spark-mixtral: no such input: hdfs:///in/none.jsonl (exit code 3)")
                .doesNotContain("\tat ");
        assertThat(Files.readString(log("failed"))).contains(diagnostics.strip());
    }
}
