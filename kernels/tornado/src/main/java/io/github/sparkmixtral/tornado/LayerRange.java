package io.github.sparkmixtral.tornado;

/**
 * Consecutive layers of a model, which lie on one device.
 *
 * @param from the first of them
 * @param to one past the last of them
 * @param all layers of the model
 */
record LayerRange(int from, int to, int all) {

    int count() {
        return to - from;
    }

    /** Whether the embedding lies with them. */
    boolean isFirst() {
        return from == 0;
    }

    /** Whether the head lies with them. */
    boolean isLast() {
        return to == all;
    }
}
