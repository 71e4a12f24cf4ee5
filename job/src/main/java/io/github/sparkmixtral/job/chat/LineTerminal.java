package io.github.sparkmixtral.job.chat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.reader.impl.DefaultParser;
import org.jline.terminal.Terminal;
import org.jline.terminal.Terminal.Signal;
import org.jline.terminal.Terminal.SignalHandler;
import org.jline.terminal.TerminalBuilder;
import org.jline.utils.AttributedStringBuilder;
import org.jline.utils.AttributedStyle;

/** A terminal with a person at it: lines are edited, and earlier ones come back. */
final class LineTerminal implements ChatTerminal {
    private static final String PROMPT = "> ";
    private static final String CONTINUED = ". ";

    private final Terminal terminal;
    private final LineReader reader;

    private LineTerminal(Terminal terminal, LineReader reader) {
        this.terminal = terminal;
        this.reader = reader;
    }

    /**
     * This process's terminal.
     *
     * @param history file with earlier lines, which none but the user may read
     */
    static LineTerminal open(Path history) {
        try {
            Terminal terminal = TerminalBuilder.builder().system(true).build();
            return of(terminal, history);
        } catch (IOException e) {
            throw new UncheckedIOException("the terminal cannot be used: " + e.getMessage(), e);
        }
    }

    static LineTerminal of(Terminal terminal, Path history) throws IOException {
        // A line is taken as it was written: no character of it escapes or quotes another.
        DefaultParser parser = new DefaultParser();
        parser.setEscapeChars(null);
        parser.setQuoteChars(new char[0]);
        LineReaderBuilder builder = LineReaderBuilder.builder()
                .terminal(terminal)
                .parser(parser)
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                .option(LineReader.Option.HISTORY_TIMESTAMPED, false);
        if (makePrivate(history)) {
            builder.variable(LineReader.HISTORY_FILE, history);
        }
        return new LineTerminal(terminal, builder.build());
    }

    /** False where there can be no such file: then lines are kept until the end. */
    private static boolean makePrivate(Path history) {
        try {
            Files.createDirectories(history.getParent());
            Files.createFile(
                    history, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            return true;
        } catch (FileAlreadyExistsException e) {
            return true;
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    @Override
    public Input read(boolean continued) {
        try {
            return new Line(reader.readLine(continued ? CONTINUED : PROMPT));
        } catch (UserInterruptException e) {
            return new Dropped();
        } catch (EndOfFileException e) {
            return new End();
        }
    }

    @Override
    public void answer(String text) {
        terminal.writer().print(text);
        terminal.flush();
    }

    @Override
    public void endAnswer() {
        terminal.writer().println();
        terminal.flush();
    }

    @Override
    public void note(String line) {
        terminal.writer()
                .println(new AttributedStringBuilder()
                        .style(AttributedStyle.DEFAULT.faint())
                        .append(line)
                        .toAnsi(terminal));
        terminal.flush();
    }

    @Override
    public boolean isInteractive() {
        return true;
    }

    @Override
    public Interrupts onInterrupt(Runnable action) {
        SignalHandler before = terminal.handle(Signal.INT, _ -> action.run());
        return () -> terminal.handle(Signal.INT, before);
    }

    @Override
    public void close() {
        try {
            terminal.close();
        } catch (IOException e) {
            throw new UncheckedIOException("the terminal cannot be given back: " + e.getMessage(), e);
        }
    }
}
