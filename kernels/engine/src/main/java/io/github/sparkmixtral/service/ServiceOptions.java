package io.github.sparkmixtral.service;

import io.github.sparkmixtral.engine.SamplingParameters;

/**
 * What a job says once for all of its rows.
 *
 * @param task what becomes of a prompt
 * @param systemPrompt put before the messages of every row that brings no system message of its own; null puts none
 * @param parameters what a row's own parameters are laid over; its seed is the job's seed
 * @param maxModelLength longest sequence, prompt and answer together, in tokens ({@code --max-model-len}); 0 leaves it to the model
 *     and the cache
 * @param queueCapacity requests that may wait for the engine before {@link CompletionService.Session#submit} blocks; at least 1
 */
public record ServiceOptions(
        Task task, String systemPrompt, SamplingParameters parameters, int maxModelLength, int queueCapacity) {

    public ServiceOptions {
        if (maxModelLength < 0) {
            throw new IllegalArgumentException("max_model_len must be at least 0, not " + maxModelLength);
        }
        if (queueCapacity < 1) {
            throw new IllegalArgumentException("queue capacity must be at least 1, not " + queueCapacity);
        }
        if (task == Task.COMPLETE && systemPrompt != null) {
            throw new IllegalArgumentException(
                    "a system prompt needs the task chat: the task complete takes prompts as they are");
        }
    }
}
