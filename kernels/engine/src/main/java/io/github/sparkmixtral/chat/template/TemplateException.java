package io.github.sparkmixtral.chat.template;

/** A template cannot be read, cannot be rendered faithfully, or has refused its variables. The message is one sentence. */
public final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public TemplateException(String message) {
        super(message);
    }

    static TemplateException unsupported(String construct) {
        return new TemplateException("the chat template uses " + construct + ", which is not supported here");
    }
}
