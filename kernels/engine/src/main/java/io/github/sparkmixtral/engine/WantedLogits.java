package io.github.sparkmixtral.engine;

/**
 * Which logits of a step's wanted rows are needed.
 *
 * @param count how many of each row, the best ones; in [1, {@link TopLogits#MAX}] and at most the vocabulary
 * @param temperatures {@code [rows]} those that {@link TopLogits#totals} are of; 0 if a row's total is not needed
 * @param whole which rows are needed with every logit
 */
public record WantedLogits(int count, double[] temperatures, Whole whole) {

    /** Tells by its best logits whether all logits of a row are needed. Asked once for each row, in ascending order. */
    @FunctionalInterface
    public interface Whole {
        boolean needed(TopLogits best, int row);
    }

    /** The best logits of {@code rows} rows, and nothing else. */
    public static WantedLogits best(int count, int rows) {
        return new WantedLogits(count, new double[rows], (_, _) -> false);
    }
}
