package io.github.sparkmixtral.engine;

import java.util.Locale;

/** Why a generation ended. */
public enum FinishReason {
    /** An end-of-sequence token, a stop token or a stop string. */
    STOP,
    /** {@code max_tokens} or the context's end was reached. */
    LENGTH;

    /** The name in output rows: {@code stop} or {@code length}. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
