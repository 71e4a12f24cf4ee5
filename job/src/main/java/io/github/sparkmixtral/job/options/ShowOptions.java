package io.github.sparkmixtral.job.options;

import java.util.Optional;

/**
 * What {@code spark-mixtral show} is asked for.
 *
 * @param location of the output, path or URI
 * @param rows that are shown at most
 * @param failedOnly whether only rows with errors are
 * @param id of the one row that is shown in full; empty for a sample
 */
public record ShowOptions(String location, int rows, boolean failedOnly, Optional<String> id, boolean verbose) {}
