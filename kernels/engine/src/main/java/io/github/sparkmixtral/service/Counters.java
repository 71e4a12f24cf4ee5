package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.Completion.Usage;

/**
 * What a {@link CompletionService} has done so far and does at the moment, over all sessions; a snapshot for progress lines.
 *
 * @param completedRows rows that have an answer
 * @param failedRows rows that have an error
 * @param promptTokens prompt tokens of the completed rows, those found in the cache included
 * @param cachedTokens prompt tokens of the completed rows that were found in the cache
 * @param completionTokens tokens generated so far, those of unfinished rows and those that score choices included
 * @param runningSequences sequences that hold cache blocks
 * @param waitingSequences sequences that wait for them
 * @param queuedRows rows that the engine has not taken yet
 */
public record Counters(
        long completedRows,
        long failedRows,
        long promptTokens,
        long cachedTokens,
        long completionTokens,
        int runningSequences,
        int waitingSequences,
        int queuedRows) {

    Counters plus(Answer answer) {
        if (answer.failed()) {
            return new Counters(
                    completedRows,
                    failedRows + 1,
                    promptTokens,
                    cachedTokens,
                    completionTokens,
                    runningSequences,
                    waitingSequences,
                    queuedRows);
        }
        Usage usage = answer.outcome().usage();
        return new Counters(
                completedRows + 1,
                failedRows,
                promptTokens + usage.promptTokens(),
                cachedTokens + usage.cachedTokens(),
                completionTokens,
                runningSequences,
                waitingSequences,
                queuedRows);
    }

    Counters with(long generatedTokens, int running, int waiting) {
        return new Counters(
                completedRows, failedRows, promptTokens, cachedTokens, generatedTokens, running, waiting, queuedRows);
    }

    Counters withQueuedRows(int queued) {
        return new Counters(
                completedRows,
                failedRows,
                promptTokens,
                cachedTokens,
                completionTokens,
                runningSequences,
                waitingSequences,
                queued);
    }
}
