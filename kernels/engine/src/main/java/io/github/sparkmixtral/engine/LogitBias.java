package io.github.sparkmixtral.engine;

/** Adds {@code logit_bias}. */
final class LogitBias implements LogitAdjustment {
    @Override
    public boolean wanted(Sequence sequence) {
        return !sequence.parameters().logitBias().isEmpty();
    }

    @Override
    public void apply(Sequence sequence, float[] logits) {
        sequence.parameters().logitBias().forEach((token, bias) -> logits[token] += bias.floatValue());
    }
}
