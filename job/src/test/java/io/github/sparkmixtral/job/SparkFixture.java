package io.github.sparkmixtral.job;

import io.github.sparkmixtral.job.cli.Main;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.model.FlakyFileSystem;
import io.github.sparkmixtral.metrics.MixtralMetrics;
import io.github.sparkmixtral.sql.MixtralExtensions;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** One Spark for all tests, and the small model of the demo. */
public final class SparkFixture {
    public static final Path MODEL =
            Path.of("..", "conf", "demo", "model.gguf").toAbsolutePath().normalize();

    private static final SparkSession SPARK = SparkSession.builder()
            .master("local[2]")
            .appName("tests")
            .config("spark.ui.enabled", false)
            .config("spark.log.level", "OFF")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", 2)
            .config(
                    "spark.sql.warehouse.dir",
                    Path.of("target", "warehouse").toUri().toString())
            .config("spark.sql.extensions", MixtralExtensions.class.getName())
            .config("spark.hadoop.fs.flaky.impl", FlakyFileSystem.class.getName())
            .config("spark.plugins", MixtralMetrics.class.getName())
            .config("spark.metrics.conf.*.sink.jmx.class", "org.apache.spark.metrics.sink.JmxSink")
            .getOrCreate();

    private SparkFixture() {}

    public static SparkSession spark() {
        return SPARK;
    }

    /** How a job ended, and the last line that it printed. */
    public record Outcome(ExitCode exitCode, String lastLine, String out) {}

    public static Outcome run(Object... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        String[] texts = Stream.of(arguments).map(Object::toString).toArray(String[]::new);
        ExitCode code = Main.execute(
                texts,
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        List<String> lines = err.toString(StandardCharsets.UTF_8).lines().toList();
        return new Outcome(code, lines.isEmpty() ? "" : lines.getLast(), out.toString(StandardCharsets.UTF_8));
    }

    /** Runs a job on the demo's model, greedily and briefly. */
    public static Outcome generate(Path input, Path output, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of(
                "--model", MODEL, "--input", input, "--output", output, "--temperature", "0", "--max-tokens", "4"));
        arguments.addAll(List.of(more));
        return run(arguments.toArray());
    }

    public static List<Row> rows(Path output) {
        return SPARK.read().parquet(output.toString()).orderBy("custom_id").collectAsList();
    }

    public static Path write(Path file, String... lines) throws IOException {
        return Files.writeString(file, String.join("\n", lines) + "\n");
    }
}
