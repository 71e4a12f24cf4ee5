package io.github.sparkmixtral.job.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.cluster.FaultyProxy.Fault;
import io.github.sparkmixtral.job.cluster.FaultyProxy.Request;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.hadoop.fs.EtagSource;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Model, input and output in an object store, on a real cluster: kills, faults of the store, and its keys. */
@Timeout(value = 600)
class S3IT {
    private static final int ROWS = 72;
    private static final int CHUNKS = ROWS / 12;
    private static final String MODEL = S3Server.uri("models/model.gguf");
    private static final String INPUT = S3Server.uri("in/prompts.jsonl");

    /** With all that has a meaning in URIs. */
    private static final String SECRET = "wJa/lr+XUt@nFE:MI=K7/bPx";

    @TempDir
    private static Path shared;

    private static S3Server s3;
    private static FileSystem objects;
    private static StandaloneCluster cluster;
    private static List<String> undisturbed;

    @TempDir
    private Path directory;

    @BeforeAll
    static void start() throws Exception {
        s3 = new S3Server(shared);
        cluster = new StandaloneCluster(Files.createDirectories(shared.resolve("cluster")), Map.of(), Map.of());
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < ROWS; i++) {
            lines.add("{\"prompt\": \"Sort these numbers: " + i * 7 % 97 + ", " + i * 31 % 89 + ", " + i + "\"}");
        }
        Path input = SparkFixture.write(shared.resolve("prompts.jsonl"), lines.toArray(String[]::new));
        Path alone = shared.resolve("alone");
        SparkFixture.Outcome outcome = SparkFixture.run(
                arguments(SparkFixture.MODEL.toString(), input.toString(), alone.toString(), shared.resolve("cache"))
                        .toArray());
        assertThat(outcome.exitCode().value()).as(outcome.lastLine()).isZero();
        undisturbed = texts(alone);
        objects = s3.fileSystem();
        objects.copyFromLocalFile(hadoop(SparkFixture.MODEL.toString()), hadoop(MODEL));
        objects.copyFromLocalFile(hadoop(input.toString()), hadoop(INPUT));
    }

    @AfterAll
    static void stop() throws IOException {
        objects.close();
        cluster.close();
        s3.close();
    }

    private static org.apache.hadoop.fs.Path hadoop(String path) {
        return new org.apache.hadoop.fs.Path(path);
    }

    private static List<String> arguments(String model, String input, String output, Path cache) {
        return List.of(
                "--model",
                model,
                "--model-cache",
                cache.toString(),
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
                        + row.getAs("usage") + row.getAs("seed"))
                .toList();
    }

    /** Starts a driver whose properties file has these beside those of every run. */
    private Process submit(String name, URI endpoint, Map<String, String> environment, List<String> more, String output)
            throws IOException {
        String properties = Files.readString(StandaloneCluster.DEFAULTS) + "\n" + String.join("\n", more) + "\n";
        Path file = Files.writeString(directory.resolve(name + ".properties"), properties);
        Path cache = directory.resolve("cache");
        return cluster.submit(
                log(name), file, environment, S3Server.properties(endpoint), arguments(MODEL, INPUT, output, cache));
    }

    private Path log(String name) {
        return directory.resolve(name + ".log");
    }

    private void assertDone(String name, Process driver) throws Exception {
        assertThat(driver.waitFor()).as(Files.readString(log(name))).isZero();
    }

    /** What is there, by name: a chunk that was written again would be of another time. */
    private static Map<String, String> chunks(String output) throws IOException {
        Map<String, String> chunks = new TreeMap<>();
        if (objects.exists(hadoop(output))) {
            for (FileStatus file : objects.listStatus(hadoop(output))) {
                if (file.getPath().getName().startsWith("part-")) {
                    chunks.put(
                            file.getPath().getName(),
                            ((EtagSource) file).getEtag() + " of " + file.getModificationTime());
                }
            }
        }
        return chunks;
    }

    private static String text(String output, String name) throws IOException {
        try (InputStream in = objects.open(hadoop(output + "/" + name))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** The output is whole, its rows are those of an undisturbed run, and it holds nothing else. */
    private JsonNode assertWhole(String output) throws IOException {
        List<String> names = new ArrayList<>();
        for (FileStatus file : objects.listStatus(hadoop(output))) {
            names.add(file.getPath().getName().replaceFirst("^part-.*\\.parquet$", "part"));
        }
        assertThat(names).containsOnly("_job.json", "_manifest.json", "_SUCCESS", "part");
        assertThat(names).hasSize(CHUNKS + 3);
        Path copy = directory.resolve("copy");
        objects.copyToLocalFile(hadoop(output), hadoop(copy.toString()));
        assertThat(texts(copy)).isEqualTo(undisturbed);
        JsonNode manifest = new ObjectMapper().readTree(text(output, "_manifest.json"));
        assertThat(manifest.path("result_uri").asText()).isEqualTo(output);
        assertThat(manifest.at("/rows/total").asInt()).isEqualTo(ROWS);
        return manifest;
    }

    @Test
    void killedDriverLosesNothingThoughTheStoreFailsAndThePropertiesKeysStayHidden() throws Exception {
        String output = S3Server.uri("killed/out");
        List<String> keys =
                List.of("spark.hadoop.fs.s3a.access.key properties", "spark.hadoop.fs.s3a.secret.key " + SECRET);
        Map<String, String> before;
        try (FaultyProxy proxy = new FaultyProxy(s3.endpoint(), new Turns())) {
            Process driver = submit("killed", proxy.endpoint(), Map.of(), keys, output);
            while (chunks(output).size() < 2) {
                assertThat(driver.isAlive()).as(Files.readString(log("killed"))).isTrue();
                TimeUnit.MILLISECONDS.sleep(100);
            }
            driver.destroyForcibly().waitFor();
            before = chunks(output);
            assertThat(before).hasSizeLessThan(CHUNKS);

            Process again = submit("again", proxy.endpoint(), Map.of(), keys, output);
            assertNoCommandTells(again);
            assertDone("again", again);

            assertThat(proxy.injected()).containsOnlyKeys(EnumSet.complementOf(EnumSet.of(Fault.NONE)));
            assertThat(proxy.accessKeys()).containsExactly("properties");
        }
        assertThat(chunks(output)).containsAllEntriesOf(before);
        JsonNode manifest = assertWhole(output);
        assertThat(manifest.at("/rows/resumed").asInt()).isGreaterThanOrEqualTo(2 * 12);
        assertThat(manifest.at("/attempts").asInt()).isEqualTo(2);
        assertNothingTells(output);
    }

    @Test
    void oneOfTwoThatStartAtOnceGoesOnAndTheEnvironmentsKeysStayHidden() throws Exception {
        String output = S3Server.uri("twice/out");
        Map<String, String> keys = Map.of("AWS_ACCESS_KEY_ID", "environment", "AWS_SECRET_ACCESS_KEY", SECRET);
        CyclicBarrier bothWrite = new CyclicBarrier(2);
        try (FaultyProxy proxy = new FaultyProxy(s3.endpoint(), request -> {
            if (request.method().equals("PUT") && request.target().endsWith("_job.json")) {
                // This server looks first and writes then, unlike S3: the second comes a little later.
                TimeUnit.SECONDS.sleep(3L * bothWrite.await(5, TimeUnit.MINUTES));
            }
            return Fault.NONE;
        })) {
            List<String> properties = List.of(
                    "spark.cores.max 1",
                    // The one that is first waits for the other.
                    "spark.hadoop.fs.s3a.connection.request.timeout 10m",
                    "spark.hadoop.fs.s3a.connection.timeout 10m");
            Process one = submit("one", proxy.endpoint(), keys, properties, output);
            Process other = submit("other", proxy.endpoint(), keys, properties, output);
            assertNoCommandTells(one, other);
            assertThat(List.of(one.waitFor(), other.waitFor()))
                    .containsExactlyInAnyOrder(ExitCode.DONE.value(), ExitCode.OUTPUT_EXISTS.value());
            String refused = Files.readString(log(one.exitValue() == 0 ? "other" : "one"));
            assertThat(refused.lines().toList().getLast())
                    .isEqualTo("spark-mixtral: the output " + output
                            + " is being written by another run, which started at the same time: let it finish");
            assertThat(proxy.accessKeys()).containsExactly("environment");
        }
        assertWhole(output);
        assertNothingTells(output);
    }

    /** Documents, index, questions and answers in the store: parts are written by both executors, and searched by both. */
    @Test
    void twoExecutorsIndexDocumentsOfTheStoreAndAnswerFromThem() throws Exception {
        Path demo = SparkFixture.MODEL.getParent();
        for (String file : List.of("documents.jsonl", "questions.jsonl")) {
            objects.copyFromLocalFile(hadoop(demo.resolve(file).toString()), hadoop(S3Server.uri("retrieval/" + file)));
        }
        answerFromDocuments("index", List.of("index", "--partitions", "2"), "documents.jsonl", "index");
        List<String> answer = new ArrayList<>(List.of("--context-index", S3Server.uri("retrieval/index")));
        answer.addAll(List.of("--context-k", "3", "--context-mode", "hybrid", "--temperature", "0"));
        answer.addAll(List.of("--max-tokens", "16", "--chunk-rows", "12"));
        answerFromDocuments("answer", answer, "questions.jsonl", "out");

        String output = S3Server.uri("retrieval/out");
        JsonNode manifest = new ObjectMapper().readTree(text(output, "_manifest.json"));
        assertThat(manifest.path("executors")).hasSize(cluster.workers());
        Path here = directory.resolve("here");
        Path index = Files.createDirectories(directory.resolve("index"));
        objects.copyToLocalFile(hadoop(S3Server.uri("retrieval/index")), hadoop(index.toString()));
        answer.set(1, index.resolve("index").toString());
        answer.addAll(List.of("--model", SparkFixture.MODEL.toString(), "--output", here.toString()));
        answer.addAll(List.of("--input", demo.resolve("questions.jsonl").toString()));
        SparkFixture.Outcome outcome = SparkFixture.run(answer.toArray());
        assertThat(outcome.exitCode().value()).as(outcome.lastLine()).isZero();
        objects.copyToLocalFile(
                hadoop(output), hadoop(directory.resolve("there").toString()));
        assertThat(contexts(directory.resolve("there"))).hasSize(120).isEqualTo(contexts(here));
    }

    private static List<String> contexts(Path output) {
        return SparkFixture.rows(output).stream()
                .map(row -> row.getAs("custom_id") + ": " + row.getAs("generated_text") + row.getAs("contexts")
                        + row.getAs("error"))
                .toList();
    }

    /** Runs a command on both executors, neither of which begins alone. */
    private void answerFromDocuments(String name, List<String> command, String input, String output) throws Exception {
        List<String> arguments = new ArrayList<>(command);
        arguments.addAll(List.of(
                "--model", MODEL, "--model-cache", directory.resolve("cache").toString()));
        arguments.addAll(List.of("--input", S3Server.uri("retrieval/" + input)));
        arguments.addAll(List.of("--output", S3Server.uri("retrieval/" + output)));
        List<String> properties = new ArrayList<>(S3Server.properties(s3.endpoint()));
        properties.addAll(List.of(
                "spark.scheduler.minRegisteredResourcesRatio=1",
                "spark.scheduler.maxRegisteredResourcesWaitingTime=60s"));
        Map<String, String> keys = Map.of("AWS_ACCESS_KEY_ID", "environment", "AWS_SECRET_ACCESS_KEY", SECRET);
        assertDone(name, cluster.submit(log(name), keys, properties, arguments));
    }

    /** Every fourth request of a method has the next fault that fits it, and what begins the output loses its answer. */
    private static final class Turns implements FaultyProxy.Faults {
        /** First those that fit few requests. */
        private final Deque<Fault> faults = new ArrayDeque<>(List.of(
                Fault.CUT_UPLOAD,
                Fault.CUT_DOWNLOAD,
                Fault.LOST_REPLY,
                Fault.INTERNAL_ERROR,
                Fault.SLOW_DOWN,
                Fault.DELAY));

        private final Map<String, Integer> requests = new HashMap<>();
        private boolean begun;

        @Override
        public synchronized Fault of(Request request) {
            if (!begun && request.method().equals("PUT") && request.target().endsWith("_job.json")) {
                begun = true;
                return Fault.LOST_REPLY;
            }
            if (requests.merge(request.method(), 1, Integer::sum) % 4 != 0) {
                return Fault.NONE;
            }
            for (Fault fault : faults) {
                if (fits(fault, request)) {
                    faults.remove(fault);
                    faults.addLast(fault);
                    return fault;
                }
            }
            return Fault.NONE;
        }

        private static boolean fits(Fault fault, Request request) {
            return switch (fault) {
                case CUT_UPLOAD, LOST_REPLY -> request.method().equals("PUT") && request.bodyBytes() > 1;
                case CUT_DOWNLOAD ->
                    request.method().equals("GET") && !request.target().contains("?");
                default -> true;
            };
        }
    }

    /** Every user of a machine sees its command lines. */
    private static void assertNoCommandTells(Process... drivers) throws Exception {
        boolean executed = false;
        while (Stream.of(drivers).anyMatch(Process::isAlive)) {
            for (ProcessHandle process : ProcessHandle.allProcesses().toList()) {
                Path file = Path.of("/proc", Long.toString(process.pid()), "cmdline");
                try {
                    String command = Files.readString(file, StandardCharsets.ISO_8859_1);
                    assertThat(command).doesNotContain(SECRET);
                    executed |= command.contains("CoarseGrainedExecutorBackend");
                } catch (IOException ended) {
                    // It is seen no more.
                }
            }
            TimeUnit.MILLISECONDS.sleep(200);
        }
        assertThat(executed).as("executors have run").isTrue();
    }

    private void assertNothingTells(String output) throws IOException {
        for (Path root : List.of(shared, directory)) {
            List<Path> files;
            try (Stream<Path> found = Files.walk(root)) {
                files = found.filter(Files::isRegularFile)
                        .filter(file -> file.toString().matches(".*(\\.log|/std(out|err))"))
                        .toList();
            }
            assertThat(files).isNotEmpty();
            for (Path file : files) {
                assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
                        .as(file.toString())
                        .doesNotContain(SECRET);
            }
        }
        for (FileStatus file : objects.listStatus(hadoop(output))) {
            assertThat(file.getPath().toString()).doesNotContain(SECRET);
        }
        assertThat(text(output, "_manifest.json")).doesNotContain(SECRET);
        assertThat(text(output, "_job.json")).doesNotContain(SECRET);
    }
}
