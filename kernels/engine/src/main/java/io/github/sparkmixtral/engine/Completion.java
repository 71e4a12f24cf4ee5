package io.github.sparkmixtral.engine;

import java.util.List;

/**
 * What a {@link Request} led to: its outputs in the order of their sample index ({@code parameters.n()} of them, none if it asked
 * for no answer), or an error and no outputs.
 *
 * @param prompt what was wanted of the prompt itself; null where nothing was, or there is an error
 * @param error null where there is no error
 */
public record Completion(String id, List<Output> outputs, PromptValues prompt, Usage usage, RequestError error) {

    public Completion {
        outputs = List.copyOf(outputs);
    }

    /** An answer, or an error. */
    public Completion(String id, List<Output> outputs, Usage usage, RequestError error) {
        this(id, outputs, null, usage, error);
    }

    /**
     * What a prompt itself gave, see {@link PromptReading}.
     *
     * @param logprobs one per token that was scored, in their order; empty where none was
     * @param embedding {@code [hiddenSize]}; null where none was asked for
     */
    public record PromptValues(List<TokenLogprobs> logprobs, float[] embedding) {
        public PromptValues {
            logprobs = List.copyOf(logprobs);
        }
    }

    /**
     * One generated answer.
     *
     * @param text the tokens decoded, special tokens left out, cut before a stop string
     * @param tokenIds all generated tokens, the one that ended it included
     * @param logprobs one per token, or empty where none were asked for
     */
    public record Output(
            int index, String text, int[] tokenIds, FinishReason finishReason, List<TokenLogprobs> logprobs) {

        public Output {
            logprobs = List.copyOf(logprobs);
        }
    }

    /**
     * Natural-log probabilities of one position, under the model's raw distribution (before temperature, penalties and
     * filters, as vLLM reports them).
     *
     * @param topTokenIds the likeliest tokens, likeliest first
     * @param topLogprobs theirs, same order
     */
    public record TokenLogprobs(int tokenId, float logprob, int[] topTokenIds, float[] topLogprobs) {}

    /**
     * Tokens counted.
     *
     * @param completionTokens summed over the outputs
     * @param cachedTokens prompt tokens whose keys and values were found in the cache
     */
    public record Usage(int promptTokens, int completionTokens, int cachedTokens) {
        public static final Usage NONE = new Usage(0, 0, 0);

        public int totalTokens() {
            return promptTokens + completionTokens;
        }
    }

    /**
     * Why a row has no answer.
     *
     * @param code stable and machine-readable, such as {@code context_length_exceeded}
     * @param message one sentence that names the field and the way out
     * @param retryable whether the same row may succeed when it is tried again
     */
    public record RequestError(String code, String message, boolean retryable) {}
}
