package io.github.sparkmixtral.job.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.fault.RedactedOutput;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class StatusLineTest {
    private final ByteArrayOutputStream written = new ByteArrayOutputStream();
    private final StatusLine status = new StatusLine(new PrintStream(written, true, StandardCharsets.UTF_8), () -> 20);

    @AfterEach
    void close() {
        status.close();
    }

    private List<String> screen() {
        return Screen.of(written.toString(StandardCharsets.UTF_8));
    }

    @Test
    void whatIsPrintedComesAboveTheStatus() {
        status.show(_ -> "50%");
        status.above().println("a line of the log");
        assertThat(screen()).containsExactly("a line of the log", "50%");
        status.show(_ -> "9%");
        assertThat(screen()).as("nothing of the longer text is left").containsExactly("a line of the log", "9%");
        RedactedOutput.to(status.above()).println("another one");
        assertThat(screen()).containsExactly("a line of the log", "another one", "9%");
        status.show(null);
        assertThat(screen()).containsExactly("a line of the log", "another one", "");
    }

    @Test
    void aLineThatIsNotWholeIsNotBroken() {
        status.show(_ -> "50%");
        status.above().print("half a line");
        status.show(_ -> "51%");
        status.above().println(", and its end");
        assertThat(screen()).containsExactly("half a line, and its end", "51%");
    }

    @Test
    void theStatusNeverReachesTheLastColumn() {
        status.show(columns -> {
            assertThat(columns).isEqualTo(19);
            return "0123456789012345678901234567890";
        });
        assertThat(screen()).containsExactly("0123456789012345678");
    }

    @Test
    void withoutAStatusNothingIsAdded() {
        status.above().println("a line of the log");
        assertThat(written.toString(StandardCharsets.UTF_8)).isEqualTo("a line of the log" + System.lineSeparator());
    }

    @Test
    void itIsForTerminalsThatPeopleLookAt() {
        assertThat(StatusLine.suits(Map.of("TERM", "xterm"))).isTrue();
        assertThat(StatusLine.suits(Map.of("TERM", "xterm", "NO_COLOR", "1")))
                .as("there is no colour in it")
                .isTrue();
        assertThat(StatusLine.suits(Map.of("TERM", "xterm", "CI", "false"))).isTrue();
        assertThat(StatusLine.suits(Map.of("TERM", "xterm", "CI", "true"))).isFalse();
        assertThat(StatusLine.suits(Map.of("TERM", "dumb"))).isFalse();
        assertThat(StatusLine.suits(Map.of())).isFalse();
    }

    @Test
    void theWidthIsColumnsOrElseTheTerminals() {
        assertThat(Terminal.STANDARD_ERROR.columns(Map.of("COLUMNS", "123"), 80))
                .isEqualTo(123);
        assertThat(Terminal.STANDARD_ERROR.columns(Map.of("COLUMNS", "wide"), 80))
                .isPositive();
    }
}
