package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.engine.Plan.Reading;
import io.github.sparkmixtral.grammar.GrammarException;
import java.util.List;
import java.util.stream.IntStream;

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
        // A token of a prompt may be any one of the vocabulary.
        IntStream.Builder whole = IntStream.builder();
        plan.scored().forEach(reading -> whole.add(reading.row()));
        for (int i = 0; i < plan.sampled().size(); i++) {
            int needed = needed(plan.sampled().get(i));
            if (needed <= TopLogits.MAX) {
                best = Math.max(best, needed);
            } else {
                whole.add(plan.sampledRows()[i]);
            }
        }
        return new Needed(best, whole.build().sorted().toArray());
    }

    private int needed(Sequence sequence) {
        SamplingParameters parameters = sequence.parameters();
        if (adjusts(sequence)) {
            return Candidates.ALL;
        }
        return Math.max(Candidates.needed(parameters, vocabulary), alternatives(parameters));
    }

    /**
     * Draws one token for every sequence that gets one, and reads how likely prompts' tokens are.
     *
     * @param logits one row for each of {@code plan.batch().logitRows()}, of which the {@link #needed} logits are there; not changed
     */
    Samples sample(Plan plan, Logits logits) {
        int count = plan.sampled().size();
        int[] tokens = new int[count];
        TokenLogprobs[] logprobs = new TokenLogprobs[count];
        for (int i = 0; i < count; i++) {
            Sequence sequence = plan.sampled().get(i);
            int row = plan.sampledRows()[i];
            tokens[i] = choose(sequence, logits, row);
            if (sequence.parameters().logprobs() >= 0 && tokens[i] != Samples.NO_TOKEN) {
                logprobs[i] = logprobs(logits, row, tokens[i], alternatives(sequence.parameters()));
            }
        }
        TokenLogprobs[] scored = plan.scored().parallelStream()
                .map(reading -> score(reading, logits))
                .toArray(TokenLogprobs[]::new);
        return new Samples(tokens, logprobs, scored);
    }

    /** How likely the prompt's next token is; null if the logits are no distribution. */
    private TokenLogprobs score(Reading reading, Logits logits) {
        if (!logits.finite(reading.row())) {
            return null;
        }
        Request request = reading.sequence().group.request();
        int alternatives = Math.min(request.reading().alternatives(), vocabulary);
        return logprobs(logits, reading.row(), request.promptTokens()[reading.position() + 1], alternatives);
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
        long[] top = new long[alternatives];
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
