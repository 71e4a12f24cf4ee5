package io.github.sparkmixtral.tokenizer;

/** SentencePiece BPE with byte fallback. */
public final class Tokenizer {

    /** What becomes of the space that the first piece of a decoded text begins with. */
    public enum LeadingSpace {
        /** Kept: the text continues another one, so that prompt and text can be concatenated. */
        KEEP,
        /** Dropped: the text is an answer of its own. */
        STRIP
    }

    Tokenizer() {}
}
