package io.github.sparkmixtral.engine;

import java.util.Locale;

/** Why an answer ended. An engine gives the first two; the others come of what an answer says. */
public enum FinishReason {
    /** An end-of-sequence token, a stop token or a stop string. */
    STOP,
    /** {@code max_tokens} or the context's end was reached. */
    LENGTH,
    /** The answer calls tools. */
    TOOL_CALLS,
    /** An agent has given its final answer. */
    FINAL,
    /** An agent has had all of its turns, and has given no final answer. */
    MAX_TURNS,
    /** The same, and the last tool that it has called has failed. */
    TOOL_ERROR;

    /** The name in output rows: {@code stop}, {@code tool_calls} and so on. */
    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
