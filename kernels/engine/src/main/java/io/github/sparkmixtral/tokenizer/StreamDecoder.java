package io.github.sparkmixtral.tokenizer;

/**
 * Decodes one token at a time. Used by one thread at a time.
 *
 * <p>{@link #text} is everything that can be read so far. Its first {@link #stableLength} characters never change. What follows
 * them comes from byte tokens whose run has not ended: complete characters, which still turn into U+FFFD if a later byte
 * makes the run invalid UTF-8. Look for a stop string in the whole of {@code text()}, for it may end inside such a run; show
 * a reader only the stable part.
 */
public final class StreamDecoder {

    StreamDecoder() {}

    /** Takes the next token. */
    public void append(int id) {
        throw new UnsupportedOperationException();
    }

    /** All that can be read so far: a live, read-only view that the next {@link #append} changes. */
    public CharSequence text() {
        throw new UnsupportedOperationException();
    }

    /** How many characters at the beginning of {@link #text} can no longer change. Never shrinks. */
    public int stableLength() {
        throw new UnsupportedOperationException();
    }

    /** Index of {@code part} in {@link #text} at or after {@code from}, or -1. */
    public int indexOf(String part, int from) {
        throw new UnsupportedOperationException();
    }

    /** Ends the text, and returns it: the same as {@link Tokenizer#decode} of all tokens. */
    public String finish() {
        throw new UnsupportedOperationException();
    }
}
