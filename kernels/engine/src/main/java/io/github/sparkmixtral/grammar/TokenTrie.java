package io.github.sparkmixtral.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * The tokens of a vocabulary by their bytes, as a tree in the order of a walk: which tokens a state allows is found in one pass,
 * in which a beginning that is not allowed is passed over with all that begin so. Immutable; may be used by many threads at once.
 */
public final class TokenTrie {
    private static final int MOST_BYTES = 256;

    private final int vocabulary;
    private final byte[][] tokens;

    /** By node: its byte, how many bytes lead to it, the node after all that lie below it, and the first of the tokens that end there. */
    private final byte[] values;

    private final short[] depths;
    private final int[] skips;
    private final int[] firstTokens;
    private final int[] ids;

    /**
     * Takes the vocabulary.
     *
     * @param vocabulary rows of the model's head; ids at or above the number of tokens have no text
     * @param tokens {@code [tokens]} the bytes of each token's text; null where it has none: control tokens and gaps
     */
    public TokenTrie(int vocabulary, byte[][] tokens) {
        this.vocabulary = vocabulary;
        this.tokens = tokens;
        Integer[] order = order(tokens);
        List<int[]> nodes = new ArrayList<>();
        List<Integer> ids = new ArrayList<>();
        List<Integer> open = new ArrayList<>();
        byte[] last = {};
        for (int id : order) {
            byte[] bytes = tokens[id];
            int common = common(last, bytes);
            while (open.size() > common) {
                nodes.get(open.removeLast())[2] = nodes.size();
            }
            for (int depth = common; depth < bytes.length; depth++) {
                open.add(nodes.size());
                nodes.add(new int[] {bytes[depth], depth, 0, ids.size()});
            }
            ids.add(id);
            last = bytes;
        }
        while (!open.isEmpty()) {
            nodes.get(open.removeLast())[2] = nodes.size();
        }
        int size = nodes.size();
        values = new byte[size];
        depths = new short[size];
        skips = new int[size];
        firstTokens = new int[size + 1];
        for (int i = 0; i < size; i++) {
            int[] node = nodes.get(i);
            values[i] = (byte) node[0];
            depths[i] = (short) node[1];
            skips[i] = node[2];
            firstTokens[i] = node[3];
        }
        firstTokens[size] = ids.size();
        this.ids = ids.stream().mapToInt(Integer::intValue).toArray();
    }

    /** By bytes, so that a beginning comes before what it is the beginning of. */
    private static Integer[] order(byte[][] tokens) {
        List<Integer> order = new ArrayList<>();
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id] != null && tokens[id].length > 0 && tokens[id].length <= MOST_BYTES) {
                order.add(id);
            }
        }
        order.sort(Comparator.comparing((Integer id) -> tokens[id], Arrays::compareUnsigned)
                .thenComparing(Comparator.naturalOrder()));
        return order.toArray(Integer[]::new);
    }

    private static int common(byte[] a, byte[] b) {
        int mismatch = Arrays.mismatch(a, b);
        return mismatch < 0 ? a.length : mismatch;
    }

    /** The bytes of a token's text; null if it has none. */
    byte[] bytes(int token) {
        return token < tokens.length ? tokens[token] : null;
    }

    /**
     * Finds what may come next.
     *
     * @param dropsSpace whether a space at the beginning of the token is no part of the text
     * @return a bit for each token of the vocabulary
     */
    long[] allowed(States.State from, boolean dropsSpace) {
        long[] allowed = new long[Math.ceilDiv(vocabulary, 64)];
        States.State[] states = new States.State[MOST_BYTES + 1];
        states[0] = from;
        int node = 0;
        while (node < values.length) {
            int depth = depths[node];
            int value = values[node] & 0xFF;
            boolean dropped = dropsSpace && depth == 0 && value == ' ';
            States.State next = dropped ? states[0] : states[depth].next(value);
            if (next == null) {
                node = skips[node];
                continue;
            }
            states[depth + 1] = next;
            node++;
            for (int i = firstTokens[node - 1]; i < firstTokens[node]; i++) {
                allowed[ids[i] >> 6] |= 1L << ids[i];
            }
        }
        return allowed;
    }
}
