package io.github.sparkmixtral.job.options;

/** What the length of a piece of a document is counted in ({@code --chunk-unit}). */
public enum ChunkUnit {
    /** Unicode characters (code points). */
    CHARACTERS,
    /** The model's tokens. */
    TOKENS
}
