package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.grammar.GrammarException;
import java.util.Arrays;
import java.util.List;

/**
 * Chooses the next token of each sequence from its logits, with vLLM's meanings, in this order:
 *
 * <ol>
 *   <li>{@code logit_bias} is added;
 *   <li>{@code repetition_penalty}, over prompt and output: positive logits are divided by it, negative ones multiplied;
 *   <li>{@code frequency_penalty}, once per occurrence in the output, and {@code presence_penalty}, once per token of the
 *       output, are subtracted;
 *   <li>before {@code min_tokens}, end-of-sequence and stop tokens are banned, and so is what a constraint does not allow;
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
    private static final RequestError NOTHING_ALLOWED = new RequestError(
            "constraint_unsatisfiable",
            "no token of the model's vocabulary goes on as the constraint wants: the model cannot write what it asks for",
            false);

    private final int vocabulary;
    private final float[] adjusted;
    private final Candidates candidates;
    private final List<LogitAdjustment> adjustments;
    private final long[] top = new long[20];

    Sampler(int vocabulary) {
        this.vocabulary = vocabulary;
        adjusted = new float[vocabulary];
        candidates = new Candidates(vocabulary);
        adjustments = List.of(new LogitBias(), new Penalties(vocabulary), new EarlyEnds(), new ConstraintMask());
    }

    /**
     * Which logits are enough for {@link #sample}.
     *
     * @param best how many of each row, the best ones; in [1, {@link TopLogits#MAX}]
     * @param whole ascending; the rows for which these are not enough, but all are needed
     */
    record Needed(int best, int[] whole) {}

    /** Which logits of the plan's rows are needed. */
    Needed needed(Plan plan) {
        int best = 1;
        int count = 0;
        int[] whole = new int[plan.sampled().size()];
        for (int row = 0; row < whole.length; row++) {
            int needed = needed(plan.sampled().get(row));
            if (needed <= TopLogits.MAX) {
                best = Math.max(best, needed);
            } else {
                whole[count++] = row;
            }
        }
        return new Needed(best, Arrays.copyOf(whole, count));
    }

    private int needed(Sequence sequence) {
        SamplingParameters parameters = sequence.parameters();
        if (adjusts(sequence)) {
            return Candidates.ALL;
        }
        return Math.max(Candidates.needed(parameters, vocabulary), alternatives(parameters));
    }

    /**
     * Draws one token for every row of logits.
     *
     * @param logits {@code plan.sampled().size()} rows, of which the {@link #needed} logits are there; not changed
     */
    Samples sample(Plan plan, Logits logits) {
        int rows = plan.sampled().size();
        int[] tokens = new int[rows];
        TokenLogprobs[] logprobs = new TokenLogprobs[rows];
        for (int row = 0; row < rows; row++) {
            Sequence sequence = plan.sampled().get(row);
            tokens[row] = choose(sequence, logits, row);
            if (sequence.parameters().logprobs() >= 0 && tokens[row] != Samples.NO_TOKEN) {
                logprobs[row] = logprobs(logits, row, tokens[row], alternatives(sequence.parameters()));
            }
        }
        return new Samples(tokens, logprobs);
    }

    private int choose(Sequence sequence, Logits logits, int row) {
        if (!logits.finite(row)) {
            return Samples.NO_TOKEN;
        }
        double uniform = Draws.uniform(sequence.group.drawKey(), sequence.sampleIndex, sequence.outputLength());
        try {
            int chosen = candidates(sequence, logits, row).draw(uniform);
            if (chosen == Samples.NO_TOKEN && sequence.constrained() != null) {
                sequence.fail(NOTHING_ALLOWED);
            }
            return chosen;
        } catch (GrammarException beyond) {
            sequence.fail(new RequestError(
                    "invalid_parameters", "the constraint cannot be held: " + beyond.getMessage(), false));
            return Samples.NO_TOKEN;
        }
    }

    /** What the sequence's next token is drawn from; valid until the next call. */
    Candidates candidates(Sequence sequence, Logits logits, int row) {
        if (adjusts(sequence)) {
            candidates.select(adjust(sequence, logits, row), 0, sequence.parameters());
        } else {
            candidates.select(logits, row, sequence.parameters());
        }
        return candidates;
    }

    private boolean adjusts(Sequence sequence) {
        return adjustments.stream().anyMatch(adjustment -> adjustment.wanted(sequence));
    }

    /** One row: the given one, changed by the sequence's parameters. */
    private AllLogits adjust(Sequence sequence, Logits logits, int row) {
        AllLogits all = (AllLogits) logits.of(row);
        System.arraycopy(all.values(), all.offset(logits.rowOf(row)), adjusted, 0, vocabulary);
        for (LogitAdjustment adjustment : adjustments) {
            if (adjustment.wanted(sequence)) {
                adjustment.apply(sequence, adjusted);
            }
        }
        return new AllLogits(vocabulary, adjusted);
    }

    /** How many likeliest tokens are reported beside the chosen one. */
    private int alternatives(SamplingParameters parameters) {
        return Math.min(parameters.logprobs(), vocabulary);
    }

    private TokenLogprobs logprobs(Logits logits, int row, int token, int alternatives) {
        double normalizer = logits.logSumExp(row);
        int[] topIds = new int[alternatives];
        float[] topLogprobs = new float[alternatives];
        if (alternatives > 0) {
            TopTokens.select(logits, row, alternatives, top);
        }
        for (int i = 0; i < alternatives; i++) {
            topIds[i] = TopTokens.id(top[i]);
            topLogprobs[i] = (float) (TopTokens.value(top[i]) - normalizer);
        }
        return new TokenLogprobs(token, (float) (logits.logit(row, token) - normalizer), topIds, topLogprobs);
    }
}
