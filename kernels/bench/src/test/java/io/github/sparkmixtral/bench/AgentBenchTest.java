package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class AgentBenchTest {
    private static final String SMALL =
            "--shape TINY --layers 1 --backend cpu --rows 6 --sequences 4 --tool-seconds 0.01"
                    + " --max-turns 3 --rounds 1 --threads 1";

    @Test
    void bothWaysGiveTheSameAnswers() {
        PrintStream before = System.out;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        try {
            assertThat(AgentBench.commandLine().execute(SMALL.split(" "))).isZero();
        } finally {
            System.setOut(before);
        }
        assertThat(out.toString(StandardCharsets.UTF_8))
                .contains("6 rows, ", "| one continuous batch | ", "| turn by turn | ")
                .containsPattern("One batch: \\d+\\.\\d\\d times as fast");
    }

    @Test
    void refusesNumbersThatMeasureNothing() {
        StringWriter err = new StringWriter();
        CommandLine line = AgentBench.commandLine().setErr(new PrintWriter(err, true));
        assertThat(line.execute("--shape", "TINY", "--rows", "0")).isEqualTo(1);
        assertThat(err.toString()).contains("AgentBench: every number must be at least 1");
    }
}
