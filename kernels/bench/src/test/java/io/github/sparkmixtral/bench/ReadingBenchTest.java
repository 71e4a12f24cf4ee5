package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class ReadingBenchTest {
    private static final String SMALL =
            "--shape TINY --layers 1 --backend cpu --texts 2 --tokens 20 --prompts 2 --choices 3"
                    + " --choice-tokens 2 --rounds 1 --threads 1";

    @Test
    void measuresEveryFigure() {
        PrintStream before = System.out;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        try {
            assertThat(ReadingBench.commandLine().execute(SMALL.split(" "))).isZero();
        } finally {
            System.setOut(before);
        }
        assertThat(out.toString(StandardCharsets.UTF_8))
                .contains("| embeddings of 20 tokens | ", "| prompts of 20 tokens with 3 choices of 2, together | ")
                .containsPattern("Together: \\d+\\.\\d\\d times as fast");
    }

    @Test
    void refusesNumbersThatMeasureNothing() {
        StringWriter err = new StringWriter();
        CommandLine line = ReadingBench.commandLine().setErr(new PrintWriter(err, true));
        assertThat(line.execute("--shape", "TINY", "--choices", "0")).isEqualTo(1);
        assertThat(err.toString()).contains("ReadingBench: every number must be at least 1");
    }
}
