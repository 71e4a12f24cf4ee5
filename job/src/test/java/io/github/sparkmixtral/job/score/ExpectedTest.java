package io.github.sparkmixtral.job.score;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.github.sparkmixtral.job.options.ExpectedMatch;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExpectedTest {

    private static boolean isRight(ExpectedMatch match, String expected, String answer) {
        return Expected.of(match, expected).applyAsDouble(answer) == 1;
    }

    private static void refused(ExpectedMatch match, String expected, String fault) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Expected.of(match, expected))
                .withMessage(fault);
    }

    @Test
    void exactPassesOverWhiteSpaceAtTheEndsOnly() {
        assertThat(isRight(ExpectedMatch.EXACT, "yes\r\n", " yes")).isTrue();
        assertThat(isRight(ExpectedMatch.EXACT, "", "\n")).isTrue();
        assertThat(isRight(ExpectedMatch.EXACT, "yes", "Yes")).isFalse();
        assertThat(isRight(ExpectedMatch.EXACT, "a b", "a  b")).isFalse();
    }

    @Test
    void containsLooksForTheTextAnywhere() {
        assertThat(isRight(ExpectedMatch.CONTAINS, " Paris\n", "It is Paris.")).isTrue();
        assertThat(isRight(ExpectedMatch.CONTAINS, "paris", "It is Paris.")).isFalse();
        assertThat(isRight(ExpectedMatch.CONTAINS, "a.c", "abc")).isFalse();
        refused(ExpectedMatch.CONTAINS, " ", "empty");
    }

    @Test
    void regexIsFoundAnywhereUnlessItSaysOtherwise() {
        assertThat(isRight(ExpectedMatch.REGEX, "(?i)\\bparis\\b", "It is PARIS."))
                .isTrue();
        assertThat(isRight(ExpectedMatch.REGEX, "^\\d+$", "12 apples")).isFalse();
        assertThat(isRight(ExpectedMatch.REGEX, "(?<=x)y", "xy")).isTrue();
        refused(ExpectedMatch.REGEX, "(a", "no regular expression: Unclosed group near index 2");
        refused(ExpectedMatch.REGEX, "", "empty");
    }

    @Test
    @Timeout(20)
    void regexThatNeverEndsIsAFault() {
        Expected slow = Expected.of(ExpectedMatch.REGEX, "^(a+)+\\1$");
        Expected deep = Expected.of(ExpectedMatch.REGEX, "^(ab|c)*d$");

        assertThatIllegalArgumentException()
                .isThrownBy(() -> slow.applyAsDouble("a".repeat(60) + "!"))
                .withMessage("a regular expression that takes too long in an answer");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> deep.applyAsDouble("ab".repeat(1_000_000)))
                .withMessage("a regular expression that nests too deeply in an answer");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            18              | The answer is 18.                       | true
            18              | 9 eggs * $2 = $18                       | true
            18              | 18 is what I say, not 17                | false
            3               | 3.0                                     | true
            3.0             | 3                                       | true
            1234            | 1,234                                   | true
            `1,234`         | about $1,234.00!                        | true
            1234567         | 1 234 567 1,234,567                     | true
            1234567         | 1\u202F234\u00A0567                     | true
            3               | 1,2,3                                   | true
            2345            | 1,2345                                  | true
            -5              | x = -5                                  | true
            -5              | (−5)                                    | true
            -5              | -$5                                     | true
            3               | 10-3                                    | true
            3               | 10 - 3                                  | true
            7               | A-7                                     | true
            0.5             | it is .5                                | true
            3               | version 1.2.3                           | true
            1000            | 1e3                                     | true
            0.00012         | 1.2E-4                                  | true
            45              | 45%                                     | true
            72              | \\boxed{72}                             | true
            72              | #### 72                                 | true
            7               | seven                                   | false
            1               | 12                                      | false
            0               | -0.0                                    | true
            5               | $5m                                     | true
            `So 5 #### 1,0` | 0                                       | true
            """)
    void numberIsTheLastOne(String expected, String answer, boolean right) {
        assertThat(isRight(ExpectedMatch.NUMBER, expected, answer)).isEqualTo(right);
    }

    @Test
    void labelWithoutANumberIsAFault() {
        refused(ExpectedMatch.NUMBER, "many", "a text without a number");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '§', textBlock = """
            {"a": 1, "b": [2]} | {"b":[2.0], "a":1} | true
            {"a": 1} | {"a": 1, "b": null} | false
            {"a": [1, 2]} | {"a": [2, 1]} | false
            {"a": "1"} | {"a": 1} | false
            {"a": 1} | Here you are:~```json~{"a": 1}~```~Bye. | true
            {"a": 1} | {x} is {"b": 2}~```~{"a": 1}~``` | true
            {"a": 1} | Sure [1]: {"a": 1} and {"a": 2} | true
            {"a": 2} | Sure [1]: {"a": 1} and {"a": 2} | false
            {"a": 1} | {name}: {"a": 1} | true
            {"a": 1} | {"a": 1 | false
            [1] | The list is [1], I think | true
            "yes" | "yes" | true
            "yes" | yes | false
            3 | 3.0 | true
            3 | it is 3 | false
            3 | ```~3~``` | true
            null | null | true
            0.1 | 0.10000000000000001 | false
            {"é": "日本"} | {"\\u00e9": "\\u65e5\\u672c"} | true
            """)
    void jsonIsTheSameValue(String expected, String answer, boolean right) {
        assertThat(isRight(ExpectedMatch.JSON, expected, answer.replace('~', '\n')))
                .isEqualTo(right);
    }

    @Test
    @Timeout(20)
    void jsonIsFoundOrNotInLongAnswers() {
        Expected array = Expected.of(ExpectedMatch.JSON, "[1]");

        assertThat(array.applyAsDouble("[".repeat(100_000))).isZero();
        assertThat(array.applyAsDouble("[x".repeat(1000) + "[1]")).isOne();
        assertThat(array.applyAsDouble("")).isZero();
        refused(ExpectedMatch.JSON, "{\"a\": 1} and more", "no JSON value");
        refused(ExpectedMatch.JSON, "", "no JSON value");
    }

    @Test
    void textThatIsAnArrayOfStringsAcceptsEach() {
        String list = "[\"yes\", \"y\"]";

        assertThat(Expected.accepted(ExpectedMatch.CONTAINS, list)).containsExactly("yes", "y");
        assertThat(Expected.accepted(ExpectedMatch.EXACT, list)).containsExactly("yes", "y", list);
        assertThat(Expected.accepted(ExpectedMatch.JSON, list)).containsExactly(list);
        String squad = "{\"text\": [\"Rhine\", \"the Rhine\"], \"answer_start\": [3, 0]}";
        assertThat(Expected.accepted(ExpectedMatch.F1, squad)).containsExactly("Rhine", "the Rhine");
        assertThat(Expected.accepted(ExpectedMatch.F1, "[{\"text\": \"Rhine\", \"answer_start\": 3}]"))
                .containsExactly("Rhine");
        assertThat(Expected.accepted(ExpectedMatch.EXACT, "{\"text\": [], \"answer_start\": []}"))
                .isEmpty();
        for (String one : List.of(
                "{2}", "{\"text\": \"a\"}", "{\"a\": [\"b\"]}", "[0-9]", "[12]", "[]", "[a", "yes", "", "[\"a\", 1]")) {
            assertThat(Expected.accepted(ExpectedMatch.REGEX, one)).containsExactly(one);
        }
    }
}
