package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.SparkFixture;
import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.RedactedOutput;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** The ways on which text leaves the driver. */
class SecretsTest {
    private static final String URI = "gopher://KEY:SE/CR@ET@bucket/in.jsonl";

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream err = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    @TempDir
    private Path directory;

    private String told() {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Test
    void neitherTheLastLineNorAStackTraceTellsThem() {
        SparkFixture.spark();
        String[] arguments = {
            "--model",
            SparkFixture.MODEL.toString(),
            "--input",
            URI,
            "--output",
            directory.resolve("out").toString(),
            "--verbose"
        };

        ExitCode code = Main.execute(arguments, System.out, err);

        assertThat(code).isEqualTo(ExitCode.INPUT_INVALID);
        assertThat(told()).contains("JobException: ", "\tat ").doesNotContain("SE/CR", "ET@");
        assertThat(told().lines().toList().getLast())
                .startsWith("spark-mixtral: the input gopher://***@bucket/in.jsonl cannot be read: ");
    }

    @Test
    void logDoesNotTellThem() {
        PrintStream before = System.err;
        System.setErr(RedactedOutput.to(err));
        try {
            ConsoleLog.configure(false);
            LoggerFactory.getLogger(SecretsTest.class).info("The answers are in {}", URI);
        } finally {
            System.setErr(before);
        }
        assertThat(told()).endsWith(" The answers are in gopher://***@bucket/in.jsonl\n");
    }
}
