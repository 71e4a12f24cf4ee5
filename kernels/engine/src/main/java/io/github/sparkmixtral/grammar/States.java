package io.github.sparkmixtral.grammar;

import io.github.sparkmixtral.grammar.Automaton.Node;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * The states that texts bring an automaton to, made when a text first gets there: which places it is in, and by which byte it goes
 * where. One thread.
 */
final class States {
    /** Places of one state; a grammar that goes beyond can be read in too many ways. */
    private static final int MOST_PLACES = 20_000;

    /** States that are remembered; beyond them the memory starts anew. */
    private static final int MOST_STATES = 10_000;

    /**
     * What has to be gone back to.
     *
     * @param parent null at the bottom
     * @param node a {@code CALL} or a {@code COUNT}
     * @param turns begun of a {@code COUNT}
     * @param hash of all frames down to the bottom
     */
    record Frame(Frame parent, int node, int turns, int hash) {
        static Frame on(Frame parent, int node, int turns) {
            int below = parent == null ? 0 : parent.hash;
            return new Frame(parent, node, turns, 31 * (31 * below + node) + turns);
        }

        @Override
        public boolean equals(Object other) {
            if (!(other instanceof Frame frame)) {
                return false;
            }
            Frame mine = this;
            Frame its = frame;
            while (mine != its) {
                if (mine == null
                        || its == null
                        || mine.hash != its.hash
                        || mine.node != its.node
                        || mine.turns != its.turns) {
                    return false;
                }
                mine = mine.parent;
                its = its.parent;
            }
            return true;
        }

        @Override
        public int hashCode() {
            return hash;
        }
    }

    /** A place in the automaton. */
    private record Place(int node, Frame stack) {}

    /** The places that a text may have brought the automaton to. */
    final class State {
        private final Place[] places;
        private final boolean accepting;
        private final State[] next = new State[automaton.classes()];

        /** Kept for its owner. */
        private Object note;

        private State(Place[] places, boolean accepting) {
            this.places = places;
            this.accepting = accepting;
        }

        /** Whether the text may end here. */
        boolean accepting() {
            return accepting;
        }

        /** Whether the text must end here. */
        boolean isLast() {
            return places.length == 0;
        }

        Object note() {
            return note;
        }

        void note(Object other) {
            note = other;
        }

        /**
         * Where a byte leads; null if no text goes on with it.
         *
         * @throws GrammarException where the grammar can be read in too many ways
         */
        State next(int value) {
            int byteClass = automaton.byteClass(value);
            State known = next[byteClass];
            if (known == null) {
                known = step(places, value);
                next[byteClass] = known;
            }
            return known == dead ? null : known;
        }
    }

    private final Automaton automaton;
    private final Map<Set<Place>, State> states = new HashMap<>();
    private final State dead;
    private final State start;

    States(Automaton automaton) {
        this.automaton = automaton;
        this.dead = new State(new Place[0], false);
        this.start = close(new Place(automaton.start(), null));
    }

    State start() {
        return start;
    }

    private State step(Place[] places, int value) {
        Deque<Place> open = new ArrayDeque<>();
        for (Place place : places) {
            Node node = automaton.node(place.node());
            int[] edges = node.edges();
            for (int i = 0; i < edges.length; i += 2) {
                if (value >= edges[i] && value <= edges[i + 1]) {
                    open.add(new Place(node.targets()[i / 2], place.stack()));
                }
            }
        }
        return open.isEmpty() ? dead : close(open.toArray(Place[]::new));
    }

    /** Goes on from the places as far as it goes without a byte. */
    private State close(Place... from) {
        Deque<Place> open = new ArrayDeque<>(Arrays.asList(from));
        Set<Place> seen = new HashSet<>(open);
        Set<Place> kept = new HashSet<>();
        boolean accepting = false;
        while (!open.isEmpty()) {
            Place place = open.pop();
            Node node = automaton.node(place.node());
            switch (node.kind()) {
                case BYTES -> kept.add(place);
                case FORK -> {
                    for (int target : node.targets()) {
                        reach(new Place(target, place.stack()), seen, open);
                    }
                }
                case CALL -> reach(new Place(node.targets()[0], Frame.on(place.stack(), place.node(), 0)), seen, open);
                case COUNT -> {
                    if (node.least() == 0) {
                        reach(new Place(node.targets()[1], place.stack()), seen, open);
                    }
                    reach(new Place(node.targets()[0], Frame.on(place.stack(), place.node(), 1)), seen, open);
                }
                case END -> {
                    if (place.stack() == null) {
                        accepting = true;
                    } else {
                        end(place.stack(), seen, open);
                    }
                }
            }
            if (seen.size() > MOST_PLACES) {
                throw new GrammarException("it can be read in too many ways at once; make it less ambiguous");
            }
        }
        return state(kept, accepting);
    }

    private void end(Frame frame, Set<Place> seen, Deque<Place> open) {
        Node node = automaton.node(frame.node());
        if (node.kind() == Automaton.Kind.CALL) {
            reach(new Place(node.targets()[1], frame.parent()), seen, open);
            return;
        }
        if (frame.turns() >= node.least()) {
            reach(new Place(node.targets()[1], frame.parent()), seen, open);
        }
        if (frame.turns() < node.most()) {
            // Without a bound nothing changes once there are enough.
            boolean enough = node.most() == Expression.UNBOUNDED && frame.turns() >= node.least();
            int turns = enough ? frame.turns() : frame.turns() + 1;
            reach(new Place(node.targets()[0], Frame.on(frame.parent(), frame.node(), turns)), seen, open);
        }
    }

    private static void reach(Place place, Set<Place> seen, Deque<Place> open) {
        if (seen.add(place)) {
            open.push(place);
        }
    }

    private State state(Set<Place> places, boolean accepting) {
        // Where the text may end is part of the state: an end leaves no place behind.
        Set<Place> key = accepting ? withEnd(places) : places;
        State known = states.get(key);
        if (known == null) {
            if (states.size() >= MOST_STATES) {
                states.clear();
            }
            known = new State(places.toArray(Place[]::new), accepting);
            states.put(key, known);
        }
        return known;
    }

    private static Set<Place> withEnd(Set<Place> places) {
        Set<Place> all = new HashSet<>(places);
        all.add(new Place(Automaton.END, null));
        return all;
    }
}
