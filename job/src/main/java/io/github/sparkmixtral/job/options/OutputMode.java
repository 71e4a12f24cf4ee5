package io.github.sparkmixtral.job.options;

/** What happens if the output exists ({@code --output-mode}). */
public enum OutputMode {
    /** An incomplete output of the same job is continued, a complete one left alone. */
    RESUME,
    /** It is an error. */
    ERROR,
    /** It is replaced. */
    OVERWRITE
}
