package io.github.sparkmixtral.job.options;

/** Which rows with errors a resumed job asks again ({@code --retry-failed}). */
public enum RetryFailed {
    NONE,
    /** Those whose error says that it may go away. */
    RETRYABLE,
    ALL
}
