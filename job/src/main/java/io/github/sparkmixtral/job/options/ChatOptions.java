package io.github.sparkmixtral.job.options;

/**
 * How one person's conversation is answered, checked and resolved.
 *
 * @param generation without columns, and without a system prompt
 * @param systemPrompt empty for none
 * @param verbose whether stack traces are shown
 */
public record ChatOptions(GenerationOptions generation, String systemPrompt, boolean verbose) {}
