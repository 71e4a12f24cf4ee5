package io.github.sparkmixtral.engine;

/** Bans what would end a sequence before {@code min_tokens}. */
final class EarlyEnds implements LogitAdjustment {
    @Override
    public boolean wanted(Sequence sequence) {
        return sequence.outputLength() < sequence.parameters().minTokens();
    }

    @Override
    public void apply(Sequence sequence, float[] logits) {
        for (int token : sequence.group.bannedAtFirst()) {
            logits[token] = Float.NEGATIVE_INFINITY;
        }
    }
}
