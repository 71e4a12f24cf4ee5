package io.github.sparkmixtral.chat;

/** Who speaks. */
public enum Role {
    SYSTEM,
    USER,
    ASSISTANT,
    TOOL
}
