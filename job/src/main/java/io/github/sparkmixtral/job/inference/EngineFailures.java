package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.job.fault.RootCause;
import io.github.sparkmixtral.job.options.EngineIdentity;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.spark.SparkEnv;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What follows when engines fail in a row, whether they do not load or die before they have answered a row. In an executor: a pause
 * before each new load, and after {@link #MOST} failures the executor's end. Its exit gives the slot back to the cluster, and a new
 * process gets a clean start. The driver's JVM, which is local mode's, neither waits nor ends: the first failure is reported.
 */
final class EngineFailures {
    /** Failures in a row after which an executor ends. */
    static final int MOST = 3;

    /** The exit code of an executor that has given up. Spark's own are 50 to 56 and above 128. */
    static final int EXIT_CODE = 70;

    private static final Duration FIRST_PAUSE = Duration.ofSeconds(2);

    /** Until then the failed task has told the driver why. */
    private static final Duration LAST_WORDS = Duration.ofSeconds(3);

    private static final Logger LOG = LoggerFactory.getLogger(EngineFailures.class);
    private static final Map<EngineIdentity, Integer> IN_A_ROW = new HashMap<>();
    private static boolean ending;

    private EngineFailures() {}

    /**
     * Counts a failure.
     *
     * @param alone whether no other engine of this JVM is in use, which its exit would take along
     */
    static synchronized void count(EngineIdentity identity, RuntimeException failure, boolean alone) {
        int failures = IN_A_ROW.merge(identity, 1, Integer::sum);
        LOG.warn("The engine has failed, {} times in a row now: {}", failures, RootCause.sentence(failure));
        if (failures >= MOST && alone && isExecutor() && !ending) {
            ending = true;
            LOG.error("This executor gives up, so that Spark goes elsewhere: {}", failure.getMessage());
            Thread exit = new Thread(
                    () -> {
                        sleep(LAST_WORDS);
                        System.exit(EXIT_CODE);
                    },
                    "give-up");
            exit.setDaemon(true);
            exit.start();
        }
    }

    private static void sleep(Duration time) {
        try {
            Thread.sleep(time);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    static synchronized void forget(EngineIdentity identity) {
        IN_A_ROW.remove(identity);
    }

    /** How long a load has to wait for the failures before it. */
    static synchronized Duration pause(EngineIdentity identity) {
        int failures = IN_A_ROW.getOrDefault(identity, 0);
        return failures == 0 || !isExecutor()
                ? Duration.ZERO
                : FIRST_PAUSE.multipliedBy(1L << 2 * (Math.min(failures, MOST) - 1));
    }

    static synchronized boolean mayReload(EngineIdentity identity) {
        return isExecutor() && IN_A_ROW.getOrDefault(identity, 0) < MOST;
    }

    /** Holds tasks that come while this executor ends: they are started elsewhere, where failing here would be counted. */
    static void awaitExit() throws InterruptedException {
        if (isEnding()) {
            new CountDownLatch(1).await();
        }
    }

    private static synchronized boolean isEnding() {
        return ending;
    }

    private static boolean isExecutor() {
        SparkEnv environment = SparkEnv.get();
        return environment != null && !environment.executorId().equals("driver");
    }
}
