package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.grammar.GrammarException;
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

    /** What may come next; null if everything may. */
    private final Constraint.Text constrained;

    private final List<TokenLogprobs> logprobs = new ArrayList<>();
    private int[] tokens;
    private int length;
    private FinishReason finishReason;
    private RequestError error;

    Sequence(SequenceGroup group, int sampleIndex, long arrival, OutputText text, Constraint.Text constrained) {
        this.group = group;
        this.sampleIndex = sampleIndex;
        this.arrival = arrival;
        this.text = text;
        this.constrained = constrained;
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
        if (stops(token) || completes(token)) {
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

    /** Whether nothing can follow the token, and nothing needs to. */
    private boolean completes(int token) {
        if (constrained == null) {
            return false;
        }
        constrained.append(token);
        return constrained.mustEnd() && group.request().ending() == Request.Ending.IMPLIED;
    }

    /** What may come next; null if everything may. */
    Constraint.Text constrained() {
        return constrained;
    }

    /** The token that comes next whatever the logits are; -1 if they have a say, or are wanted for themselves. */
    int forced() {
        if (constrained == null || parameters().logprobs() >= 0) {
            return Samples.NO_TOKEN;
        }
        try {
            int only = constrained.only();
            return parameters().stopTokenIds().contains(only) ? Samples.NO_TOKEN : only;
        } catch (GrammarException beyond) {
            return Samples.NO_TOKEN; // the sampler meets it, too, and says so
        }
    }

    /** Says why no token can be chosen; null if nothing is known but that the logits are no distribution. */
    RequestError error() {
        return error;
    }

    void fail(RequestError cause) {
        error = cause;
    }

    Output output() {
        int[] generated = Arrays.copyOfRange(tokens, promptLength(), length);
        return new Output(sampleIndex, text.finish(), generated, finishReason, logprobs);
    }
}
