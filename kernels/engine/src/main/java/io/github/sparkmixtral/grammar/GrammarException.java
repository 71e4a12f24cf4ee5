package io.github.sparkmixtral.grammar;

/** A constraint that cannot be held, with a sentence that names the place in it. */
public final class GrammarException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public GrammarException(String message) {
        super(message);
    }
}
