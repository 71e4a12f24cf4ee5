package io.github.sparkmixtral.job.cli;

import static io.github.sparkmixtral.job.SparkFixture.MODEL;
import static io.github.sparkmixtral.job.SparkFixture.run;
import static io.github.sparkmixtral.job.SparkFixture.write;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.SparkFixture.Outcome;
import io.github.sparkmixtral.job.fault.ExitCode;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Jobs in a process of their own: on a terminal, and stopped by signals. */
class TerminalJobTest {
    private static final int ROWS = 24;
    private static final Pattern STOPPED = Pattern.compile(
            "spark-mixtral: stopped by (Ctrl-C|SIGTERM): (\\d+) of 24 rows are answered and in (.*); the same command goes on");

    @TempDir
    private Path directory;

    private Path output;
    private Path err;
    private List<String> job;
    private Process process;

    @BeforeEach
    void describeJob() throws IOException {
        assumeThat(System.getProperty("os.name")).isEqualTo("Linux");
        output = directory.resolve("out");
        err = directory.resolve("err.txt");
        Path input = write(
                directory.resolve("p.jsonl"),
                IntStream.range(0, ROWS)
                        .mapToObj(i -> "{\"prompt\": \"copy " + i + "\"}")
                        .toArray(String[]::new));
        // A row or two in a second.
        job = new ArrayList<>(List.of("--model", MODEL.toString(), "--input", input.toString(), "--output"));
        job.addAll(List.of(output.toString(), "--max-num-seqs", "1", "--chunk-rows", "4"));
        job.addAll(List.of("--max-tokens", "60", "--ignore-eos", "--temperature", "0", "--num-threads", "1"));
    }

    @AfterEach
    void end() {
        if (process != null) {
            process.destroyForcibly();
        }
    }

    /** The command as the arguments' file of a JVM, with this JVM's flags. */
    private String java() throws IOException {
        List<String> words = new ArrayList<>(ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(flag -> flag.startsWith("--"))
                .toList());
        words.addAll(List.of("-XX:-UsePerfData", "-Dspark.master=local[2]", "-Dspark.ui.enabled=false"));
        words.addAll(List.of("-Dspark.driver.bindAddress=127.0.0.1", "-Dspark.driver.host=127.0.0.1"));
        words.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        words.addAll(job);
        Path arguments = Files.write(
                directory.resolve("java.args"),
                words.stream()
                        .map(word -> "\"" + word.replace("\\", "\\\\").replace("\"", "\\\"") + "\"")
                        .toList());
        return Path.of(System.getProperty("java.home"), "bin", "java") + " @" + arguments;
    }

    /** Signals may be ignored where tests run in the background. */
    private void start() throws IOException {
        process = new ProcessBuilder(("env --default-signal=INT,TERM " + java()).split(" "))
                .redirectError(err.toFile())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    private void signal(String name) throws Exception {
        assertThat(new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                        .start()
                        .waitFor())
                .isZero();
    }

    private long chunks() throws IOException {
        if (!Files.exists(output)) {
            return 0;
        }
        try (Stream<Path> files = Files.list(output)) {
            return files.filter(file -> file.getFileName().toString().startsWith("part-"))
                    .count();
        }
    }

    private void awaitChunks(int count) throws Exception {
        while (chunks() < count) {
            assertThat(process.isAlive()).as(Files.readString(err)).isTrue();
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    @ParameterizedTest
    @CsvSource({"INT, 130, Ctrl-C", "TERM, 143, SIGTERM"})
    void aSignalEndsTheJobSoThatTheSameCommandGoesOn(String signal, int exitCode, String name) throws Exception {
        start();
        awaitChunks(2);
        signal(signal);

        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        List<String> lines = Files.readAllLines(err);
        String all = String.join("\n", lines);
        assertThat(process.exitValue()).as(all).isEqualTo(exitCode);
        Matcher last = STOPPED.matcher(lines.getLast());
        assertThat(last.matches()).as(all).isTrue();
        assertThat(last.group(1)).isEqualTo(name);
        assertThat(last.group(3)).isEqualTo(output.toString());
        assertThat(all).doesNotContain("Exception", "\tat ", "\u001b");
        long answered = SparkFixture.spark().read().parquet(output.toString()).count();
        assertThat(answered).isBetween(8L, ROWS - 1L).isEqualTo(Long.parseLong(last.group(2)));
        assertThat(output.resolve("_SUCCESS")).doesNotExist();

        Outcome second = run(job.toArray());

        assertThat(second.exitCode()).as(second.lastLine()).isEqualTo(ExitCode.DONE);
        assertThat(SparkFixture.spark().read().parquet(output.toString()).count())
                .isEqualTo(ROWS);
    }

    @Test
    void theSecondSignalEndsTheProcessAtOnce() throws Exception {
        start();
        awaitChunks(1);
        signal("INT");
        signal("INT");

        assertThat(process.waitFor(5, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(130);
    }

    @Test
    void onATerminalABarIsDrawnUnderTheLog() throws Exception {
        assumeThat(Path.of("/usr/bin/script")).as("util-linux's script").exists();
        Path typescript = directory.resolve("typescript");
        ProcessBuilder builder = new ProcessBuilder("script", "-qefc", java(), typescript.toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD);
        builder.environment().put("TERM", "xterm");
        builder.environment().put("COLUMNS", "100");
        builder.environment().remove("CI");
        process = builder.start();

        assertThat(process.waitFor(300, TimeUnit.SECONDS)).isTrue();
        String written = Files.readString(typescript);
        assertThat(process.exitValue()).as(written).isZero();
        List<String> drawn = Stream.of(written.split("\r(\u001b\\[K)?", -1))
                .map(String::strip)
                .toList();
        assertThat(drawn)
                .anyMatch(line -> line.startsWith("starting Spark"))
                .anyMatch(line -> line.matches("0 of 24 rows: loading the model, \\d+ s"))
                .anyMatch(
                        line -> line.matches(
                                "\\d+ of 24 rows \\(\\d+%\\) \\[=+> +] about \\d+ s left, [\\d.]+ tokens/s, \\d+% of prompts cached"))
                .noneMatch(line -> line.contains("of 24 rows (") && line.length() > 99);
        // Nothing of it is left, and no line of the log is mixed up with it.
        assertThat(Screen.of(written)).noneMatch(line -> line.contains("[=") || line.contains("of 24 rows ("));
        assertThat(Screen.of(written))
                .anyMatch(line -> line.matches("\\d\\d:\\d\\d:\\d\\d The answers are in .*"))
                .anyMatch(line -> line.matches("  rows      24: 24 answered, none with an error"));
    }
}
