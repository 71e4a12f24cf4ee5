package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.TokenLogprobs;
import io.github.sparkmixtral.engine.Plan.Reading;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.IntPredicate;
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
 * <p>Of tokens of equal probability, those of lower id come first. Log-probabilities are those of the raw logits.
 *
 * <p>Most tokens are drawn from the best {@value TopLogits#MAX} logits of their rows: {@link Candidates} says when these give the token that
 * all would give. The other rows, and log-probabilities, are shared out over the common pool's threads. To its caller this is one
 * thread.
 */
final class Sampler {
    private final int vocabulary;

    /** Of the calling thread. */
    private final RowSampler own;

    /** Those that work for no thread just now. */
    private final Queue<RowSampler> idle = new ConcurrentLinkedQueue<>();

    Sampler(int vocabulary) {
        this.vocabulary = vocabulary;
        own = new RowSampler(vocabulary);
    }

    /**
     * What is known of the logits that {@link #sample} needs before there are any.
     *
     * @param best how many of each row, the best ones; in [1, {@link TopLogits#MAX}]
     * @param temperatures {@code [rows]}, or longer, see {@link WantedLogits}
     * @param whole the rows of which all are needed
     */
    record Needed(int best, double[] temperatures, BitSet whole) {}

    /** Which logits of the plan's rows are needed. */
    Needed needed(Plan plan) {
        int best = 1;
        double[] temperatures = new double[plan.sampled().size() + plan.scored().size()];
        BitSet whole = new BitSet();
        // A token of a prompt may be any one of the vocabulary.
        plan.scored().forEach(reading -> whole.set(reading.row()));
        for (int i = 0; i < plan.sampled().size(); i++) {
            Sequence sequence = plan.sampled().get(i);
            SamplingParameters parameters = sequence.parameters();
            int needed = own.needed(sequence);
            if (needed == Candidates.ALL) {
                whole.set(plan.sampledRows()[i]);
            } else {
                best = Math.max(best, Math.max(needed, alternatives(parameters)));
                temperatures[plan.sampledRows()[i]] =
                        Candidates.needsTotal(parameters, vocabulary) ? parameters.temperature() : 0;
            }
        }
        return new Needed(best, temperatures, whole);
    }

    /** Asks a backend for them, and for all of those rows whose best logits turn out not to be enough. */
    WantedLogits wanted(Plan plan, Needed needed) {
        Sequence[] drawn = new Sequence[needed.temperatures().length];
        for (int i = 0; i < plan.sampled().size(); i++) {
            drawn[plan.sampledRows()[i]] = plan.sampled().get(i);
        }
        return new WantedLogits(
                needed.best(),
                needed.temperatures(),
                (best, row) -> needed.whole().get(row) || own.draw(drawn[row], best, row) == Candidates.UNDECIDED);
    }

    /**
     * Draws one token for every sequence that gets one, and reads how likely prompts' tokens are.
     *
     * @param logits one row for each of {@code plan.batch().logitRows()}, of which what is {@link #wanted} is there; not changed
     */
    Samples sample(Plan plan, Logits logits) {
        int count = plan.sampled().size();
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++) {
            tokens[i] = logits.best() == null
                    ? Candidates.UNDECIDED
                    : own.draw(plan.sampled().get(i), logits.best(), plan.sampledRows()[i]);
        }
        int[] undecided = where(count, i -> tokens[i] == Candidates.UNDECIDED);
        Arrays.stream(undecided).parallel().forEach(i -> tokens[i] = drawFromAll(plan, i, logits));
        TokenLogprobs[] logprobs = new TokenLogprobs[count];
        int[] reported = where(
                count,
                i -> tokens[i] != Samples.NO_TOKEN
                        && plan.sampled().get(i).parameters().logprobs() >= 0);
        Arrays.stream(reported).parallel().forEach(i -> {
            int alternatives = alternatives(plan.sampled().get(i).parameters());
            logprobs[i] = logprobs(logits, plan.sampledRows()[i], tokens[i], alternatives);
        });
        TokenLogprobs[] scored = plan.scored().parallelStream()
                .map(reading -> score(reading, logits))
                .toArray(TokenLogprobs[]::new);
        return new Samples(tokens, logprobs, scored);
    }

    /** Those numbers below {@code count}: few or none, which is why they are looked for before work is shared out. */
    private static int[] where(int count, IntPredicate wanted) {
        return IntStream.range(0, count).filter(wanted).toArray();
    }

    private int drawFromAll(Plan plan, int index, Logits logits) {
        int row = plan.sampledRows()[index];
        if (!logits.finite(row)) {
            return Samples.NO_TOKEN;
        }
        RowSampler idling = idle.poll();
        RowSampler sampler = idling == null ? new RowSampler(vocabulary) : idling;
        try {
            return sampler.draw(plan.sampled().get(index), (AllLogits) logits.of(row), logits.rowOf(row));
        } finally {
            idle.add(sampler);
        }
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
