package io.github.sparkmixtral.job.fault;

/** How a job ended, for the shell, for Airflow and for whoever reads the last line. */
public enum ExitCode {
    /** Every row has its output row. */
    DONE(0),
    /** Anything that has no code of its own. */
    FAILED(1),
    /** An option is missing, unknown or out of range. */
    USAGE(2),
    /** The input cannot be read as a table of prompts. */
    INPUT_INVALID(3),
    /** The model cannot be found, read or fitted into memory. */
    MODEL_UNUSABLE(4),
    /** All rows are in the output, but they are not as good as the job asks for: too many are errors, or the score is too low. */
    NOT_GOOD_ENOUGH(5),
    /** The output exists already. */
    OUTPUT_EXISTS(6),
    /** A deadline or a budget has stopped the job before its end; the same command goes on. */
    STOPPED(7),
    /** Ctrl-C has ended the job, as shells count it; the same command goes on. */
    INTERRUPTED(130),
    /** SIGTERM has. */
    TERMINATED(143);

    private final int value;

    ExitCode(int value) {
        this.value = value;
    }

    public int value() {
        return value;
    }
}
