package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.TokenLogprobs;

/**
 * Chooses the next token of each sequence from its logits, with vLLM's meanings, in this order:
 *
 * <ol>
 *   <li>{@code logit_bias} is added; before {@code min_tokens}, end-of-sequence and stop tokens are banned;
 *   <li>{@code repetition_penalty}, over prompt and output: positive logits are divided by it, negative ones multiplied;
 *   <li>{@code frequency_penalty}, once per occurrence in the output, and {@code presence_penalty}, once per token of the
 *       output, are subtracted;
 *   <li>at temperature 0 the highest logit wins, the lowest id among equals;
 *   <li>otherwise the logits are divided by {@code temperature}, and {@code top_k}, then {@code top_p} (Holtzman et al., The
 *       Curious Case of Neural Text Degeneration, ICLR 2020), then {@code min_p} (Nguyen et al., Turning Up the Heat, 2024)
 *       leave out the unlikely, each over the distribution that the one before it left; one of the rest is {@linkplain Draws drawn}.
 * </ol>
 *
 * <p>Of tokens of equal probability at the border of {@code top_k} or {@code top_p}, those of lower id stay. Log-probabilities are
 * those of the raw logits. Keeps work space of a few vocabularies; one thread.
 */
final class Sampler {
    private final int vocabulary;
    private final float[] adjusted;
    private final Candidates candidates;
    private final Penalties penalties;
    private final long[] top = new long[20];

    Sampler(int vocabulary) {
        this.vocabulary = vocabulary;
        adjusted = new float[vocabulary];
        candidates = new Candidates(vocabulary);
        penalties = new Penalties(vocabulary);
    }

    /**
     * Draws one token for every row of logits.
     *
     * @param logits {@code [plan.sampled().size(), vocabulary]}; not changed
     */
    Samples sample(Plan plan, float[] logits) {
        int rows = plan.sampled().size();
        int[] tokens = new int[rows];
        TokenLogprobs[] logprobs = new TokenLogprobs[rows];
        for (int row = 0; row < rows; row++) {
            Sequence sequence = plan.sampled().get(row);
            int offset = Math.multiplyExact(row, vocabulary);
            tokens[row] = choose(sequence, logits, offset);
            if (sequence.parameters().logprobs() >= 0 && tokens[row] != Samples.NO_TOKEN) {
                logprobs[row] = logprobs(
                        logits, offset, tokens[row], sequence.parameters().logprobs());
            }
        }
        return new Samples(tokens, logprobs);
    }

    private int choose(Sequence sequence, float[] logits, int offset) {
        if (!allFinite(logits, offset)) {
            return Samples.NO_TOKEN;
        }
        if (!sequence.parameters().greedy()) {
            double uniform = Draws.uniform(sequence.group.drawKey(), sequence.sampleIndex, sequence.outputLength());
            return candidates(sequence, logits, offset).draw(uniform);
        }
        if (!adjusts(sequence)) {
            return highest(logits, offset);
        }
        adjust(sequence, logits, offset);
        int best = highest(adjusted, 0);
        return adjusted[best] == Float.NEGATIVE_INFINITY ? Samples.NO_TOKEN : best;
    }

    /** What the sequence's next token is drawn from; valid until the next call. */
    Candidates candidates(Sequence sequence, float[] logits, int offset) {
        if (adjusts(sequence)) {
            adjust(sequence, logits, offset);
            candidates.select(adjusted, 0, sequence.parameters());
        } else {
            candidates.select(logits, offset, sequence.parameters());
        }
        return candidates;
    }

    private static boolean adjusts(Sequence sequence) {
        SamplingParameters parameters = sequence.parameters();
        return sequence.outputLength() < parameters.minTokens()
                || !parameters.logitBias().isEmpty()
                || Penalties.wanted(parameters);
    }

    private void adjust(Sequence sequence, float[] logits, int offset) {
        SamplingParameters parameters = sequence.parameters();
        System.arraycopy(logits, offset, adjusted, 0, vocabulary);
        parameters.logitBias().forEach((token, bias) -> adjusted[token] += bias.floatValue());
        penalties.apply(sequence, adjusted);
        if (sequence.outputLength() < parameters.minTokens()) {
            // Banned last, which is the same as first: no penalty brings back what is minus infinity.
            for (int token : sequence.group.bannedAtFirst()) {
                adjusted[token] = Float.NEGATIVE_INFINITY;
            }
        }
    }

    private boolean allFinite(float[] logits, int offset) {
        boolean finite = true;
        for (int id = 0; id < vocabulary; id++) {
            finite &= Math.abs(logits[offset + id]) <= Float.MAX_VALUE;
        }
        return finite;
    }

    private int highest(float[] logits, int offset) {
        int best = 0;
        for (int id = 1; id < vocabulary; id++) {
            if (logits[offset + id] > logits[offset + best]) {
                best = id;
            }
        }
        return best;
    }

    private TokenLogprobs logprobs(float[] logits, int offset, int token, int alternatives) {
        double highest = logits[offset + highest(logits, offset)];
        double sum = 0;
        for (int id = 0; id < vocabulary; id++) {
            sum += Math.exp(logits[offset + id] - highest);
        }
        double normalizer = highest + Math.log(sum);
        int count = Math.min(alternatives, vocabulary);
        int[] topIds = new int[count];
        float[] topLogprobs = new float[count];
        if (count > 0) {
            TopTokens.select(logits, offset, vocabulary, count, top);
        }
        for (int i = 0; i < count; i++) {
            topIds[i] = TopTokens.id(top[i]);
            topLogprobs[i] = (float) (TopTokens.value(top[i]) - normalizer);
        }
        return new TokenLogprobs(token, (float) (logits[offset + token] - normalizer), topIds, topLogprobs);
    }
}
