package io.github.sparkmixtral.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ConstraintTest {
    private static final String[] PIECES = {
        null, "{", "}", "\"", "\"n", "\"name", " \"", "name", "na", "me", "\":", ":", " ", "  ", "1", "12", " 1", ",",
        "true", "é", "\n", "", "ab", "abc", "bc", "b", "a", "c", "😀"
    };

    private static final TokenTrie TRIE = trie();

    /** The pieces, every byte, and rows of the head that are no token. */
    private static TokenTrie trie() {
        byte[][] tokens = new byte[PIECES.length + 256][];
        for (int i = 0; i < PIECES.length; i++) {
            tokens[i] = PIECES[i] == null ? null : PIECES[i].getBytes(StandardCharsets.UTF_8);
        }
        for (int value = 0; value < 256; value++) {
            tokens[PIECES.length + value] = new byte[] {(byte) value};
        }
        return new TokenTrie(tokens.length + 5, tokens);
    }

    private static Constraint constraint(Kind kind, String text) {
        return new Constraints(TRIE).of(new StructuredOutput(kind, text));
    }

    private static List<String> allowed(Constraint.Text text) {
        List<String> allowed = new ArrayList<>();
        for (int id = 0; id < PIECES.length; id++) {
            if (isAllowed(text.allowed(), id)) {
                allowed.add(PIECES[id]);
            }
        }
        return allowed;
    }

    private static boolean isAllowed(long[] mask, int id) {
        return (mask[id >> 6] >>> id & 1) != 0;
    }

    @Test
    void tokensMayReachOverTheBordersOfWhatTheyAreMadeFor() {
        Constraint.Text text = constraint(
                        Kind.JSON, "{\"properties\": {\"name\": {\"type\": \"integer\"}}, \"required\": [\"name\"]}")
                .begin(false);
        assertThat(allowed(text)).containsExactly("{");
        text.append(1);
        assertThat(allowed(text)).containsExactly("\"", "\"n", "\"name", " \"", " ", "\n");
        text.append(5);
        assertThat(allowed(text)).containsExactly("\"", "\":");
        text.append(10);
        assertThat(allowed(text)).containsExactly(" ", "1", "12", " 1");
        text.append(15);
        assertThat(allowed(text)).containsExactly("}", " ", "1", "12", "\n");
        assertThat(text.mayEnd()).isFalse();
        text.append(2);
        assertThat(text.mustEnd()).isTrue();
        assertThat(allowed(text)).isEmpty();
    }

    @Test
    void theSpaceOfAFirstTokenIsNoPartOfAnAnswer() {
        Constraint constraint = constraint(Kind.REGEX, "12?");
        assertThat(allowed(constraint.begin(false))).containsExactly("1", "12");
        Constraint.Text text = constraint.begin(true);
        assertThat(allowed(text)).containsExactly(" ", "1", "12", " 1");
        text.append(16);
        assertThat(text.mayEnd()).isTrue();
        assertThat(text.mustEnd()).isFalse();
        assertThat(allowed(text)).isEmpty();
        Constraint.Text space = constraint.begin(true);
        space.append(12);
        assertThat(allowed(space)).containsExactly("1", "12");
    }

    @Test
    void aTextMayHaveBegunAlready() {
        Constraint.Text text = constraint(Kind.CHOICE, "[\"abcab\", \"abb\"]").begin(false);
        assertThat(text.append("ab")).isTrue();
        assertThat(allowed(text)).containsExactly("b", "c");
        assertThat(constraint(Kind.CHOICE, "[\"abcab\", \"abb\"]").begin(false).append("b"))
                .isFalse();
    }

    @Test
    void charactersMayComeInBytes() {
        Constraint.Text text = constraint(Kind.REGEX, "[é😀]").begin(false);
        assertThat(allowed(text)).containsExactly("é", "😀");
        text.append(PIECES.length + 0xF0);
        assertThat(allowed(text)).isEmpty();
        for (int value : new int[] {0x9F, 0x98}) {
            assertThat(isAllowed(text.allowed(), PIECES.length + value)).isTrue();
            text.append(PIECES.length + value);
        }
        assertThat(isAllowed(text.allowed(), PIECES.length + 0x81)).isFalse();
        text.append(PIECES.length + 0x80);
        assertThat(text.mustEnd()).isTrue();
        assertThatExceptionOfType(IllegalArgumentException.class).isThrownBy(() -> text.append(5));
    }

    /** The walk over the tree against asking for each token by itself, along random texts. */
    @Test
    void masksAreThoseOfEachTokenByItself() {
        String[] schemas = {
            "{\"type\": \"object\"}",
            "{\"properties\": {\"name\": {\"type\": \"string\", \"maxLength\": 5}, \"na\": {}}, \"required\": [\"name\"]}",
            "{\"type\": \"array\", \"items\": {\"enum\": [1, 12, \"abc\", \"ab\", true]}, \"minItems\": 3}"
        };
        Random random = new Random(5);
        for (String schema : schemas) {
            Constraint constraint = constraint(Kind.JSON, schema);
            for (int run = 0; run < 20; run++) {
                List<Integer> tokens = new ArrayList<>();
                Constraint.Text text = constraint.begin(true);
                while (!text.mustEnd() && tokens.size() < 40) {
                    long[] mask = text.allowed();
                    List<Integer> possible = new ArrayList<>();
                    for (int id = 0; id < PIECES.length + 261; id++) {
                        boolean taken = takes(schema, tokens, id);
                        assertThat(isAllowed(mask, id))
                                .as(tokens + " then " + id)
                                .isEqualTo(taken);
                        if (taken) {
                            possible.add(id);
                        }
                    }
                    if (possible.isEmpty()) {
                        break;
                    }
                    int next = possible.get(random.nextInt(possible.size()));
                    tokens.add(next);
                    text.append(next);
                }
            }
        }
    }

    private static final java.util.Map<String, Constraint> ORACLES = new java.util.HashMap<>();

    private static boolean takes(String schema, List<Integer> tokens, int last) {
        byte[] bytes = TRIE.bytes(last);
        if (bytes == null || bytes.length == 0) {
            return false;
        }
        Constraint.Text text = ORACLES.computeIfAbsent(schema, key -> constraint(Kind.JSON, key))
                .begin(true);
        tokens.forEach(text::append);
        try {
            text.append(last);
            return true;
        } catch (IllegalArgumentException refused) {
            return false;
        }
    }
}
