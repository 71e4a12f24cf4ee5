package io.github.sparkmixtral.engine;

import java.util.Arrays;

/**
 * The tokens that one draw chooses from, with their weights: probabilities relative to the likeliest token's, which has 1. They
 * are in the order of their probability where {@code top_k} or {@code top_p} needs it, else in that of their ids. One thread.
 */
final class Candidates {

    /** Every logit of a row is needed. */
    static final int ALL = Integer.MAX_VALUE;

    private final int vocabulary;
    private final int[] ids;
    private final double[] weights;
    private final long[] ordered;
    private int count;

    Candidates(int vocabulary) {
        this.vocabulary = vocabulary;
        ids = new int[vocabulary];
        weights = new double[vocabulary];
        ordered = new long[vocabulary];
    }

    /** How many logits of a row, the best ones, its candidates are chosen from: one if greedy, {@code top_k}, or {@link #ALL}. */
    static int needed(SamplingParameters parameters, int vocabulary) {
        int likeliest = parameters.greedy() ? 1 : parameters.topK();
        return likeliest > 0 && likeliest < vocabulary ? likeliest : ALL;
    }

    /** Takes the tokens that the parameters leave of a row, whose {@link #needed} logits are there; minus infinity is no candidate. */
    void select(Logits logits, int row, SamplingParameters parameters) {
        int needed = needed(parameters, vocabulary);
        if (needed == ALL) {
            AllLogits all = (AllLogits) logits.of(row);
            takeAll(all.values(), all.offset(logits.rowOf(row)), parameters);
        } else {
            TopTokens.select(logits, row, needed, ordered);
            takeOrdered(needed, parameters.temperature());
            if (parameters.topP() < 1) {
                keepNucleus(parameters.topP() * total());
            }
        }
        if (parameters.minP() > 0) {
            keepAtLeast(parameters.minP());
        }
    }

    /**
     * The candidate at {@code uniform}, in [0, 1), of their total weight; {@link Samples#NO_TOKEN} where there is none.
     */
    int draw(double uniform) {
        double target = uniform * total();
        double sum = 0;
        int chosen = Samples.NO_TOKEN;
        for (int i = 0; i < count; i++) {
            if (weights[i] > 0) {
                chosen = ids[i];
                sum += weights[i];
                if (sum > target) {
                    return chosen;
                }
            }
        }
        return chosen; // rounding: the target lay at the very end
    }

    private void takeAll(float[] logits, int offset, SamplingParameters parameters) {
        double highest = Double.NEGATIVE_INFINITY;
        for (int id = 0; id < vocabulary; id++) {
            highest = Math.max(highest, logits[offset + id]);
        }
        for (int id = 0; id < vocabulary; id++) {
            ids[id] = id;
            weights[id] = weight(logits[offset + id], highest, parameters.temperature());
        }
        count = vocabulary;
        if (parameters.topP() < 1) {
            double mass = parameters.topP() * total();
            order(logits, offset, parameters);
            keepNucleus(mass);
        }
    }

    private void takeOrdered(int taken, double temperature) {
        double highest = TopTokens.value(ordered[0]);
        for (int i = 0; i < taken; i++) {
            ids[i] = TopTokens.id(ordered[i]);
            weights[i] = weight(TopTokens.value(ordered[i]), highest, temperature);
        }
        count = taken;
    }

    private static double weight(float logit, double highest, double temperature) {
        if (logit == highest) {
            return logit == Float.NEGATIVE_INFINITY ? 0 : 1; // whatever the temperature, be it 0
        }
        return Math.exp((logit - highest) / temperature);
    }

    /**
     * Orders all candidates by probability, except those too unlikely to be in the nucleus: of at most {@code vocabulary - 1} tokens
     * that come after a token of the nucleus, and it, the mass is over {@code 1 - top_p}. That leaves few to sort.
     */
    private void order(float[] logits, int offset, SamplingParameters parameters) {
        double unlikely = 0.999 * (1 - parameters.topP()) * total() / vocabulary;
        int kept = 0;
        for (int id = 0; id < vocabulary; id++) {
            if (weights[id] >= unlikely && weights[id] > 0) {
                ordered[kept++] = TopTokens.pack(logits[offset + id], id);
            }
        }
        Arrays.sort(ordered, 0, kept);
        count = 0;
        if (kept > 0) {
            takeOrdered(kept, parameters.temperature());
        }
    }

    /** Keeps the fewest likeliest whose weights together reach {@code mass}; at least one. */
    private void keepNucleus(double mass) {
        double sum = 0;
        int kept = 0;
        while (kept < count && (kept == 0 || sum < mass)) {
            sum += weights[kept++];
        }
        count = kept;
    }

    /** Keeps those that have at least this share of the likeliest one's probability. */
    private void keepAtLeast(double share) {
        int kept = 0;
        for (int i = 0; i < count; i++) {
            if (weights[i] >= share) {
                ids[kept] = ids[i];
                weights[kept++] = weights[i];
            }
        }
        count = kept;
    }

    private double total() {
        double total = 0;
        for (int i = 0; i < count; i++) {
            total += weights[i];
        }
        return total;
    }
}
