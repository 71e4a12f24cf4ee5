package io.github.sparkmixtral.engine;

/** Which of a prompt's hidden states make up its embedding. */
public enum Pooling {
    /** The mean over all tokens, BOS included. */
    MEAN,
    /** The last token's. */
    LAST
}
