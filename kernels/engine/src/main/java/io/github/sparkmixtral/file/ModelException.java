package io.github.sparkmixtral.file;

import java.util.regex.Pattern;

/**
 * A model cannot be loaded. The message is one sentence for the user: it names the file and the field, and the way out. As it
 * may quote names from a file that nobody vouches for, control characters in it become question marks.
 */
public final class ModelException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private static final Pattern CONTROL = Pattern.compile("\\p{Cntrl}");

    public ModelException(String message) {
        super(printable(message));
    }

    public ModelException(String message, Throwable cause) {
        super(printable(message), cause);
    }

    private static String printable(String message) {
        return CONTROL.matcher(message).replaceAll("?");
    }
}
