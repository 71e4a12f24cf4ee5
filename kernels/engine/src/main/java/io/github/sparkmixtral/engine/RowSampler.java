package io.github.sparkmixtral.engine;

import io.github.sparkmixtral.engine.Completion.RequestError;
import io.github.sparkmixtral.grammar.GrammarException;
import java.util.List;

/** Draws the next tokens of sequences, one after the other. Keeps work space of a few vocabularies; one thread. */
final class RowSampler {
    private static final RequestError NOTHING_ALLOWED = new RequestError(
            "constraint_unsatisfiable",
            "no token of the model's vocabulary goes on as the constraint wants: the model cannot write what it asks for",
            false);

    private final int vocabulary;
    private final float[] adjusted;
    private final Candidates candidates;
    private final List<LogitAdjustment> adjustments;

    RowSampler(int vocabulary) {
        this.vocabulary = vocabulary;
        adjusted = new float[vocabulary];
        candidates = new Candidates(vocabulary);
        adjustments = List.of(new LogitBias(), new Penalties(vocabulary), new EarlyEnds(), new ConstraintMask());
    }

    /**
     * How many logits of its row, the best ones, a sequence's next token is drawn from, if these decide the draw: at most
     * {@link TopLogits#MAX}, or {@link Candidates#ALL} if they never do.
     */
    int needed(Sequence sequence) {
        // Adjustments change any of the logits, those of the unlikeliest tokens, too.
        return adjusts(sequence) ? Candidates.ALL : Candidates.needed(sequence.parameters(), vocabulary);
    }

    private boolean adjusts(Sequence sequence) {
        return adjustments.stream().anyMatch(adjustment -> adjustment.wanted(sequence));
    }

    /**
     * Draws from the best logits of a row.
     *
     * @return {@link Candidates#UNDECIDED} if all are needed, {@link Samples#NO_TOKEN} if the row is no distribution
     */
    int draw(Sequence sequence, TopLogits best, int row) {
        if (!best.finite(row)) {
            return Samples.NO_TOKEN;
        }
        if (needed(sequence) == Candidates.ALL) {
            return Candidates.UNDECIDED;
        }
        candidates.select(best, row, sequence.parameters());
        return candidates.draw(uniform(sequence));
    }

    /**
     * Draws from all logits of a row that is a distribution.
     *
     * @return {@link Samples#NO_TOKEN}, with an error for the sequence, if a constraint allows none
     */
    int draw(Sequence sequence, AllLogits logits, int row) {
        try {
            int drawn = candidates(sequence, logits, row).draw(uniform(sequence));
            if (drawn == Samples.NO_TOKEN && sequence.constrained() != null) {
                sequence.fail(NOTHING_ALLOWED);
            }
            return drawn;
        } catch (GrammarException beyond) {
            sequence.fail(new RequestError(
                    "invalid_parameters", "the constraint cannot be held: " + beyond.getMessage(), false));
            return Samples.NO_TOKEN;
        }
    }

    private static double uniform(Sequence sequence) {
        return Draws.uniform(sequence.group.drawKey(), sequence.sampleIndex, sequence.outputLength());
    }

    /** What the sequence's next token is drawn from; valid until the next call. */
    Candidates candidates(Sequence sequence, AllLogits logits, int row) {
        if (adjusts(sequence)) {
            candidates.select(adjust(sequence, logits, row), 0, sequence.parameters());
        } else {
            candidates.select(logits, row, sequence.parameters());
        }
        return candidates;
    }

    /** One row: the given one, changed by the sequence's parameters. */
    private AllLogits adjust(Sequence sequence, AllLogits logits, int row) {
        System.arraycopy(logits.values(), logits.offset(row), adjusted, 0, vocabulary);
        for (LogitAdjustment adjustment : adjustments) {
            if (adjustment.wanted(sequence)) {
                adjustment.apply(sequence, adjusted);
            }
        }
        return new AllLogits(vocabulary, adjusted);
    }
}
