package io.github.sparkmixtral.service;

import java.util.Locale;

/** What becomes of a prompt. */
public enum Task {
    /** A plain prompt is one user message; messages are rendered in the model's instruct format. */
    CHAT,
    /** The prompt is taken as it is, after the beginning-of-sequence token, and continued. */
    COMPLETE;

    /** The name in options: {@code chat} or {@code complete}. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
