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

    /** Index in the matrix' {@link Matrix#data} of the first element of one of the rows, {@code i} of {@link #count}. */
    int offset(int i) {
        return matrix.offset(indices[from + i]);
    }
}
