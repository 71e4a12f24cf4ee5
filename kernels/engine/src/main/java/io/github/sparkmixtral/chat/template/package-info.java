/**
 * The part of Jinja that chat templates use, rendered as Python's jinja2 renders it in transformers' sandbox. It knows no model: a
 * template and its variables go in, a {@link io.github.sparkmixtral.chat.template.Text} comes out that knows which of its characters
 * the template wrote. What cannot be rendered faithfully is refused by name. No reflection; every run is bounded.
 */
package io.github.sparkmixtral.chat.template;
