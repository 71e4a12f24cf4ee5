package io.github.sparkmixtral.job.cli;

import java.net.URISyntaxException;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.spark.SparkContext;

/** What the driver prints on standard error: this job's lines, or all that Spark says as well with {@code --verbose}. */
final class ConsoleLog {

    private ConsoleLog() {}

    /** Sets the log up, unless the user has set one up. */
    static void configure(boolean verbose) {
        if (System.getProperty("log4j2.configurationFile") != null
                || System.getProperty("log4j.configurationFile") != null) {
            // Its lines may go past the status line.
            StatusLine.remove();
            return;
        }
        if (verbose) {
            // A log that is read line by line wants no line that moves.
            StatusLine.remove();
        }
        // Spark's own context: under spark-submit this class has another class loader.
        LoggerContext context = (LoggerContext) LogManager.getContext(SparkContext.class.getClassLoader(), false);
        try {
            context.setConfigLocation(ConsoleLog.class
                    .getResource(verbose ? "log4j2-verbose.properties" : "log4j2-quiet.properties")
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException("a resource's URL is a URI", e);
        }
    }
}
