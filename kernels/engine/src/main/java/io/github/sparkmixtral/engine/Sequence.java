package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One sample of a request: the prompt's tokens and the output's, of which the first {@link #computed} are in the cache. */
final class Sequence {
    final SequenceGroup group;
    final int sampleIndex;

    /** Place in the order of arrival, which is the order of service. */
    final long arrival;

    final BlockTable table = new BlockTable();

    /** How many tokens have their keys and values in the cache. */
    int computed;

    private final OutputText text;
    private final List<TokenLogprobs> logprobs = new ArrayList<>();
    private int[] tokens;
    private int length;
    private FinishReason finishReason;

    Sequence(SequenceGroup group, int sampleIndex, long arrival, OutputText text) {
        this.group = group;
        this.sampleIndex = sampleIndex;
        this.arrival = arrival;
        this.text = text;
        tokens = group.request().promptTokens();
        length = tokens.length;
    }

    SamplingParameters parameters() {
        return group.request().parameters();
    }

    /** Prompt and output, {@link #length} of them; the array may be longer. */
    int[] tokens() {
        return tokens;
    }

    int length() {
        return length;
    }

    int promptLength() {
        return group.request().promptTokens().length;
    }

    int outputLength() {
        return length - promptLength();
    }

    /** Tokens to compute before the next one can be sampled. */
    int missing() {
        return length - computed;
    }

    boolean started() {
        return outputLength() > 0;
    }

    boolean finished() {
        return finishReason != null;
    }

    /**
     * Takes a sampled token.
     *
     * @param chosen its log-probabilities; null where none were asked for
     * @return whether the sequence has ended
     */
    boolean accept(int token, TokenLogprobs chosen) {
        if (length == tokens.length) {
            tokens = Arrays.copyOf(tokens, length + Math.max(16, length / 2));
        }
        tokens[length++] = token;
        if (chosen != null) {
            logprobs.add(chosen);
        }
        if (stops(token)) {
            finishReason = FinishReason.STOP;
        } else if (outputLength() >= parameters().maxTokens() || length >= group.maxLength()) {
            finishReason = FinishReason.LENGTH;
        }
        return finished();
    }

    private boolean stops(int token) {
        if (outputLength() <= parameters().minTokens()) {
            text.appendProtected(token);
            return false;
        }
        // The text of a token that ends the output is no part of it, as with a stop string.
        return group.ends(token) || text.append(token);
    }

    Output output() {
        int[] generated = Arrays.copyOfRange(tokens, promptLength(), length);
        return new Output(sampleIndex, text.finish(), generated, finishReason, logprobs);
    }
}
