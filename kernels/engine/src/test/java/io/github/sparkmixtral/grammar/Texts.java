package io.github.sparkmixtral.grammar;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** What a grammar takes, asked byte by byte. */
final class Texts {
    private Texts() {}

    static boolean isWhole(Grammar grammar, String text) {
        return isWhole(new States(new Automaton(grammar)).start(), text);
    }

    static boolean isWhole(States.State from, String text) {
        States.State state = walk(from, text);
        return state != null && state.accepting();
    }

    static boolean isBeginning(Grammar grammar, String text) {
        return walk(new States(new Automaton(grammar)).start(), text) != null;
    }

    private static States.State walk(States.State from, String text) {
        States.State state = from;
        for (byte value : text.getBytes(StandardCharsets.UTF_8)) {
            state = state == null ? null : state.next(value & 0xFF);
        }
        return state;
    }

    /** A random text of the grammar; null if it does not come to an end by itself. */
    static String random(States states, Random random, int mostBytes) {
        States.State state = states.start();
        byte[] bytes = new byte[mostBytes];
        for (int length = 0; length < mostBytes; length++) {
            if (state.isLast() || state.accepting() && random.nextInt(4) == 0) {
                return new String(bytes, 0, length, StandardCharsets.UTF_8);
            }
            List<Integer> possible = new ArrayList<>();
            for (int value = 0; value < 256; value++) {
                if (state.next(value) != null) {
                    possible.add(value);
                }
            }
            // What closes something comes often enough for the text to end.
            List<Integer> closing = possible.stream()
                    .filter(value -> "\"]},:".indexOf(value) >= 0)
                    .toList();
            List<Integer> from = !closing.isEmpty() && random.nextInt(3) == 0 ? closing : possible;
            int value = from.get(random.nextInt(from.size()));
            bytes[length] = (byte) value;
            state = state.next(value);
        }
        return null;
    }
}
