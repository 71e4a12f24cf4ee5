package io.github.sparkmixtral.job.cli;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import java.util.function.IntSupplier;

/**
 * The last line of a terminal, which says what goes on: it is drawn anew every second, and all that is printed through {@link #above}
 * comes to stand above it.
 */
final class StatusLine implements AutoCloseable {
    private static final Duration PERIOD = Duration.ofSeconds(1);

    /** To the line's beginning, and nothing to the right of it. */
    private static final String CLEAR = "\r\u001b[K";

    private static Optional<StatusLine> ofProcess = Optional.empty();

    private final PrintStream terminal;
    private final IntSupplier columns;
    private final PrintStream above;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(
            task -> Thread.ofPlatform().daemon().name("status-line").unstarted(task));

    /** Null if there is nothing to say. */
    private IntFunction<String> content;

    private boolean drawn;

    /** Whether what was printed above ends with a whole line, so that the status may follow. */
    private boolean lineIsWhole = true;

    /** @param columns of the terminal, which may change */
    StatusLine(PrintStream terminal, IntSupplier columns) {
        this.terminal = terminal;
        this.columns = columns;
        this.above = new PrintStream(new Above(terminal), true, terminal.charset());
        clock.scheduleAtFixedRate(this::redraw, PERIOD.toMillis(), PERIOD.toMillis(), TimeUnit.MILLISECONDS);
    }

    /**
     * Gives the process one, if its standard error is a terminal that a person looks at.
     *
     * @return where everything else that goes to standard error is to be printed
     */
    static synchronized PrintStream install(Map<String, String> environment, PrintStream err) {
        if (!suits(environment) || !Terminal.STANDARD_ERROR.isTerminal()) {
            return err;
        }
        StatusLine line = new StatusLine(err, () -> Terminal.STANDARD_ERROR.columns(environment, 80));
        ofProcess = Optional.of(line);
        return line.above;
    }

    /** Whether lines may be drawn over: not on a terminal that cannot, and not in the log of a build. */
    static boolean suits(Map<String, String> environment) {
        String terminal = environment.getOrDefault("TERM", "");
        String build = environment.getOrDefault("CI", "");
        return !terminal.isEmpty()
                && !terminal.equals("dumb")
                && (build.isEmpty() || build.equals("0") || build.equalsIgnoreCase("false"));
    }

    /** That of the process, if it has one. */
    static synchronized Optional<StatusLine> ofProcess() {
        return ofProcess;
    }

    /** Takes the process's away, as a log that goes elsewhere than through it wants. */
    static synchronized void remove() {
        ofProcess.ifPresent(StatusLine::close);
        ofProcess = Optional.empty();
    }

    /** Says on the process's status line what goes on from now on, and for how long. */
    static void tell(String what) {
        long start = System.nanoTime();
        ofProcess()
                .ifPresent(line -> line.show(columns -> {
                    long seconds = (System.nanoTime() - start) / 1_000_000_000;
                    return seconds < 2 ? what : String.format(Locale.ROOT, "%s, %,d s", what, seconds);
                }));
    }

    /** Leaves the process's status line empty. */
    static void tellNothing() {
        ofProcess().ifPresent(line -> line.show(null));
    }

    /** Where to print. */
    PrintStream above() {
        return above;
    }

    /** @param newContent by the most columns that it may take; null for nothing */
    synchronized void show(IntFunction<String> newContent) {
        content = newContent;
        redraw();
    }

    private synchronized void redraw() {
        if (content == null) {
            clear();
        } else if (lineIsWhole) {
            // A line that reaches the last column may wrap.
            int most = Math.max(1, columns.getAsInt() - 1);
            String text = content.apply(most);
            terminal.print(CLEAR + text.substring(0, Math.min(text.length(), most)));
            terminal.flush();
            drawn = true;
        }
    }

    private synchronized void clear() {
        if (drawn) {
            terminal.print(CLEAR);
            terminal.flush();
            drawn = false;
        }
    }

    @Override
    public void close() {
        clock.shutdownNow();
        show(null);
    }

    /** Makes room before something is printed, and draws the status again behind it. */
    private final class Above extends FilterOutputStream {
        private Above(PrintStream out) {
            super(out);
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            if (length == 0) {
                return;
            }
            synchronized (StatusLine.this) {
                clear();
                out.write(bytes, offset, length);
                out.flush();
                lineIsWhole = bytes[offset + length - 1] == '\n';
                redraw();
            }
        }
    }
}
