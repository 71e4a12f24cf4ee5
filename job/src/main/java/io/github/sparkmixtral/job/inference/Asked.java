package io.github.sparkmixtral.job.inference;

import io.github.sparkmixtral.job.input.PromptRow;
import org.apache.spark.sql.Row;

/**
 * A row of the input, and what it asks.
 *
 * @param prompt with its passages, if it is to have some
 */
public record Asked(Row row, PromptRow prompt) {}
