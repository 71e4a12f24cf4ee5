package io.github.sparkmixtral.job;

/** What happens where the output exists ({@code --output-mode}). */
enum OutputMode {
    /** The job ends with exit code 6 and touches nothing. */
    ERROR,
    /** The old output is replaced, once the model and the input have been checked. */
    OVERWRITE
}
