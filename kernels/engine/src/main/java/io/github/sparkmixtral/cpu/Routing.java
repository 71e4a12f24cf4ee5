package io.github.sparkmixtral.cpu;

import java.util.Arrays;

/**
 * Which experts each token of a step goes to, and the tokens of each expert as compressed rows: entries
 * {@code [starts[e], starts[e + 1])} belong to expert {@code e}, in the order of their tokens.
 */
final class Routing {

    private final int experts;
    private final int expertsPerToken;
    private final int[] chosen;
    private final float[] weights;
    private final int[] entries;
    private final int[] starts;
    private final int[] tokens;
    private final int[] next;

    Routing(int maxTokens, int experts, int expertsPerToken) {
        this.experts = experts;
        this.expertsPerToken = expertsPerToken;
        int capacity = Math.multiplyExact(maxTokens, expertsPerToken);
        chosen = new int[capacity];
        weights = new float[capacity];
        entries = new int[capacity];
        tokens = new int[capacity];
        starts = new int[experts + 1];
        next = new int[experts];
    }

    /** Routes the first {@code rows} rows of router logits, {@code [rows, experts]}. */
    void route(Matrix logits, int rows) {
        Arrays.fill(starts, 0);
        for (int row = 0; row < rows; row++) {
            choose(logits.data(), logits.offset(row), row * expertsPerToken);
            for (int i = row * expertsPerToken; i < (row + 1) * expertsPerToken; i++) {
                starts[chosen[i] + 1]++;
            }
        }
        for (int expert = 0; expert < experts; expert++) {
            starts[expert + 1] += starts[expert];
            next[expert] = starts[expert];
        }
        for (int i = 0; i < rows * expertsPerToken; i++) {
            int entry = next[chosen[i]]++;
            entries[i] = entry;
            tokens[entry] = i / expertsPerToken;
        }
    }

    /** The largest logits in descending order, the lower expert first where two are equal, and the softmax over them. */
    private void choose(float[] logits, int offset, int first) {
        for (int found = 0; found < expertsPerToken; found++) {
            int best = -1;
            for (int expert = 0; expert < experts; expert++) {
                if (!taken(expert, first, found) && (best < 0 || logits[offset + expert] > logits[offset + best])) {
                    best = expert;
                }
            }
            chosen[first + found] = best;
        }
        double sum = 0;
        double maximum = logits[offset + chosen[first]];
        for (int i = first; i < first + expertsPerToken; i++) {
            sum += StrictMath.exp(logits[offset + chosen[i]] - maximum);
        }
        for (int i = first; i < first + expertsPerToken; i++) {
            weights[i] = (float) (StrictMath.exp(logits[offset + chosen[i]] - maximum) / sum);
        }
    }

    private boolean taken(int expert, int first, int found) {
        for (int i = first; i < first + found; i++) {
            if (chosen[i] == expert) {
                return true;
            }
        }
        return false;
    }

    int start(int expert) {
        return starts[expert];
    }

    int end(int expert) {
        return starts[expert + 1];
    }

    /** {@code [entries]} the token of each entry. */
    int[] tokens() {
        return tokens;
    }

    /** A token's {@code choice}-th expert, {@code choice} in {@code [0, expertsPerToken)}. */
    int expert(int token, int choice) {
        return chosen[token * expertsPerToken + choice];
    }

    /** Entry of a token's {@code choice}-th expert, {@code choice} in {@code [0, expertsPerToken)}. */
    int entry(int token, int choice) {
        return entries[token * expertsPerToken + choice];
    }

    /** Weight of a token's {@code choice}-th expert. */
    float weight(int token, int choice) {
        return weights[token * expertsPerToken + choice];
    }
}
