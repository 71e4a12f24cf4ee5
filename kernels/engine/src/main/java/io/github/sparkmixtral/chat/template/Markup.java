package io.github.sparkmixtral.chat.template;

/** What {@code escape} and {@code safe} give. It may be printed; everything else would escape other texts in jinja2, and is refused. */
record Markup(Text text) {}
