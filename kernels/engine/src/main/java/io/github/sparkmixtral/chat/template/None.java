package io.github.sparkmixtral.chat.template;

/** Python's {@code None}. */
enum None {
    NONE
}
