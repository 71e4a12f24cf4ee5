package io.github.sparkmixtral.engine;

/**
 * Makes tokens that were there before less likely. Repetition: Keskar et al., CTRL, 2019, section 4.1; presence and frequency:
 * OpenAI's API. Keeps one counter per token of the vocabulary, all zero between calls; one thread.
 */
final class Penalties implements LogitAdjustment {
    private final int[] inOutput;
    private final boolean[] done;

    Penalties(int vocabulary) {
        inOutput = new int[vocabulary];
        done = new boolean[vocabulary];
    }

    @Override
    public boolean wanted(Sequence sequence) {
        SamplingParameters parameters = sequence.parameters();
        return parameters.repetitionPenalty() != 1
                || parameters.presencePenalty() != 0
                || parameters.frequencyPenalty() != 0;
    }

    @Override
    public void apply(Sequence sequence, float[] logits) {
        int[] tokens = sequence.tokens();
        for (int i = sequence.promptLength(); i < sequence.length(); i++) {
            inOutput[tokens[i]]++;
        }
        for (int i = 0; i < sequence.length(); i++) {
            int token = tokens[i];
            if (!done[token]) {
                done[token] = true;
                logits[token] = penalized(logits[token], inOutput[token], sequence.parameters());
            }
        }
        for (int i = 0; i < sequence.length(); i++) {
            inOutput[tokens[i]] = 0;
            done[tokens[i]] = false;
        }
    }

    private static float penalized(float logit, int occurrences, SamplingParameters parameters) {
        double penalty = parameters.repetitionPenalty();
        double value = logit > 0 ? logit / penalty : logit * penalty;
        if (occurrences > 0) {
            value -= parameters.frequencyPenalty() * occurrences + parameters.presencePenalty();
        }
        return (float) value;
    }
}
