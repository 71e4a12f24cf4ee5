package io.github.sparkmixtral;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Runs the example of the API as its reader does: one source file, the jar, and Spark's class path. */
class ApiExampleIT {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

    @Test
    void answersTwoTablesAndLeavesTheSessionAlone() throws Exception {
        String flags = Files.readAllLines(ROOT.resolve("conf/spark-defaults.conf")).stream()
                .filter(line -> line.startsWith("spark.driver.extraJavaOptions"))
                .map(line -> line.split("\\s+", 2)[1])
                .findFirst()
                .orElseThrow();
        String spark =
                Files.readString(ROOT.resolve("job/target/spark.classpath")).strip();
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(List.of(flags.strip().split("\\s+")));
        command.addAll(List.of("-cp", "job/target/spark-mixtral.jar:" + spark, "conf/examples/TwoTables.java"));
        Path log = Files.createTempFile("two-tables", ".log");
        Process process = new ProcessBuilder(command)
                .directory(ROOT.toFile())
                .redirectError(log.toFile())
                .start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(Files.readString(log)).isZero();
        assertThat(out).contains("|generated_text", "|text", "session settings unchanged");
        Files.delete(log);
    }
}
