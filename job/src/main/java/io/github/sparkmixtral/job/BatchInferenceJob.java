package io.github.sparkmixtral.job;

import io.github.sparkmixtral.job.cli.Main;

/** The class to give to {@code spark-submit}: the command line by the name that scripts know. */
public final class BatchInferenceJob {

    private BatchInferenceJob() {}

    /** Runs the job, and ends the JVM with its exit code. */
    public static void main(String[] arguments) {
        Main.main(arguments);
    }
}
