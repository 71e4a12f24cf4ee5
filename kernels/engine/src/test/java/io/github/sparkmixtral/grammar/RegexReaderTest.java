package io.github.sparkmixtral.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RegexReaderTest {
    private static Grammar grammar(Expression expression) {
        return Grammar.of("root", Map.of("root", expression));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[ab]*c",
                "a|bc|",
                "(?:a|b){2,3}c?",
                "(a(b|c)*)+",
                "[^a]b+?",
                "(?<x>ab|c)\\w\\d{2}",
                "(?P<x>ab|c)\\d",
                "\\d+(\\.\\d{1,2})?",
                "a\\.b\\\\\\-[\\]^-]",
                "[a-c1-3_]{0,4}",
                "x{2}y{1,}z{0}",
                "\\u0061\\x62[\\u0063-\\u0064]",
                "\\p{L}\\p{Nd}?\\P{Lu}",
                "(|a)b"
            })
    void takesWhatJavaTakes(String regex) {
        Grammar whole = grammar(RegexReader.whole(regex));
        Grammar anywhere = grammar(RegexReader.anywhere(regex));
        Pattern pattern =
                Pattern.compile(regex.replace("[\\]^-]", "[\\]\\^\\-]").replace("(?P<", "(?<"));
        Random random = new Random(1);
        States states = new States(new Automaton(whole));
        for (int i = 0; i < 300; i++) {
            String own = Texts.random(states, random, 60);
            String other = random.ints(random.nextInt(6), 0, 16)
                    .mapToObj(index -> "abcd123._-\\] \nxy".substring(index, index + 1))
                    .reduce("", String::concat);
            if (own != null) {
                assertThat(pattern.matcher(own).matches()).as(own).isTrue();
            }
            assertThat(Texts.isWhole(whole, other))
                    .as(other)
                    .isEqualTo(pattern.matcher(other).matches());
            assertThat(Texts.isWhole(anywhere, other))
                    .as(other)
                    .isEqualTo(pattern.matcher(other).find());
        }
    }

    /** Look-aheads at the beginning, in whole texts and in parts of some. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "^(?=.*a)[abc]{2,4}",
                "^(?!a|bc)[abc]*$",
                "^(?!.*aa)(?=.*c$)(?:a|bc|c)+$",
                "^(?=(?:..)*$)(?!$)a*b?",
                "^(?!)a",
                "^(?=)a",
                "^(?=[^a]*a[^a]*$).{1,3}$"
            })
    void looksAheadAsJavaDoes(String regex) {
        Pattern pattern = Pattern.compile(regex);
        RegexReader.Conditions whole = RegexReader.wholeAhead(regex);
        RegexReader.Conditions anywhere = RegexReader.anywhereAhead(regex);
        List<String> texts = new ArrayList<>(List.of(""));
        for (int i = 0; texts.size() < 600; i++) {
            for (String next : new String[] {"a", "b", "c", "é"}) {
                texts.add(texts.get(i) + next);
            }
        }
        States wholes = together(whole);
        States parts = together(anywhere);
        for (String text : texts) {
            assertThat(wholes != null && Texts.isWhole(wholes.start(), text))
                    .as(text)
                    .isEqualTo(pattern.matcher(text).matches());
            assertThat(parts != null && Texts.isWhole(parts.start(), text))
                    .as(text)
                    .isEqualTo(pattern.matcher(text).find());
        }
    }

    /** Null if there is no such text. */
    private static States together(RegexReader.Conditions conditions) {
        Map<String, Expression> rules =
                new Intersection(conditions.taken(), conditions.refused()).rules("root", Expression::characters);
        return rules.isEmpty() ? null : new States(new Automaton(Grammar.of("root", rules)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '~',
            value = {
                "(?=a)a|b ~ the regular expression has an alternative to a look-ahead, which is not supported: put the alternatives into a group, at character 7 of (?=a)a|b",
                "(?=a ~ the regular expression has a ( without a ), at character 1 of (?=a",
                "a(?=b) ~ the regular expression has a look-around or a flag, which is not supported, at character 2 of a(?=b)",
                "(?!a)a ~ the regular expression (?!a)a matches no text",
                "(?=(?:(?:(?:a?){99}){99}){99}).* ~ the regular expression would have to tell too many places in a string apart (the most is 3000): make it simpler or shorter",
                "(?=.{9000}).* ~ the regular expression would have to tell too many places in a string apart (the most is 3000): make it simpler or shorter"
            })
    void saysWhatIsWrongWithALookAhead(String regex, String message) {
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> new StructuredOutput(StructuredOutput.Kind.REGEX, regex).grammar())
                .withMessage(message);
    }

    @Test
    void setsAreThoseOfEcmaScript() {
        Grammar grammar = grammar(RegexReader.whole(".\\s\\w"));
        assertThat(Texts.isWhole(grammar, "é\u00A0a")).isTrue();
        assertThat(Texts.isWhole(grammar, "\u0085\n_")).isTrue();
        assertThat(Texts.isWhole(grammar, "\n a")).isFalse();
        assertThat(Texts.isWhole(grammar, "a é")).isFalse();
    }

    /** Each character of the Unicode version that this JVM knows. */
    @Test
    void categoriesAreThoseOfJava() {
        for (String regex : new String[] {"\\p{Zs}", "\\p{L}", "\\p{gc=Nd}", "\\p{C}", "\\p{Cn}", "\\P{Pf}", "\\s"}) {
            States.State start = new States(new Automaton(grammar(RegexReader.whole(regex)))).start();
            Pattern pattern = regex.equals("\\s")
                    ? Pattern.compile("[\\p{Zs}\t\n\u000B\f\r\u2028\u2029\uFEFF]")
                    : Pattern.compile(regex);
            for (int codePoint = 0; codePoint <= Character.MAX_CODE_POINT; codePoint++) {
                if (codePoint < Character.MIN_SURROGATE || codePoint > Character.MAX_SURROGATE) {
                    String text = Character.toString(codePoint);
                    if (Texts.isWhole(start, text) != pattern.matcher(text).matches()) {
                        throw new AssertionError(regex + " and U+" + Integer.toHexString(codePoint));
                    }
                }
            }
        }
    }

    @Test
    void anchorsHoldWhereSomethingIsSearched() {
        assertThat(Texts.isWhole(grammar(RegexReader.anywhere("^ab")), "abc")).isTrue();
        assertThat(Texts.isWhole(grammar(RegexReader.anywhere("^ab")), "xab")).isFalse();
        assertThat(Texts.isWhole(grammar(RegexReader.anywhere("ab$|^c")), "xab"))
                .isTrue();
        assertThat(Texts.isWhole(grammar(RegexReader.anywhere("^ab$")), "abx")).isFalse();
        assertThat(Texts.isWhole(grammar(RegexReader.whole("^ab$")), "ab")).isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '~',
            value = {
                "a(b ~ has a ( without a ), at character 2 of a(b",
                "a)b ~ has a ) without a (, at character 2 of a)b",
                "[ab ~ has a [ without a ], at character 1 of [ab",
                "*a ~ has nothing to repeat, at character 1 of *a",
                "a{2,1} ~ has a wrong {, at character 2 of a{2,1}",
                "a{x} ~ has a wrong {, at character 2 of a{x}",
                "(?=a) ~ has a look-around or a flag, which is not supported, at character 1 of (?=a)",
                "(?i)a ~ has a look-around or a flag, which is not supported, at character 1 of (?i)a",
                "(a)\\1 ~ has \\1, which is not supported, at character 4 of (a)\\1",
                "\\bx ~ has \\b, which is not supported, at character 1 of \\bx",
                "a^b ~ has an anchor in the middle, which is not supported, at character 2 of a^b",
                "(a$)b ~ has an anchor in the middle, which is not supported, at character 3 of (a$)b",
                "[b-a] ~ has a wrong range, at character 2 of [b-a]",
                "\\uD800 ~ has half a character in \\u, at character 1 of \\uD800",
                "a\\ ~ ends with a backslash, at character 2 of a\\",
                "a++ ~ has a possessive quantifier, which is not supported, at character 3 of a++",
                "\\p{Greek} ~ has a Unicode property other than the general categories, which is not supported, at character 1 of \\p{Greek}"
            })
    void saysWhatIsWrongWithARegularExpression(String regex, String message) {
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> RegexReader.whole(regex))
                .withMessage("the regular expression " + message);
    }
}
