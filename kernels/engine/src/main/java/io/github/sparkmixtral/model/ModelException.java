package io.github.sparkmixtral.model;

/** A model cannot be loaded. The message is one sentence for the user: it names the file and the field, and the way out. */
public final class ModelException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ModelException(String message) {
        super(message);
    }

    public ModelException(String message, Throwable cause) {
        super(message, cause);
    }
}
