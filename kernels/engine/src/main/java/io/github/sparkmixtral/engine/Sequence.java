package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.Output;
import io.github.sparkmixtral.engine.Completion.PromptValues;
import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.grammar.Constraint;
import io.github.sparkmixtral.grammar.GrammarException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One sample of a request: the prompt's tokens and the output's, of which the first {@link #computed} are in the cache. The first
 * sample also has what is read of the prompt itself.
 */
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

    /** What is wanted of the prompt; null for nothing. */
    private final PromptReading reading;

    private final List<TokenLogprobs> logprobs = new ArrayList<>();
    private final List<TokenLogprobs> promptLogprobs = new ArrayList<>();
    private int[] tokens;
    private int length;

    /** First position of the prompt that is still to be read; {@link #readTo} if none is. */
    private int unread;

    private final int readTo;

    /** Sum of the hidden states read so far; null before the first. */
    private double[] pooled;

    private FinishReason finishReason;
    private RequestError error;

    Sequence(SequenceGroup group, int sampleIndex, long arrival, OutputText text, Constraint.Text constrained) {
        this.group = group;
        this.sampleIndex = sampleIndex;
        this.arrival = arrival;
        this.text = text;
        this.constrained = constrained;
        tokens = group.request().promptTokens();
        reading = sampleIndex == 0 ? group.request().reading() : null;
        length = reading == null ? tokens.length : reading.computed(tokens.length);
        unread = reading == null ? 0 : reading.from(tokens.length);
        readTo = reading == null ? 0 : reading.to(tokens.length);
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
        return Math.max(0, length - promptLength());
    }

    /** Tokens to compute before the next one can be sampled, or before the prompt is read. */
    int missing() {
        return length - computed;
    }

    /** How many of the first tokens may come out of the cache: those whose logits and hidden states are not wanted. */
    int reusable() {
        return unread < readTo ? Math.min(length - 1, unread) : length - 1;
    }

    /** How many tokens can be computed before one is that has its logits wanted for the prompt's next token. */
    int beforeScored() {
        return reading != null && reading.pooling() == null && unread < readTo
                ? unread - computed
                : Integer.MAX_VALUE / 2;
    }

    /** Whether a token is sampled from the logits at this position. */
    boolean samplesAt(int position) {
        return position == length - 1 && group.request().generates();
    }

    /** Whether the prompt's next token is scored by the logits at this position. */
    boolean scoresAt(int position) {
        return isUnread(position) && reading.pooling() == null;
    }

    /** Whether the hidden state at this position is part of the prompt's embedding. */
    boolean poolsAt(int position) {
        return isUnread(position) && reading.pooling() != null;
    }

    private boolean isUnread(int position) {
        return position >= unread && position < readTo;
    }

    /** Takes the log-probabilities of the next token that is scored. */
    void score(TokenLogprobs next) {
        promptLogprobs.add(next);
        unread++;
    }

    /** Takes the next hidden state, {@code hidden[offset, offset + size)}: false if it is not finite. */
    boolean pool(float[] hidden, int offset, int size) {
        if (pooled == null) {
            pooled = new double[size];
        }
        unread++;
        boolean finite = true;
        for (int i = 0; i < size; i++) {
            pooled[i] += hidden[offset + i];
            finite &= Math.abs(hidden[offset + i]) <= Float.MAX_VALUE;
        }
        return finite;
    }

    /** Whether nothing is left to be done but for an answer, which is not wanted. */
    boolean isRead() {
        return missing() == 0 && !group.request().generates();
    }

    /** What was read of the prompt; null if nothing was wanted. */
    PromptValues promptValues() {
        if (reading == null) {
            return null;
        }
        float[] embedding = null;
        if (pooled != null) {
            int count = readTo - reading.from(promptLength());
            embedding = new float[pooled.length];
            for (int i = 0; i < embedding.length; i++) {
                embedding[i] = (float) (pooled[i] / count);
            }
        }
        return new PromptValues(promptLogprobs, embedding);
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

    /** What the output has so far from a place on and keeps, see {@link OutputText#settled}. */
    String settled(int from) {
        return text.settled(from);
    }

    Output output() {
        int[] generated = Arrays.copyOfRange(tokens, promptLength(), length);
        return new Output(sampleIndex, text.finish(), generated, finishReason, logprobs);
    }
}
