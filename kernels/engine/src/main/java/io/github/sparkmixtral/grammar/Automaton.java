package io.github.sparkmixtral.grammar;

import io.github.sparkmixtral.grammar.Expression.Characters;
import io.github.sparkmixtral.grammar.Expression.Choice;
import io.github.sparkmixtral.grammar.Expression.Reference;
import io.github.sparkmixtral.grammar.Expression.Repeat;
import io.github.sparkmixtral.grammar.Expression.Sequence;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A grammar as a pushdown automaton over bytes that may be in several places at once. A place is a node and a stack of
 * {@linkplain States.Frame frames}, one for each rule and each counted repetition that is under way. Immutable.
 */
final class Automaton {
    /** More nodes than this are refused: a constraint is a form, not a dictionary. */
    private static final int MOST_NODES = 400_000;

    /** What can be done at a node. */
    enum Kind {
        /** Takes a byte. */
        BYTES,
        /** Goes on at each of its targets. */
        FORK,
        /** Begins a rule, its first target, and goes on at the second one when that is done. */
        CALL,
        /** Begins a counted repetition of its first target, and goes on at the second one. */
        COUNT,
        /** Ends a rule or a turn of a repetition, or the text. */
        END
    }

    /**
     * A node.
     *
     * @param targets for {@code BYTES}, one for each edge
     * @param edges for {@code BYTES}: least and most byte of each edge by turns, unsigned
     * @param least turns of a {@code COUNT}
     * @param most turns of a {@code COUNT}
     */
    record Node(Kind kind, int[] targets, int[] edges, int least, int most) {}

    static final int END = 0;

    private static final int[] NONE = {};

    private final List<Node> nodes = new ArrayList<>();
    private final Map<String, Integer> ruleStarts = new HashMap<>();
    private final Map<CharactersAt, Integer> characters = new HashMap<>();
    private final int start;
    private final byte[] byteClasses = new byte[256];
    private int classes;

    private record CharactersAt(CodePoints set, int next) {}

    Automaton(Grammar grammar) {
        add(Kind.END, NONE);
        // Every rule has its place before any rule is compiled, for they use each other.
        for (String rule : grammar.rules().keySet()) {
            ruleStarts.put(rule, add(Kind.FORK, new int[1]));
        }
        grammar.rules()
                .forEach((rule, expression) -> node(ruleStarts.get(rule)).targets()[0] = compile(expression, END));
        start = ruleStarts.get(grammar.root());
        findByteClasses();
    }

    int start() {
        return start;
    }

    Node node(int index) {
        return nodes.get(index);
    }

    /** Bytes of one class go everywhere together. */
    int byteClass(int value) {
        return byteClasses[value] & 0xFF;
    }

    int classes() {
        return classes;
    }

    private int add(Kind kind, int[] targets) {
        return add(new Node(kind, targets, NONE, 0, 0));
    }

    private int add(Node node) {
        if (nodes.size() == MOST_NODES) {
            throw new GrammarException("it is too large: more than " + MOST_NODES
                    + " places in a text would have to be told apart; make it simpler");
        }
        nodes.add(node);
        return nodes.size() - 1;
    }

    /** Where the expression begins, if {@code next} comes after it. */
    private int compile(Expression expression, int next) {
        return switch (expression) {
            case Characters set -> characters.computeIfAbsent(new CharactersAt(set.set(), next), this::bytes);
            case Sequence sequence -> {
                int at = next;
                for (Expression part : sequence.parts().reversed()) {
                    at = compile(part, at);
                }
                yield at;
            }
            case Choice choice ->
                add(
                        Kind.FORK,
                        choice.alternatives().stream()
                                .mapToInt(alternative -> compile(alternative, next))
                                .toArray());
            case Repeat repeat -> repeat(repeat, next);
            case Reference reference -> {
                int rule = ruleStarts.get(reference.rule());
                // What comes last needs no way back, so that lists do not pile up frames.
                yield next == END ? rule : add(Kind.CALL, new int[] {rule, next});
            }
        };
    }

    private int repeat(Repeat repeat, int next) {
        if (repeat.most() == 0) {
            return next;
        }
        if (repeat.least() <= 1 && repeat.most() == 1) {
            int once = compile(repeat.body(), next);
            return repeat.least() == 1 ? once : add(Kind.FORK, new int[] {once, next});
        }
        if (repeat.least() <= 1 && repeat.most() == Expression.UNBOUNDED) {
            int[] targets = new int[2];
            int loop = add(Kind.FORK, targets);
            int once = compile(repeat.body(), loop);
            targets[0] = once;
            targets[1] = next;
            return repeat.least() == 1 ? once : loop;
        }
        int body = compile(repeat.body(), END);
        return add(new Node(Kind.COUNT, new int[] {body, next}, NONE, repeat.least(), repeat.most()));
    }

    private int bytes(CharactersAt at) {
        // Runs that end alike share their nodes.
        List<int[]> first = new ArrayList<>();
        Map<String, Integer> built = new HashMap<>();
        Utf8.runs(at.set(), (least, most) -> {
            int target = at.next();
            for (int i = least.length - 1; i > 0; i--) {
                int[] edge = {least[i] & 0xFF, most[i] & 0xFF, target};
                target = built.computeIfAbsent(
                        Arrays.toString(edge),
                        _ -> add(new Node(Kind.BYTES, new int[] {edge[2]}, new int[] {edge[0], edge[1]}, 0, 0)));
            }
            first.add(new int[] {least[0] & 0xFF, most[0] & 0xFF, target});
        });
        int[] targets = first.stream().mapToInt(edge -> edge[2]).toArray();
        int[] edges =
                first.stream().flatMapToInt(edge -> Arrays.stream(edge, 0, 2)).toArray();
        return add(new Node(Kind.BYTES, targets, edges, 0, 0));
    }

    private void findByteClasses() {
        boolean[] begins = new boolean[257];
        begins[0] = true;
        for (Node node : nodes) {
            for (int i = 0; i < node.edges().length; i += 2) {
                begins[node.edges()[i]] = true;
                begins[node.edges()[i + 1] + 1] = true;
            }
        }
        int current = -1;
        for (int value = 0; value < 256; value++) {
            current += begins[value] ? 1 : 0;
            byteClasses[value] = (byte) current;
        }
        classes = current + 1;
    }
}
