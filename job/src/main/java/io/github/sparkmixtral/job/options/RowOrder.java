package io.github.sparkmixtral.job.options;

/** In which order rows are answered, and so which of them lie in one chunk. */
public enum RowOrder {
    /** That of the input. */
    INPUT,
    /** By the beginning of their prompts, so that those that share one are answered together. */
    PREFIX
}
