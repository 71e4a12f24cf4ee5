package io.github.sparkmixtral.chat.template;

/** jinja2's {@code namespace}: the one value whose attributes a template may set. */
record Namespace(Dict values) {}
