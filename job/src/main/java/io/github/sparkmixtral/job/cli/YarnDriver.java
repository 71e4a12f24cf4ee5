package io.github.sparkmixtral.job.cli;

import io.github.sparkmixtral.job.fault.JobException;
import io.github.sparkmixtral.job.fault.Redaction;
import java.util.Optional;

/**
 * The driver's end in YARN's cluster mode. Spark's application master runs it, and takes an exit of the JVM for a failure whatever
 * the code says: a job that is done returns, and one that has failed throws what YARN shall tell.
 */
final class YarnDriver {
    private YarnDriver() {}

    /** Whether this JVM is an application master with a driver. */
    static boolean isHere() {
        return System.getProperty("spark.yarn.app.id") != null
                && "cluster".equals(System.getProperty("spark.submit.deployMode"));
    }

    static void end(Optional<JobException> failure) {
        if (failure.isPresent()) {
            throw new FailedApplication(failure.get());
        }
    }

    /** The sentence and the exit code, without the stack trace that Spark would print. */
    private static final class FailedApplication extends RuntimeException {
        private static final long serialVersionUID = 1L;

        FailedApplication(JobException failure) {
            super(
                    "spark-mixtral: " + Redaction.redact(failure.getMessage()) + " (exit code "
                            + failure.exitCode().value() + ")",
                    null,
                    false,
                    false);
        }

        @Override
        public String toString() {
            return getMessage();
        }
    }
}
