package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.grammar.StructuredOutput;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * How tokens are chosen, with vLLM's names and meanings. The constructor refuses values out of range with an
 * {@link IllegalArgumentException} whose message names the field in its external spelling, its value and the range.
 *
 * @param maxTokens {@code max_tokens} &gt;= 1: most tokens to generate
 * @param minTokens {@code min_tokens} in [0, maxTokens]: no end-of-sequence or stop before that many
 * @param temperature {@code temperature} &gt;= 0; 0 is greedy
 * @param topP {@code top_p} in (0, 1]
 * @param topK {@code top_k} &gt;= -1; 0 and -1 are off
 * @param minP {@code min_p} in [0, 1]
 * @param repetitionPenalty {@code repetition_penalty} in (0, 2], over prompt and output; 1 is off
 * @param presencePenalty {@code presence_penalty} in [-2, 2], over the output; 0 is off
 * @param frequencyPenalty {@code frequency_penalty} in [-2, 2], over the output; 0 is off
 * @param seed {@code seed}: with the request's id and the position it decides every draw
 * @param stop {@code stop}: strings that end the generation and are cut off; none is empty
 * @param stopTokenIds {@code stop_token_ids}: tokens that end the generation
 * @param n {@code n} in [1, 128]: completions per prompt
 * @param logprobs {@code logprobs} in [0, 20]: alternatives reported per token beside the chosen one; -1 reports none
 * @param ignoreEos {@code ignore_eos}: keep generating past the end-of-sequence token
 * @param logitBias {@code logit_bias}: added to the logits of these tokens, each in [-100, 100]
 * @param structuredOutput {@code structured_outputs}: what the answer has to be; null for anything
 * @param promptLogprobs {@code prompt_logprobs} in [0, 20]: alternatives reported beside each token of the prompt but the first; -1
 *     reports none
 */
public record SamplingParameters(
        int maxTokens,
        int minTokens,
        double temperature,
        double topP,
        int topK,
        double minP,
        double repetitionPenalty,
        double presencePenalty,
        double frequencyPenalty,
        long seed,
        List<String> stop,
        List<Integer> stopTokenIds,
        int n,
        int logprobs,
        boolean ignoreEos,
        Map<Integer, Double> logitBias,
        StructuredOutput structuredOutput,
        int promptLogprobs)
        implements java.io.Serializable {

    /** What a job uses when neither the row nor the job says otherwise. */
    public static final SamplingParameters DEFAULT = new SamplingParameters(
            512, 0, 1.0, 1.0, 0, 0.0, 1.0, 0.0, 0.0, 0L, List.of(), List.of(), 1, -1, false, Map.of(), null, -1);

    public SamplingParameters {
        atLeast("max_tokens", maxTokens, 1);
        require(
                minTokens >= 0 && minTokens <= maxTokens,
                "min_tokens",
                minTokens,
                "in [0, max_tokens = " + maxTokens + "]");
        require(
                temperature >= 0 && temperature < Double.POSITIVE_INFINITY,
                "temperature",
                temperature,
                "at least 0 and finite");
        require(topP > 0 && topP <= 1, "top_p", topP, "in (0, 1]");
        atLeast("top_k", topK, -1);
        require(minP >= 0 && minP <= 1, "min_p", minP, "in [0, 1]");
        require(repetitionPenalty > 0 && repetitionPenalty <= 2, "repetition_penalty", repetitionPenalty, "in (0, 2]");
        require(presencePenalty >= -2 && presencePenalty <= 2, "presence_penalty", presencePenalty, "in [-2, 2]");
        require(frequencyPenalty >= -2 && frequencyPenalty <= 2, "frequency_penalty", frequencyPenalty, "in [-2, 2]");
        require(n >= 1 && n <= 128, "n", n, "in [1, 128]");
        require(logprobs >= -1 && logprobs <= 20, "logprobs", logprobs, "in [0, 20], or -1 for none");
        require(
                promptLogprobs >= -1 && promptLogprobs <= 20,
                "prompt_logprobs",
                promptLogprobs,
                "in [0, 20], or -1 for none");
        stop = List.copyOf(stop);
        if (stop.contains("")) {
            throw new IllegalArgumentException("stop must not contain an empty string");
        }
        stopTokenIds = List.copyOf(stopTokenIds);
        stopTokenIds.forEach(id -> atLeast("stop_token_ids", id, 0));
        logitBias = Map.copyOf(logitBias);
        logitBias.forEach((id, bias) -> {
            atLeast("logit_bias token id", id, 0);
            require(bias >= -100 && bias <= 100, "logit_bias of token " + id, bias, "in [-100, 100]");
        });
    }

    /** Parameters of an answer that may be anything. */
    public SamplingParameters(
            int maxTokens,
            int minTokens,
            double temperature,
            double topP,
            int topK,
            double minP,
            double repetitionPenalty,
            double presencePenalty,
            double frequencyPenalty,
            long seed,
            List<String> stop,
            List<Integer> stopTokenIds,
            int n,
            int logprobs,
            boolean ignoreEos,
            Map<Integer, Double> logitBias) {
        this(
                maxTokens,
                minTokens,
                temperature,
                topP,
                topK,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                seed,
                stop,
                stopTokenIds,
                n,
                logprobs,
                ignoreEos,
                logitBias,
                null,
                -1);
    }

    /** Whether the likeliest token is taken, without a draw. */
    public boolean greedy() {
        return temperature == 0;
    }

    /** The same with another seed. */
    public SamplingParameters withSeed(long other) {
        return with(other, stopTokenIds, structuredOutput);
    }

    /** The same for an answer that has to be something else. */
    public SamplingParameters withStructuredOutput(StructuredOutput other) {
        return with(seed, stopTokenIds, other);
    }

    /** The same with more tokens that end the generation. */
    public SamplingParameters withStopTokens(List<Integer> more) {
        List<Integer> all = new ArrayList<>(stopTokenIds);
        all.addAll(more);
        return with(seed, all, structuredOutput);
    }

    private SamplingParameters with(long otherSeed, List<Integer> stopTokens, StructuredOutput output) {
        return new SamplingParameters(
                maxTokens,
                minTokens,
                temperature,
                topP,
                topK,
                minP,
                repetitionPenalty,
                presencePenalty,
                frequencyPenalty,
                otherSeed,
                stop,
                stopTokens,
                n,
                logprobs,
                ignoreEos,
                logitBias,
                output,
                promptLogprobs);
    }

    private static void atLeast(String name, int value, int least) {
        require(value >= least, name, value, "at least " + least);
    }

    private static void require(boolean holds, String name, Object value, String wanted) {
        if (!holds) {
            throw new IllegalArgumentException(name + " must be " + wanted + ", not " + value);
        }
    }
}
