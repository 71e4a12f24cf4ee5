package io.github.sparkmixtral.job.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.github.sparkmixtral.job.SparkFixture;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What takes too long for a build: a job under kills, and two executors against one. {@code job/src/soak/run} starts it; it prints
 * its figures in lines that begin with {@code soak:}.
 */
class Soak {
    private static final int ROWS = 3000;
    private static final int KILLS = 15;

    /** Fewer than by default: a job that is killed every 40 seconds would hardly ever end a chunk that takes 20. */
    private static final int CHUNK_ROWS = 64;

    private static final int SCALED_ROWS = 512;
    private static final Pattern BEGINS = Pattern.compile("The chunk \\S+ begins");
    /** Where the manifest says how long a run has taken. */
    private static final String SECONDS = "/time/seconds";

    private static final ObjectMapper JSON = new ObjectMapper();

    /** What is killed. */
    private enum Victim {
        EXECUTOR,
        WORKER,
        DRIVER
    }

    @TempDir
    private Path directory;

    private static void tell(String line, Object... values) {
        System.out.println("soak: " + String.format(Locale.ROOT, line, values));
    }

    private static List<String> arguments(String model, String input, String output, Path cache, int maxTokens) {
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
                Integer.toString(maxTokens),
                "--ignore-eos");
    }

    private static Path prompts(Path file, int rows) throws IOException {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < rows; i++) {
            lines.add("{\"prompt\": \"Sort these numbers: " + i * 7 % 97 + ", " + i * 31 % 89 + ", " + i + "\"}");
        }
        return SparkFixture.write(file, lines.toArray(String[]::new));
    }

    /** All of a row but what it cost. */
    private static String text(Row row) {
        return row.getAs("custom_id") + ": " + row.getAs("generated_text") + row.getAs("error")
                + row.getAs("finish_reason") + row.getAs("seed") + row.getAs("prompt");
    }

    @Test
    void killsLoseNoRowAndDoubleNone() throws Exception {
        long seed = Long.getLong("soak.seed", System.nanoTime());
        Random random = new Random(seed);
        tell("random kills with -Dsoak.seed=%d", seed);
        try (S3Server s3 = new S3Server(directory);
                FileSystem objects = s3.fileSystem();
                StandaloneCluster cluster = new StandaloneCluster(
                        Files.createDirectory(directory.resolve("cluster")), Map.of(), Map.of())) {
            objects.copyFromLocalFile(hadoop(SparkFixture.MODEL.toString()), hadoop(S3Server.uri("models/model.gguf")));
            objects.copyFromLocalFile(
                    hadoop(prompts(directory.resolve("prompts.jsonl"), ROWS).toString()),
                    hadoop(S3Server.uri("in/prompts.jsonl")));

            Instant start = Instant.now();
            Process undisturbed = submit(cluster, s3, "undisturbed");
            assertThat(undisturbed.waitFor()).as(log("undisturbed")).isZero();
            Duration alone = Duration.between(start, Instant.now());
            List<String> expected = answers(objects, "undisturbed");
            long chunks = begun(cluster);
            tell("undisturbed: %d rows in %d chunks, %d s", expected.size(), chunks, alone.toSeconds());

            int killed = 0;
            for (int run = 1; killed < KILLS; run++) {
                start = Instant.now();
                Map<Victim, Integer> kills = withKills(cluster, s3, "disturbed-" + run, random);
                Duration disturbed = Duration.between(start, Instant.now());
                int times = kills.values().stream().mapToInt(Integer::intValue).sum();
                killed += times;
                List<String> answers = answers(objects, "disturbed-" + run);
                tell(
                        "%d kills %s: %d rows, %s; %d s, %d s lost, %.1f s a kill",
                        times,
                        kills,
                        answers.size(),
                        answers.equals(expected)
                                ? "equal to the undisturbed run's"
                                : "NOT those of the undisturbed run",
                        disturbed.toSeconds(),
                        disturbed.minus(alone).toSeconds(),
                        disturbed.minus(alone).toMillis() / 1e3 / times);
                tell("%d chunks begun until now, %d of them needed", begun(cluster), (run + 1) * chunks);
                assertThat(answers).hasSize(ROWS).isEqualTo(expected);
            }
        }
    }

    /** Runs the job to its end, however often it has to be started. */
    private Map<Victim, Integer> withKills(StandaloneCluster cluster, S3Server s3, String name, Random random)
            throws Exception {
        Map<Victim, Integer> kills = new TreeMap<>();
        Process driver = submit(cluster, s3, name);
        Instant next = Instant.now().plusSeconds(random.nextInt(20, 61));
        while (driver.isAlive() || driver.exitValue() != 0) {
            if (!driver.isAlive()) {
                assertThat(driver.exitValue())
                        .as("no one killed this driver: " + log(name))
                        .isEqualTo(128 + 9);
                driver = submit(cluster, s3, name);
            }
            if (Instant.now().isAfter(next)) {
                Victim victim = Victim.values()[random.nextInt(Victim.values().length)];
                if (kill(victim, cluster, driver, random)) {
                    kills.merge(victim, 1, Integer::sum);
                    tell("killed the %s", victim);
                }
                next = Instant.now().plusSeconds(random.nextInt(20, 61));
            }
            TimeUnit.MILLISECONDS.sleep(100);
        }
        return kills;
    }

    private static boolean kill(Victim victim, StandaloneCluster cluster, Process driver, Random random)
            throws Exception {
        return switch (victim) {
            case EXECUTOR -> {
                List<ProcessHandle> executors = cluster.executors();
                yield !executors.isEmpty()
                        && executors.get(random.nextInt(executors.size())).destroyForcibly();
            }
            case WORKER -> {
                cluster.restartWorker(random.nextInt(cluster.workers()));
                yield true;
            }
            case DRIVER -> {
                driver.destroyForcibly().waitFor();
                yield true;
            }
        };
    }

    private Process submit(StandaloneCluster cluster, S3Server s3, String name) throws IOException {
        List<String> arguments = new ArrayList<>(arguments(
                S3Server.uri("models/model.gguf"),
                S3Server.uri("in/prompts.jsonl"),
                S3Server.uri("out/" + name),
                directory.resolve("cache"),
                Integer.getInteger("soak.max-tokens", 96)));
        arguments.addAll(List.of("--chunk-rows", Integer.toString(CHUNK_ROWS)));
        return cluster.submit(
                directory.resolve(name + ".log"),
                Map.of("AWS_ACCESS_KEY_ID", "test", "AWS_SECRET_ACCESS_KEY", "test"),
                S3Server.properties(s3.endpoint()),
                arguments);
    }

    private String log(String name) throws IOException {
        return Files.readString(directory.resolve(name + ".log"));
    }

    private List<String> answers(FileSystem objects, String name) throws IOException {
        Path copy = directory.resolve("copy-" + name);
        objects.copyToLocalFile(hadoop(S3Server.uri("out/" + name)), hadoop(copy.toString()));
        return SparkFixture.rows(copy).stream().map(Soak::text).toList();
    }

    /** How many chunks have been begun, whatever became of them. */
    private static long begun(StandaloneCluster cluster) throws IOException {
        return BEGINS.matcher(cluster.executorLogs()).results().count();
    }

    private static org.apache.hadoop.fs.Path hadoop(String path) {
        return new org.apache.hadoop.fs.Path(path);
    }

    /** The driver, of 1 GiB, is killed after some chunks; it plans what is left and finishes. */
    @Test
    void manyRowsNeedNoLargeDriver() throws Exception {
        long rows = Long.getLong("soak.rows", 10_000_000);
        Path input = directory.resolve("in");
        SparkFixture.spark()
                .range(0, rows, 1, 20)
                .selectExpr("concat('Say ', id) AS prompt")
                .write()
                .parquet(input.toString());
        Path output = directory.resolve("out");
        Path jar = BackendJar.write(directory.resolve("echo.jar"), EchoBackendProvider.CLASSES);
        try (StandaloneCluster cluster =
                new StandaloneCluster(Files.createDirectory(directory.resolve("cluster")), Map.of(), Map.of())) {
            List<String> arguments = new ArrayList<>(arguments(
                    SparkFixture.MODEL.toString(), input.toString(), output.toString(), directory.resolve("c"), 1));
            arguments.addAll(List.of("--backend", EchoBackendProvider.NAME));
            Instant start = Instant.now();
            for (boolean killed = false; ; killed = true) {
                Process driver = cluster.submit(
                        directory.resolve("many.log"), Map.of(), List.of("spark.jars=" + jar), arguments);
                long most = 0;
                while (driver.isAlive()) {
                    most = Math.max(most, residentMiB(driver));
                    long chunks = Files.exists(output) ? chunks(output) : 0;
                    if (!killed && chunks > rows / 1024 / 3) {
                        tell("killed the driver at %d chunks", chunks);
                        driver.destroyForcibly();
                    }
                    TimeUnit.SECONDS.sleep(1);
                }
                tell("the driver, with 1 GiB of heap, held at most %d MiB resident: %s", most, planned(log("many")));
                if (killed) {
                    assertThat(driver.waitFor()).as(log("many")).isZero();
                    break;
                }
            }
            tell("%d rows in %d s", rows, Duration.between(start, Instant.now()).toSeconds());
        }
        Row counts = SparkFixture.spark()
                .read()
                .parquet(output.toString())
                .selectExpr("count(*)", "count(DISTINCT custom_id)", "count(DISTINCT prompt)", "count(generated_text)")
                .head();
        assertThat(counts).isEqualTo(RowFactory.create(rows, rows, rows, rows));
    }

    /** The line that follows the planning. */
    private static String planned(String log) {
        return log.lines()
                .filter(line -> line.contains(" million parameters"))
                .findFirst()
                .orElse("nothing planned");
    }

    private static long residentMiB(Process process) {
        try {
            return Files.readAllLines(Path.of("/proc", Long.toString(process.pid()), "status")).stream()
                    .filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D+", "")) >> 10)
                    .sum();
        } catch (IOException ended) {
            return 0;
        }
    }

    private static long chunks(Path output) throws IOException {
        try (Stream<Path> files = Files.list(output)) {
            return files.filter(file -> file.getFileName().toString().startsWith("part-"))
                    .count();
        }
    }

    @Test
    void twoExecutorsAgainstOne() throws Exception {
        Path input = prompts(directory.resolve("prompts.jsonl"), SCALED_ROWS);
        String model = System.getProperty("soak.model", SparkFixture.MODEL.toString());
        int maxTokens = Integer.getInteger("soak.max-tokens", 96);
        try (StandaloneCluster cluster =
                new StandaloneCluster(Files.createDirectory(directory.resolve("cluster")), Map.of(), Map.of())) {
            Map<Integer, List<Double>> seconds = new TreeMap<>();
            for (int round = 0; round < Integer.getInteger("soak.rounds", 3); round++) {
                for (int executors = 1; executors <= 2; executors++) {
                    String name = executors + "-" + round;
                    Path output = directory.resolve(name);
                    List<String> arguments = new ArrayList<>(
                            arguments(model, input.toString(), output.toString(), directory.resolve("c"), maxTokens));
                    arguments.addAll(List.of("--num-threads", "1"));
                    Process driver = cluster.submit(
                            directory.resolve(name + ".log"),
                            Map.of(),
                            List.of("spark.cores.max=" + executors),
                            arguments);
                    Memory memory = new Memory(model);
                    while (driver.isAlive()) {
                        memory.read(cluster.executors());
                        TimeUnit.MILLISECONDS.sleep(500);
                    }
                    assertThat(driver.exitValue()).as(log(name)).isZero();
                    JsonNode manifest =
                            JSON.readTree(output.resolve("_manifest.json").toFile());
                    assertThat(manifest.at("/executors").size()).isEqualTo(executors);
                    assertThat(manifest.at(SECONDS).isNumber()).isTrue();
                    double run = manifest.at(SECONDS).asDouble();
                    seconds.computeIfAbsent(executors, _ -> new ArrayList<>()).add(run);
                    tell("%d executors: %.1f s; %s", executors, run, memory);
                }
            }
            double one = median(seconds.get(1));
            double two = median(seconds.get(2));
            tell(
                    "%d prompts, medians: one executor %.1f s, two %.1f s: %.2f times as fast",
                    SCALED_ROWS, one, two, one / two);
        }
    }

    /** Four beginnings by turns, on two executors: with room for all of them in the cache, and with room for less. */
    @Test
    void rowsThatBeginAlikeTogetherAgainstTheInputsOrder() throws Exception {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < 1024; i++) {
            String beginning = ("Rule " + (char) ('A' + i % 4) + " of the game says what is done. ").repeat(120);
            lines.add("{\"prompt\": \"" + beginning + "Sort these numbers: " + i * 7 % 97 + ", " + i + "\"}");
        }
        Path input = SparkFixture.write(directory.resolve("prompts.jsonl"), lines.toArray(String[]::new));
        try (StandaloneCluster cluster =
                new StandaloneCluster(Files.createDirectory(directory.resolve("cluster")), Map.of(), Map.of())) {
            for (String memory : List.of("auto", "6m")) {
                List<List<String>> answers = new ArrayList<>();
                for (String order : List.of("input", "prefix")) {
                    String name = order + "-" + memory;
                    Path output = directory.resolve(name);
                    List<String> arguments = new ArrayList<>(arguments(
                            SparkFixture.MODEL.toString(),
                            input.toString(),
                            output.toString(),
                            directory.resolve("c"),
                            16));
                    arguments.addAll(List.of("--order", order, "--kv-cache-memory", memory, "--max-num-seqs", "16"));
                    Process driver = cluster.submit(directory.resolve(name + ".log"), Map.of(), List.of(), arguments);
                    assertThat(driver.waitFor()).as(log(name)).isZero();
                    JsonNode manifest =
                            JSON.readTree(output.resolve("_manifest.json").toFile());
                    tell(
                            "--order %s --kv-cache-memory %s: %.1f %% of the prompts' tokens were in the cache, %.1f s",
                            order,
                            memory,
                            100 * manifest.at("/tokens/cache_hit_rate").asDouble(),
                            manifest.at(SECONDS).asDouble());
                    answers.add(
                            SparkFixture.rows(output).stream().map(Soak::text).toList());
                }
                assertThat(answers.getFirst()).isEqualTo(answers.getLast());
            }
        }
    }

    private static double median(List<Double> values) {
        return values.stream().sorted().toList().get(values.size() / 2);
    }

    /** The most that all executors have held at one time, by the kernel's own account. */
    private static final class Memory {
        private final String model;
        private long resident;
        private long proportional;
        private long mapped;

        Memory(String model) {
            this.model = Path.of(model).getFileName().toString();
        }

        void read(List<ProcessHandle> executors) {
            long rss = 0;
            long pss = 0;
            long ofModel = 0;
            for (ProcessHandle executor : executors) {
                try {
                    boolean inModel = false;
                    for (String line : Files.readAllLines(Path.of("/proc", Long.toString(executor.pid()), "smaps"))) {
                        if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                            inModel = line.endsWith(model);
                        } else if (line.startsWith("Rss:")) {
                            rss += kib(line);
                        } else if (line.startsWith("Pss:")) {
                            pss += kib(line);
                            ofModel += inModel ? kib(line) : 0;
                        }
                    }
                } catch (IOException ended) {
                    // It is seen no more.
                }
            }
            resident = Math.max(resident, rss);
            proportional = Math.max(proportional, pss);
            mapped = Math.max(mapped, ofModel);
        }

        private static long kib(String line) {
            return Long.parseLong(line.replaceAll("\\D+", ""));
        }

        @Override
        public String toString() {
            return String.format(
                    Locale.ROOT,
                    "all executors held at most %d MiB resident, %d MiB with shared pages counted once, %d MiB of them the"
                            + " model's file",
                    resident >> 10,
                    proportional >> 10,
                    mapped >> 10);
        }
    }
}
