package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.ExitCode;
import io.github.sparkmixtral.job.fault.JobException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;
import scala.Option;
import sun.misc.Signal;

/**
 * SIGINT and SIGTERM end the process's run. At the first one Spark's jobs are cancelled, so that the run ends as if it had failed, and
 * tells what it leaves; the second one ends the process at once.
 */
final class StopSignals {
    private static final Map<String, ExitCode> CODES = Map.of("INT", ExitCode.INTERRUPTED, "TERM", ExitCode.TERMINATED);

    /** A cancelled run may have begun its next job in the same moment. */
    private static final long AGAIN_MILLIS = 500;

    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private static volatile ExitCode received;
    private static volatile boolean ending;

    private StopSignals() {}

    /** @param run the thread that the run is in */
    static void handle(Thread run) {
        if ("cluster".equals(System.getProperty("spark.submit.deployMode"))) {
            // There the driver is the cluster manager's, which handles them itself.
            return;
        }
        CODES.keySet().forEach(name -> Signal.handle(new Signal(name), signal -> receive(CODES.get(name), run)));
    }

    private static synchronized void receive(ExitCode code, Thread run) {
        if (received != null) {
            StatusLine.tellNothing();
            Runtime.getRuntime().halt(code.value());
        }
        received = code;
        StatusLine.tell(
                "stopping; " + (code == ExitCode.INTERRUPTED ? "Ctrl-C again" : "another signal") + " ends it at once");
        Thread.ofPlatform().daemon().name("stop").start(() -> stop(run));
    }

    private static void stop(Thread run) {
        while (!ending) {
            cancel(run);
            try {
                Thread.sleep(AGAIN_MILLIS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private static void cancel(Thread run) {
        try {
            Optional<SparkContext> context = context();
            boolean busy = context.isPresent() && context.get().statusTracker().getActiveJobIds().length > 0;
            context.ifPresent(SparkContext::cancelAllJobs);
            if (!busy) {
                // It waits for something else: a store, the Hub, Spark's start.
                run.interrupt();
            }
        } catch (IllegalStateException e) {
            // Spark has been stopped in this moment, which ends the run.
        }
    }

    private static Optional<SparkContext> context() {
        Option<SparkSession> session = SparkSession.getDefaultSession();
        return session.isEmpty()
                ? Optional.empty()
                : Optional.of(session.get().sparkContext()).filter(context -> !context.isStopped());
    }

    /** Waits for tasks that are cancelled: one may have answered its last row, and write its chunk. */
    private static void awaitTasks(SparkContext context) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        try {
            while (System.nanoTime() < end
                    && Arrays.stream(context.statusTracker().getExecutorInfos())
                            .anyMatch(executor -> executor.numRunningTasks() > 0)) {
                Thread.sleep(20);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Why a run has ended that has thrown this, if a signal has ended it. */
    static Optional<JobException> reason(Throwable thrown) {
        return thrown instanceof JobException told && told.exitCode() == received
                ? Optional.of(told)
                : reason(() -> "the same command goes on");
    }

    /**
     * Why the run has been broken off, if a signal has done it. From then on nothing is cancelled any more.
     *
     * @param left what the run leaves and how to go on
     */
    static Optional<JobException> reason(Supplier<String> left) {
        ending = received != null;
        return Optional.ofNullable(received).map(code -> {
            boolean _ = Thread.interrupted();
            context().ifPresent(StopSignals::awaitTasks);
            return new JobException(
                    code, "stopped by " + (code == ExitCode.INTERRUPTED ? "Ctrl-C" : "SIGTERM") + ": " + left.get());
        });
    }
}
