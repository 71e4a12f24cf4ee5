package io.github.sparkmixtral.chat;

/** A conversation cannot be rendered. The message is one sentence that names the place, such as {@code messages[2].role}, and the way out. */
public final class ChatException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ChatException(String message) {
        super(message);
    }
}
