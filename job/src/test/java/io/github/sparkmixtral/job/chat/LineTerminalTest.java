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
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import org.jline.terminal.Terminal;
import org.jline.terminal.Terminal.Signal;
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

    private Path history() {
        return directory.resolve("cache").resolve("history");
    }

    private Terminal system() throws IOException {
        return TerminalBuilder.builder()
                .system(false)
                .type("xterm")
                .encoding(StandardCharsets.UTF_8)
                .streams(new PipedInputStream(keys, 1 << 16), screen)
                .build();
    }

    private void press(String text) throws IOException {
        keys.write(text.getBytes(StandardCharsets.UTF_8));
        keys.flush();
    }

    /** Presses the last keys when the first ones are on the screen: until a line is read, a terminal acts on keys by itself. */
    private ChatTerminal.Input read(LineTerminal terminal, String first, String shown, String last) throws Exception {
        screen.reset();
        FutureTask<ChatTerminal.Input> reading = new FutureTask<>(() -> terminal.read(false));
        Thread.ofPlatform().start(reading);
        press(first);
        while (!screen.toString(StandardCharsets.UTF_8).contains(shown)) {
            Thread.onSpinWait();
        }
        press(last);
        return reading.get();
    }

    @Test
    void linesAreEditedAndComeBack() throws Exception {
        try (Terminal system = system();
                LineTerminal terminal = LineTerminal.of(system, history())) {
            assertThat(read(terminal, "say \"hy\\", "hy", LEFT + LEFT + "\u00df!\r"))
                    .isEqualTo(new Line("say \"h\u00df!y\\"));
            assertThat(read(terminal, UP, "say", "\r")).isEqualTo(new Line("say \"h\u00df!y\\"));
            assertThat(read(terminal, "half", "half", CTRL_C)).isEqualTo(new Dropped());
            assertThat(read(terminal, "", "> ", CTRL_D)).isEqualTo(new End());
        }
        assertThat(history()).content().contains("say \"h\u00df!y");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(history())))
                .isEqualTo("rw-------");
    }

    @Test
    void anInterruptDoesWhatItIsToldForAWhile() throws Exception {
        AtomicInteger interrupts = new AtomicInteger();
        try (Terminal system = system();
                LineTerminal terminal = LineTerminal.of(system, history())) {
            try (Interrupts _ = terminal.onInterrupt(interrupts::incrementAndGet)) {
                system.raise(Signal.INT);
            }
            system.raise(Signal.INT);
            assertThat(interrupts).hasValue(1);
            terminal.answer("an answer");
            terminal.endAnswer();
            terminal.note("a note");
        }
        assertThat(screen.toString(StandardCharsets.UTF_8)).contains("an answer", "a note");
    }
}
