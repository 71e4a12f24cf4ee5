package io.github.sparkmixtral.service;

/**
 * The sizes of a service.
 *
 * @param maxModelLength longest sequence, prompt and answer together, in tokens ({@code --max-model-len}); 0 leaves it to the model
 *     and the cache
 * @param queueCapacity requests that may wait for the engine before {@link CompletionService.Session#submit} blocks; at least 1
 */
public record ServiceOptions(int maxModelLength, int queueCapacity) {

    public ServiceOptions {
        if (maxModelLength < 0) {
            throw new IllegalArgumentException("max_model_len must be at least 0, not " + maxModelLength);
        }
        if (queueCapacity < 1) {
            throw new IllegalArgumentException("queue capacity must be at least 1, not " + queueCapacity);
        }
    }
}
