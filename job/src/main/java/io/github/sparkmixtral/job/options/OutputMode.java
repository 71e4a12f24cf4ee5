package io.github.sparkmixtral.job.options;

/** What happens where the output exists ({@code --output-mode}). */
public enum OutputMode {
    /** The job ends with exit code 6 and touches nothing. */
    ERROR,
    /** The old output is replaced, once the model and the input have been checked. */
    OVERWRITE
}
