package io.github.sparkmixtral.job.input;

/**
 * A file of the input.
 *
 * @param file its URI, as {@link Input#FILE} has it
 * @param rows how many it has, blank lines not counted
 */
public record FileRows(String file, long rows) {}
