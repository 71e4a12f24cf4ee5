package io.github.sparkmixtral.cpu;

/**
 * Rows of activations that products take, in an order of their own. While one such object is in use they do not change, so that
 * what is derived from them may be kept.
 *
 * @param indices rows of {@code matrix}, of which those at {@code [from, to)} are taken
 */
public record Rows(Matrix matrix, int[] indices, int from, int to) {

    int count() {
        return to - from;
    }

    /** Whether they lie one behind the other in the matrix. */
    boolean areNeighbours() {
        for (int i = from + 1; i < to; i++) {
            if (indices[i] != indices[i - 1] + 1) {
                return false;
            }
        }
        return true;
    }

    /** Index in the matrix' {@link Matrix#data} of the first element of one of the rows, {@code i} of {@link #count}. */
    int offset(int i) {
        return matrix.offset(indices[from + i]);
    }
}
