package io.github.sparkmixtral.job.output;

import java.io.Serializable;

/**
 * A row that has taken long.
 *
 * @param id the row's {@code custom_id}
 * @param seconds from the row's way into the engine to its answer
 */
public record SlowRow(String id, double seconds, int promptTokens, int completionTokens) implements Serializable {
    private static final long serialVersionUID = 1L;
}
