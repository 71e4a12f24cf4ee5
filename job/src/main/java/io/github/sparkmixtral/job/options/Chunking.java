package io.github.sparkmixtral.job.options;

import java.io.Serializable;

/**
 * How documents are cut into pieces.
 *
 * @param size of a piece at most, at least 1
 * @param overlap what a piece may repeat of the one before, less than {@code size}
 */
public record Chunking(ChunkUnit unit, int size, int overlap) implements Serializable {}
