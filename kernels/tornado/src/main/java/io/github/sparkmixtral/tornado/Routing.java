package io.github.sparkmixtral.tornado;

/**
 * Where things lie in the {@code routing} array, which the device itself writes in each layer: which experts each token goes to,
 * and the entries, one for each pair of token and expert, as compressed rows: entries {@code [starts[e], starts[e + 1])} belong
 * to expert {@code e}, in the order of their tokens.
 *
 * @param experts experts per layer
 * @param entries most entries of a step
 */
record Routing(int experts, long entries) {

    /** {@code [experts + 1]} first entry of each expert. */
    int startsAt() {
        return 0;
    }

    /** {@code [entries]} the token of each entry. */
    int entryTokenAt() {
        return experts + 1;
    }

    /** {@code [tokens, expertsPerToken]} the entry of each token and choice. */
    int entryOfAt() {
        return Math.toIntExact(entryTokenAt() + entries);
    }

    /** {@code [tokens, expertsPerToken]} the expert of each token and choice. */
    int chosenAt() {
        return Math.toIntExact(entryOfAt() + entries);
    }

    /** Integers of the whole array. */
    int size() {
        return Math.toIntExact(chosenAt() + entries);
    }
}
