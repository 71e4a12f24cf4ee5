package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Completion.Usage;
import io.github.sparkmixtral.engine.EngineCounters;
import java.io.Serializable;

/**
 * What a {@link CompletionService} has done so far and does at the moment, over all sessions; a snapshot. Tokens of rows are those of
 * their {@code usage}, so that they add up to what the answers say, copied ones included; what was computed for them is in
 * {@code engine}.
 *
 * @param completedRows rows that have an answer
 * @param failedRows rows that have an error
 * @param promptTokens prompt tokens of the answered rows, those found in the cache included
 * @param cachedTokens prompt tokens of the answered rows that were found in the cache
 * @param completionTokens tokens of the answers
 * @param copiedTokens those of answers that were computed for equal rows
 * @param queuedRows rows that the engine has not taken yet
 */
public record Counters(
        long completedRows,
        long failedRows,
        long promptTokens,
        long cachedTokens,
        long completionTokens,
        long copiedTokens,
        int queuedRows,
        EngineCounters engine)
        implements Serializable {

    Counters plus(Answer answer) {
        // An agent's row may fail behind turns that were answered, and has their tokens.
        boolean hasUsage = !answer.failed() || answer.turns() != null;
        Usage usage = hasUsage ? answer.outcome().usage() : Usage.NONE;
        return new Counters(
                completedRows + (answer.failed() ? 0 : 1),
                failedRows + (answer.failed() ? 1 : 0),
                promptTokens + usage.promptTokens(),
                cachedTokens + usage.cachedTokens(),
                completionTokens + usage.completionTokens(),
                copiedTokens + (answer.copied() ? usage.completionTokens() : 0),
                queuedRows,
                engine);
    }

    Counters with(EngineCounters newer) {
        return new Counters(
                completedRows,
                failedRows,
                promptTokens,
                cachedTokens,
                completionTokens,
                copiedTokens,
                queuedRows,
                newer);
    }

    Counters withQueuedRows(int queued) {
        return new Counters(
                completedRows, failedRows, promptTokens, cachedTokens, completionTokens, copiedTokens, queued, engine);
    }
}
