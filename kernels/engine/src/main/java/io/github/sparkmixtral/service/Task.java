package io.github.sparkmixtral.service;

import java.util.Locale;

/** What becomes of a prompt. */
public enum Task {
    /** A plain prompt is one user message; messages are rendered in the model's instruct format. */
    CHAT,
    /** The prompt is taken as it is, after the beginning-of-sequence token, and continued. */
    COMPLETE,
    /** The prompt is taken as it is, after the beginning-of-sequence token, and its hidden states become an embedding. */
    EMBED,
    /** The prompt is taken as it is, after the beginning-of-sequence token, and a given completion is told how likely it is. */
    SCORE,
    /** As {@link #CHAT}, but the answer is the likeliest of the choices. */
    CLASSIFY,
    /** The prompt is a question to a model with tools, which is asked until it gives its final answer. A job's, never a row's own. */
    AGENT;

    /** The name in options, such as {@code chat}. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Whether a conversation is rendered; if not, the prompt is taken as it is. */
    public boolean takesMessages() {
        return this == CHAT || this == CLASSIFY;
    }

    /** Whether a text is generated. */
    public boolean generates() {
        return this == CHAT || this == COMPLETE || this == AGENT;
    }
}
