package io.github.sparkmixtral.job.options;

import java.time.Instant;
import java.util.Optional;

/**
 * What a run may take before it stops.
 *
 * @param deadline when it takes no more rows
 * @param maxTotalTokens of prompts and answers; 0 for no limit
 */
public record Limits(Optional<Instant> deadline, long maxTotalTokens) {}
