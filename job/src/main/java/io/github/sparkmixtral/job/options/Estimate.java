package io.github.sparkmixtral.job.options;

import java.util.OptionalDouble;

/**
 * What is to be known about a run's time and cost.
 *
 * @param dryRun whether they are estimated in the place of a run, which then answers and writes nothing
 * @param calibrationSeconds how long rows are answered for the estimate; 0 for not at all
 * @param pricePerHour of the machine of one executor
 */
public record Estimate(boolean dryRun, int calibrationSeconds, OptionalDouble pricePerHour) {}
