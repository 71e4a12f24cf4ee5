package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.grammar.Constraint;

/** Bans what a sequence's constraint does not allow next; what ends a sequence stays where the constraint may end. */
final class ConstraintMask implements LogitAdjustment {
    @Override
    public boolean wanted(Sequence sequence) {
        return sequence.constrained() != null;
    }

    @Override
    public void apply(Sequence sequence, float[] logits) {
        Constraint.Text text = sequence.constrained();
        int[] ends = text.mayEnd() ? sequence.group.endTokens() : new int[0];
        float[] endLogits = new float[ends.length];
        for (int i = 0; i < ends.length; i++) {
            endLogits[i] = logits[ends[i]];
        }
        long[] allowed = text.allowed();
        for (int word = 0; word < allowed.length; word++) {
            ban(logits, 64 * word, ~allowed[word]);
        }
        for (int i = 0; i < ends.length; i++) {
            logits[ends[i]] = endLogits[i];
        }
    }

    private static void ban(float[] logits, int first, long banned) {
        int last = Math.min(first + 64, logits.length);
        if (banned == -1L) {
            java.util.Arrays.fill(logits, first, last, Float.NEGATIVE_INFINITY);
            return;
        }
        for (long left = banned; left != 0; left &= left - 1) {
            int token = first + Long.numberOfTrailingZeros(left);
            if (token < last) {
                logits[token] = Float.NEGATIVE_INFINITY;
            }
        }
    }
}
