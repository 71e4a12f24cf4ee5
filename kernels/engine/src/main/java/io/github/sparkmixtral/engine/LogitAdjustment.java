package io.github.sparkmixtral.engine;

/** Something that a sequence's parameters change about its logits before a token is chosen from them. */
interface LogitAdjustment {

    /** Whether it changes anything of the sequence's next token. */
    boolean wanted(Sequence sequence);

    /**
     * Changes the logits.
     *
     * @param logits {@code [vocabulary]} of the sequence's next token; minus infinity is never chosen
     */
    void apply(Sequence sequence, float[] logits);
}
