package io.github.sparkmixtral.engine;

import java.util.Arrays;

/**
 * The tokens that one draw chooses from, in the order of their probability, the lowest id first among equals. Whatever the
 * parameters leave of a row is a beginning of that order, so its total weight is all that has to be known of it. A number in [0, 1)
 * draws the first token with which the weights, added up in that order, exceed that part of the total.
 *
 * <p>A weight is a probability relative to the likeliest token's, as an integer. So sums have no rounding, and do not depend on which tokens
 * were looked at in which order. If only the best logits of a row are here, the total of all lies between two bounds. If both bounds draw
 * the same token, it is the one that all logits give; if not, or if that token is not here, the draw is {@link #UNDECIDED}.
 *
 * <p>Keeps work space of two vocabularies; one thread.
 */
final class Candidates {

    /** More than the best logits of a row are needed. */
    static final int ALL = Integer.MAX_VALUE;

    /** In place of a token: all logits of the row are needed. */
    static final int UNDECIDED = -2;

    /** Weight of the likeliest token. A million of it fit into a long; what has no weight is a million million times less likely. */
    private static final long LIKELIEST = 1L << 42;

    /** A bound of totals that nothing is known of: no sum is as large. */
    private static final long UNKNOWN = 1L << 62;

    /** This many tokens are sorted rather than parted once more. */
    private static final int FEW = 32;

    private final int vocabulary;

    /** {@code [count]} see {@link TopTokens}; in any order. */
    private final long[] entries;

    /** {@code [vocabulary]} of the tokens among the entries. */
    private final long[] weights;

    private int count;

    /** Sum of the entries' weights. */
    private long sum;

    /** Whether tokens that are no entries have a weight. */
    private boolean more;

    /** Weight of the least likely entry. */
    private long last;

    /** Bounds of the total weight of those that the parameters leave. */
    private long least;

    private long most;

    /** Weight of the entries up to the one that was {@linkplain #find found} last, in the order of probability. */
    private long reached;

    Candidates(int vocabulary) {
        this.vocabulary = vocabulary;
        entries = new long[vocabulary];
        weights = new long[vocabulary];
    }

    /**
     * How many logits of a row, the best ones, a draw is made from: one if greedy, {@code top_k}, or {@link TopLogits#MAX}, which are
     * enough for most draws; {@link #ALL} if those are never enough.
     */
    static int needed(SamplingParameters parameters, int vocabulary) {
        int limit = limit(parameters, vocabulary);
        return limit < vocabulary && limit > TopLogits.MAX ? ALL : Math.min(limit, TopLogits.MAX);
    }

    /** Whether a draw from the best logits depends on the total of all. */
    static boolean needsTotal(SamplingParameters parameters, int vocabulary) {
        return limit(parameters, vocabulary) == vocabulary;
    }

    private static int limit(SamplingParameters parameters, int vocabulary) {
        int likeliest = parameters.greedy() ? 1 : parameters.topK();
        return likeliest > 0 ? Math.min(likeliest, vocabulary) : vocabulary;
    }

    /** Takes the tokens that the parameters leave of a row; minus infinity is no candidate. */
    void select(AllLogits logits, int row, SamplingParameters parameters) {
        int limit = limit(parameters, vocabulary);
        if (limit < vocabulary) {
            TopTokens.select(logits, row, limit, entries);
        } else {
            int offset = logits.offset(row);
            for (int id = 0; id < vocabulary; id++) {
                entries[id] = TopTokens.pack(logits.values()[offset + id], id);
            }
        }
        take(limit, parameters);
        more = false;
        keep(sum, sum, parameters);
    }

    /** Takes them of the best logits, of which there are at least as many as are {@link #needed}. */
    void select(TopLogits logits, int row, SamplingParameters parameters) {
        int limit = limit(parameters, vocabulary);
        int here = limit < vocabulary ? limit : Math.min(logits.count(), vocabulary);
        TopTokens.select(logits, row, here, entries);
        take(here, parameters);
        more = here < limit;
        if (more) {
            double total = (double) LIKELIEST * logits.totals()[row];
            boolean known = total >= LIKELIEST && total < Double.POSITIVE_INFINITY;
            // Twice the error, so that the roundings of this process, which are far below it, are within.
            double error = 2 * logits.totalError();
            keep(
                    known ? Math.max(sum, (long) (total * (1 - error))) : sum,
                    known ? Math.max(sum, (long) (total * (1 + error))) : UNKNOWN,
                    parameters);
        } else {
            keep(sum, sum, parameters);
        }
    }

    /** Weighs the first {@code taken} entries, and drops those without a weight. */
    private void take(int taken, SamplingParameters parameters) {
        long best = Long.MAX_VALUE;
        long worst = Long.MIN_VALUE;
        for (int i = 0; i < taken; i++) {
            best = Math.min(best, entries[i]);
            worst = Math.max(worst, entries[i]);
        }
        double highest = TopTokens.value(best);
        last = weight(TopTokens.value(worst), highest, parameters.temperature());
        count = 0;
        sum = 0;
        for (int i = 0; i < taken; i++) {
            long entry = entries[i];
            long weight = weight(TopTokens.value(entry), highest, parameters.temperature());
            if (weight > 0) {
                entries[count++] = entry;
                weights[TopTokens.id(entry)] = weight;
                sum += weight;
            }
        }
    }

    private static long weight(float logit, double highest, double temperature) {
        if (logit == highest) {
            return logit == Float.NEGATIVE_INFINITY ? 0 : LIKELIEST; // whatever the temperature, be it 0
        }
        return (long) (LIKELIEST * Math.exp((logit - highest) / temperature) + 0.5);
    }

    /** Leaves of tokens whose total weight lies in {@code [from, to]} the nucleus, and of that those that are likely enough. */
    private void keep(long from, long to, SamplingParameters parameters) {
        least = from;
        most = to;
        if (parameters.topP() < 1) {
            long mass = part(parameters.topP(), from);
            least = find(mass) < count ? reached : mass;
            mass = part(parameters.topP(), to);
            // The nucleus ends with the token that reaches the mass, which weighs no more than the last one here.
            most = find(mass) < count ? reached : mass + last;
        }
        if (parameters.minP() > 0) {
            double enough = parameters.minP() * LIKELIEST;
            long likely = 0;
            for (int i = 0; i < count; i++) {
                long weight = weights[TopTokens.id(entries[i])];
                likely += weight >= enough ? weight : 0;
            }
            least = Math.min(least, likely);
            most = more && last >= enough ? most : Math.min(most, likely);
        }
    }

    /** The fewest that are a share in (0, 1) of a total. */
    private static long part(double share, long total) {
        return Math.min(total, (long) Math.ceil(share * total));
    }

    /**
     * The candidate at {@code uniform}, in [0, 1), of their total weight; {@link Samples#NO_TOKEN} if there is none,
     * {@link #UNDECIDED} if that depends on logits that are not here.
     */
    int draw(double uniform) {
        if (count == 0) {
            return Samples.NO_TOKEN;
        }
        int lower = at(uniform, least);
        return lower == UNDECIDED || least == most || at(uniform, most) == lower ? lower : UNDECIDED;
    }

    private int at(double uniform, long total) {
        // The product may be rounded up to the total.
        int index = find(Math.min((long) (uniform * total), total - 1) + 1);
        return index < count ? TopTokens.id(entries[index]) : UNDECIDED;
    }

    /**
     * Index of the entry with which weights, added up in that order, reach {@code mass}; {@link #count} if they do
     * not. Changes the order of entries.
     */
    private int find(long mass) {
        if (mass > sum) {
            return count;
        }
        int from = 0;
        int to = count;
        long before = 0;
        while (to - from > FEW) {
            int middle = part(from, to);
            long with = before;
            for (int i = from; i < middle; i++) {
                with += weights[TopTokens.id(entries[i])];
            }
            if (with >= mass) {
                to = middle;
            } else {
                from = middle;
                before = with;
            }
        }
        Arrays.sort(entries, from, to);
        int index = from;
        reached = before + weights[TopTokens.id(entries[index])];
        while (reached < mass) {
            reached += weights[TopTokens.id(entries[++index])];
        }
        return index;
    }

    /** Moves the likelier ones of at least three entries before the others, and says where these begin; there are some of both. */
    private int part(int from, int to) {
        long first = entries[from];
        long middle = entries[(from + to) >>> 1];
        long end = entries[to - 1];
        long pivot = Math.max(Math.min(first, middle), Math.min(Math.max(first, middle), end));
        int next = from;
        for (int i = from; i < to; i++) {
            long entry = entries[i];
            entries[i] = entries[next];
            entries[next] = entry;
            next += entry < pivot ? 1 : 0;
        }
        return next;
    }
}
