package io.github.sparkmixtral.engine;

/**
 * What is wanted of a prompt itself, apart from an answer to it: log-probabilities of its tokens, or an embedding.
 *
 * @param scoredFrom the first token whose log-probability is wanted, and with it those of all later ones; at least 1, because nothing
 *     predicts the first token. Without meaning where there is a {@code pooling}.
 * @param alternatives how many of the likeliest tokens are reported beside each, in [0, 20]
 * @param pooling how the embedding is made; null for none
 * @param generates whether an answer is wanted, too; never with a {@code pooling}
 */
public record PromptReading(int scoredFrom, int alternatives, Pooling pooling, boolean generates) {

    public PromptReading {
        if (scoredFrom < 1) {
            throw new IllegalArgumentException("scoredFrom must be at least 1, not " + scoredFrom);
        }
        if (pooling != null && generates) {
            throw new IllegalArgumentException("a prompt that is embedded has no answer");
        }
    }

    /** Log-probabilities of a prompt's tokens from {@code from} on, and no answer. */
    public static PromptReading scores(int from, int alternatives) {
        return new PromptReading(from, alternatives, null, false);
    }

    /** Log-probabilities of all tokens that have one, and an answer. */
    public static PromptReading beforeAnswer(int alternatives) {
        return new PromptReading(1, alternatives, null, true);
    }

    /** An embedding. */
    public static PromptReading embedding(Pooling pooling) {
        return new PromptReading(1, 0, pooling, false);
    }

    /** How many of a prompt's tokens have to be computed: a last token that only has to be predicted has not. */
    int computed(int promptLength) {
        return pooling == null && !generates ? promptLength - 1 : promptLength;
    }

    /** The first position of a prompt that is read: whose logits or hidden state are wanted. */
    int from(int promptLength) {
        if (pooling == null) {
            return scoredFrom - 1;
        }
        return pooling == Pooling.LAST ? promptLength - 1 : 0;
    }

    /** Where the positions end that are read. */
    int to(int promptLength) {
        return pooling == null ? promptLength - 1 : promptLength;
    }
}
