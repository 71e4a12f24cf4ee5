package io.github.sparkmixtral.grammar;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * What a text has to be, compiled for one vocabulary: which tokens may come next, wherever a text is. Memory for what it has found out
 * is its own, so all rows of one constraint share it. May be used by many threads at once.
 */
public final class Constraint {
    /** Sets of allowed tokens that are remembered, of some kilobytes each. */
    private static final int MOST_MASKS = 1024;

    private final States states;
    private final TokenTrie trie;
    private final List<String> choices;
    private final Constraint[] single;
    private int masks;
    private Object era = new Object();

    /** What a state allows, as long as the era lasts. */
    private record Mask(Object era, long[] tokens, long[] tokensWithoutSpace) {}

    /** @param choices the texts of the grammar, if it was made of a list of them; else empty */
    Constraint(Grammar grammar, TokenTrie trie, List<String> choices) {
        this.states = new States(new Automaton(grammar));
        this.trie = trie;
        this.choices = choices;
        this.single = new Constraint[choices.size()];
    }

    /** The strings of which the text is one, each once; empty where the constraint says something else. */
    public List<String> choices() {
        return choices;
    }

    /** A constraint that has one text: that of {@link #choices} with this index. */
    public synchronized Constraint choice(int index) {
        if (single[index] == null) {
            Expression text = Expression.text(choices.get(index));
            single[index] = new Constraint(Grammar.of("root", Map.of("root", text)), trie, List.of());
        }
        return single[index];
    }

    /**
     * Begins a text.
     *
     * @param dropsSpace whether a space that the first token begins with is no part of the text
     */
    public Text begin(boolean dropsSpace) {
        return new Text(dropsSpace);
    }

    private synchronized long[] allowed(States.State state, boolean dropsSpace) {
        Mask known = state.note() instanceof Mask mask && mask.era() == era ? mask : new Mask(era, null, null);
        long[] found = dropsSpace ? known.tokensWithoutSpace() : known.tokens();
        if (found == null) {
            if (masks++ == MOST_MASKS) {
                masks = 0;
                era = new Object();
                known = new Mask(era, null, null);
            }
            found = trie.allowed(state, dropsSpace);
            state.note(
                    dropsSpace
                            ? new Mask(era, known.tokens(), found)
                            : new Mask(era, found, known.tokensWithoutSpace()));
        }
        return found;
    }

    private synchronized States.State walked(States.State from, byte[] bytes, int first) {
        States.State at = from;
        for (int i = first; i < bytes.length && at != null; i++) {
            at = at.next(bytes[i] & 0xFF);
        }
        return at;
    }

    /** A text as it grows. One thread. */
    public final class Text {
        private States.State state = states.start();
        private boolean dropsSpace;

        private Text(boolean dropsSpace) {
            this.dropsSpace = dropsSpace;
        }

        /**
         * Takes text that is there already, such as a primer.
         *
         * @return whether texts of the constraint begin so; if not, this text is of no more use
         */
        public boolean append(String text) {
            return append(text.getBytes(StandardCharsets.UTF_8));
        }

        /**
         * Takes a token that was {@link #allows allowed}.
         *
         * @throws IllegalArgumentException where it was not
         */
        public void append(int token) {
            byte[] bytes = trie.bytes(token);
            if (bytes == null || !append(bytes)) {
                throw new IllegalArgumentException("the token " + token + " is not allowed here");
            }
        }

        private boolean append(byte[] bytes) {
            int first = dropsSpace && bytes.length > 0 && bytes[0] == ' ' ? 1 : 0;
            States.State next = walked(state, bytes, first);
            dropsSpace &= bytes.length == 0;
            state = next == null ? state : next;
            return next != null;
        }

        /**
         * Which tokens may come next: a bit for each token of the vocabulary. Control tokens are never among them.
         *
         * @return not to be changed
         * @throws GrammarException where the constraint can be read in too many ways
         */
        public long[] allowed() {
            return Constraint.this.allowed(state, dropsSpace);
        }

        /** The token that must come next, if there is only one; else -1. */
        public int only() {
            if (mayEnd()) {
                return -1;
            }
            int only = -1;
            long[] allowed = allowed();
            for (int word = 0; word < allowed.length; word++) {
                if (allowed[word] != 0) {
                    if (only >= 0 || Long.bitCount(allowed[word]) > 1) {
                        return -1;
                    }
                    only = 64 * word + Long.numberOfTrailingZeros(allowed[word]);
                }
            }
            return only;
        }

        /** Whether the text may end here. */
        public boolean mayEnd() {
            return state.accepting();
        }

        /** Whether the text must end here. */
        public boolean mustEnd() {
            return state.isLast();
        }
    }
}
