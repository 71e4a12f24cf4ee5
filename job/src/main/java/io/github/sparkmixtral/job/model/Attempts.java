package io.github.sparkmixtral.job.model;

import io.github.sparkmixtral.job.fault.Redaction;
import io.github.sparkmixtral.job.fault.RootCause;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;

/**
 * Takes transfers up again that break off. Only those in a row that brought nothing count, so that a long transfer outlives any
 * number of broken connections; between them it waits ever longer.
 *
 * @param progress gets a line for each that breaks off
 */
record Attempts(Pause pause, Consumer<String> progress) {
    /** In a row, without a byte more. */
    static final int MOST = 4;

    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);

    /** Waits. */
    @FunctionalInterface
    public interface Pause {
        void await(Duration time) throws InterruptedException;
    }

    /** Goes on where it stopped the last time. */
    @FunctionalInterface
    interface Transfer {
        void run() throws IOException;
    }

    /** Tells how far a transfer has come. */
    @FunctionalInterface
    interface Position {
        long bytes() throws IOException;
    }

    /**
     * Runs the transfer to its end.
     *
     * @param name for the log
     * @throws IOException that of the last attempt; at once where there is no such file, or the thread is interrupted
     */
    void run(String name, Position position, Transfer transfer) throws IOException {
        int failed = 0;
        while (true) {
            long before = position.bytes();
            try {
                transfer.run();
                return;
            } catch (FileNotFoundException e) {
                throw e;
            } catch (IOException e) {
                failed = failedAgain(name, position.bytes() > before, failed, e);
            } catch (IllegalStateException e) {
                // What Hadoop's analytics stream of S3 throws if a connection breaks.
                failed = failedAgain(name, position.bytes() > before, failed, new IOException(e.getMessage(), e));
            }
        }
    }

    /** @return how often it has failed without progress now */
    private int failedAgain(String name, boolean progressed, int before, IOException cause) throws IOException {
        int failed = progressed ? 0 : before + 1;
        if (failed == MOST || Thread.currentThread().isInterrupted()) {
            throw cause;
        }
        await(name, failed, cause);
        return failed;
    }

    private void await(String name, int failed, IOException cause) throws IOException {
        Duration time = pauseAfter(failed);
        if (cause instanceof BusyException busy && busy.asked().compareTo(time) > 0) {
            time = busy.asked();
        }
        progress.accept(String.format(
                Locale.ROOT,
                "fetching %s broke off (%s): going on in %.1f s",
                name,
                Redaction.redact(RootCause.sentence(cause)),
                time.toMillis() / 1e3));
        try {
            pause.await(time);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw cause;
        }
    }

    /** Up to a quarter less or more, so that the hosts that one fault has stopped do not all come back at once. */
    private static Duration pauseAfter(int failed) {
        double jitter = ThreadLocalRandom.current().nextDouble(0.75, 1.25);
        return Duration.ofMillis((long) ((FIRST_PAUSE.toMillis() << Math.max(0, failed - 1)) * jitter));
    }
}
