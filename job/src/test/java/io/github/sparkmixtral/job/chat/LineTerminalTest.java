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
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicInteger;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.Terminal.Signal;
import org.jline.terminal.TerminalBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Keys that a terminal sends. */
@Timeout(20)
class LineTerminalTest {
    private static final String CTRL_D = "\u0004";
    private static final String UP = "\u0010";
    private static final String LEFT = "\u0002";

    @TempDir
    private Path directory;

    private final PipedOutputStream keys = new PipedOutputStream();
    private final Screen screen = new Screen();

    private static final class Screen extends ByteArrayOutputStream {
        @Override
        public synchronized void write(int value) {
            super.write(value);
            notifyAll();
        }

        @Override
        public synchronized void write(byte[] bytes, int offset, int length) {
            super.write(bytes, offset, length);
            notifyAll();
        }

        synchronized void await(String text) throws InterruptedException {
            while (!toString(StandardCharsets.UTF_8).contains(text)) {
                wait();
            }
        }
    }

    private Path history() {
        return directory.resolve("cache").resolve("history");
    }

    private Terminal system() throws IOException {
        return TerminalBuilder.builder()
                .system(false)
                .type("xterm")
                .size(new Size(80, 24))
                .encoding(StandardCharsets.UTF_8)
                .streams(new PipedInputStream(keys, 1 << 16), screen)
                .build();
    }

    /** What is read when this is done after the prompt has appeared: before, keys are not the reader's. */
    private ChatTerminal.Input read(LineTerminal terminal, Callable<?> typing) throws Exception {
        screen.reset();
        FutureTask<ChatTerminal.Input> reading = new FutureTask<>(() -> terminal.read(false));
        Thread.ofPlatform().daemon().start(reading);
        screen.await("> ");
        typing.call();
        return reading.get();
    }

    private Void press(String text) throws IOException {
        keys.write(text.getBytes(StandardCharsets.UTF_8));
        keys.flush();
        return null;
    }

    @Test
    void linesAreEditedAndComeBack() throws Exception {
        try (Terminal system = system();
                LineTerminal terminal = LineTerminal.of(system, history())) {
            assertThat(read(terminal, () -> press("say \"hy\\" + LEFT + LEFT + "\u00df!\r")))
                    .isEqualTo(new Line("say \"h\u00df!y\\"));
            assertThat(read(terminal, () -> press(UP + "\r"))).isEqualTo(new Line("say \"h\u00df!y\\"));
            assertThat(read(terminal, () -> {
                        press("half");
                        screen.await("half");
                        system.raise(Signal.INT);
                        return null;
                    }))
                    .isEqualTo(new Dropped());
            assertThat(read(terminal, () -> press(CTRL_D))).isEqualTo(new End());
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
        }
    }

    @Test
    void whatIsShownIsThereAtOnce() throws Exception {
        try (Terminal system = system();
                LineTerminal terminal = LineTerminal.of(system, history())) {
            terminal.answer("an ans");
            screen.await("an ans");
            terminal.answer("wer");
            terminal.endAnswer();
            terminal.note("a note");
            screen.await("answer");
            screen.await("a note");
        }
    }
}
