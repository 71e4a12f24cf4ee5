package io.github.sparkmixtral.job.chat;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.chat.ChatTerminal.Dropped;
import io.github.sparkmixtral.job.chat.ChatTerminal.End;
import io.github.sparkmixtral.job.chat.ChatTerminal.Interrupts;
import io.github.sparkmixtral.job.chat.ChatTerminal.Line;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Keys that a terminal sends. */
@Timeout(20)
class LineTerminalTest {
    private static final String CTRL_C = "\u0003";
    private static final String CTRL_D = "\u0004";
    private static final String UP = "\u001b[A";
    private static final String LEFT = "\u001b[D";

    @TempDir
    private Path directory;

    private final PipedOutputStream keys = new PipedOutputStream();
    private final ByteArrayOutputStream screen = new ByteArrayOutputStream();

    private LineTerminal terminal() throws IOException {
        Terminal terminal = TerminalBuilder.builder()
                .system(false)
                .type("xterm")
                .encoding(StandardCharsets.UTF_8)
                .streams(new PipedInputStream(keys, 1 << 16), screen)
                .build();
        return LineTerminal.of(terminal, directory.resolve("cache").resolve("history"));
    }

    private void press(String text) throws IOException {
        keys.write(text.getBytes(StandardCharsets.UTF_8));
        keys.flush();
    }

    @Test
    void linesAreEditedAndComeBack() throws Exception {
        try (LineTerminal terminal = terminal()) {
            press("say \"hy\\" + LEFT + LEFT + "ß!\r" + UP + "\r" + "half" + CTRL_C + CTRL_D);

            assertThat(terminal.read(false)).isEqualTo(new Line("say \"hß!y\\"));
            assertThat(terminal.read(false)).isEqualTo(new Line("say \"hß!y\\"));
            assertThat(terminal.read(false)).isEqualTo(new Dropped());
            assertThat(terminal.read(false)).isEqualTo(new End());
        }
        assertThat(directory.resolve("cache/history")).content().contains("say \"hß!y");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve("cache/history"))))
                .isEqualTo("rw-------");
    }

    @Test
    void anInterruptDoesWhatItIsToldAndNothingElse() throws Exception {
        CountDownLatch interrupted = new CountDownLatch(1);
        try (LineTerminal terminal = terminal()) {
            try (Interrupts _ = terminal.onInterrupt(interrupted::countDown)) {
                press(CTRL_C);
                assertThat(interrupted.await(10, TimeUnit.SECONDS)).isTrue();
            }
            terminal.answer("an answer");
            terminal.endAnswer();
            terminal.note("a note");
        }
        assertThat(screen.toString(StandardCharsets.UTF_8)).contains("an answer", "a note");
    }
}
