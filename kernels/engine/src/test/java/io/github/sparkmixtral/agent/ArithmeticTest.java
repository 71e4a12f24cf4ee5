package io.github.sparkmixtral.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ArithmeticTest {

    /** The right column is what Python gives, but for whole quotients (6 / 2) and what floating point rounds (0.1 + 0.2). */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "output = 7 * math.sqrt(512) | 158.39191898578665",
                "output = 512 ** 0.5 * 7 | 158.39191898578665",
                "output = 8903 ** 3 | 705682130327",
                "output = 94 * 155 / 100 | 145.7",
                "output = (12 + 345) * 6 | 2142",
                "74 / 279 | 0.26523297491039427",
                "6 / 2 | 3",
                "0.1 + 0.2 | 0.3",
                "7 // 2 | 3",
                "-7 // 2 | -4",
                "-7 % 3 | 2",
                "7 % -3 | -2",
                "7.5 % 2 | 1.5",
                "-2 ** 2 | -4",
                "2 ** -1 | 0.5",
                "2 ** 3 ** 2 | 512",
                "2 ** 100 | 1267650600228229401496703205376",
                "1.0001 ** 10000 | 2.718145926825225",
                "0 ** 0 | 1",
                "10 ** 50 | 1e+50",
                "1 / 3 * 1e-9 | 3.333333333333333e-10",
                "1_000 + 1 | 1001",
                "--3 | 3",
                "abs(-3) + max(1, 2, 3) - min(4, 5) | 2",
                "round(2.5) | 2",
                "round(158.39191898, 2) | 158.39",
                "math.floor(-2.5) + math.ceil(2.1) | 0",
                "math.log(math.e) | 1",
                "log(8, 2) | 3",
                "log10(1000) | 3",
                "math.sin(math.pi / 2) | 1",
                "math.degrees(math.pi) | 180",
                "factorial(20) | 2432902008176640000",
                "math.comb(5, 2) + math.perm(5, 2) | 30",
                "math.gcd(12, 18) | 6",
                "int(3.9) | 3",
            })
    void calculatesAsPythonDoes(String expression, String expected) {
        assertThat(Arithmetic.value(expression)).isEqualTo(expected);
    }

    @Test
    void lastLineCountsUnlessOutputIsSet() {
        assertThat(Arithmetic.value(
                        "import math\nr = 3  # metres\narea = math.pi * r ** 2\noutput = round(area, 2)\nr = 1"))
                .isEqualTo("28.27");
        assertThat(Arithmetic.value("a = 2; b = a + 1; a * b")).isEqualTo("6");
        assertThat(Arithmetic.value("total = 1\ntotal += 2 * 3\ntotal **= 2\nprint(total)"))
                .isEqualTo("49");
        assertThat(Arithmetic.value("e = 5\ne + 1")).isEqualTo("6");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "output = 1 / 0 | cannot calculate '1 / 0': division by zero",
                "0 ** -1 | division by zero",
                "7 % 0 | division by zero",
                "output = x + 1 | cannot calculate 'x + 1': Variable or constant value for 'x' not found",
                "__import__(1) | Undefined function '__import__'",
                "open(1) | Undefined function 'open'",
                "2 ^ 3 | Undefined operator '^'",
                "1 + | cannot calculate '1 +'",
                "\"a\" + 1 | needs numbers",
                "sqrt(-1) | the square root of a negative number",
                "(-8) ** 0.5 | the result is not a finite real number",
                "log(0) | the logarithm of a number that is not positive",
                "sqrt() | sqrt takes 1 numbers, not 0",
                "9 ** 99999 | the result has more than 1000 digits",
                "9 ** 9 ** 9 | is too large",
                "1e999999999 + 1 | a number has an exponent of more than three digits",
                "factorial(100000) | 100000 is not between 0 and 400",
                "round(1.5, 100000) | more than 100 places",
                "A = 1; a = 2 | the names A and a differ in case alone",
                "# nothing | there is nothing to calculate: set output",
                "[1, 2] | cannot calculate",
                "x = y = 3 | cannot calculate",
                "a.b | cannot calculate",
            })
    void whatItCannotDoIsSaid(String expression, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Arithmetic.value(expression))
                .withMessageContaining(message);
    }

    @Test
    @Timeout(value = 5, unit = TimeUnit.SECONDS)
    void whatIsLargeEndsSoon() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Arithmetic.value("1 + ".repeat(1000)))
                .withMessageContaining("more than 2000 characters");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Arithmetic.value("(".repeat(500) + "1" + ")".repeat(500)))
                .withMessageContaining("more than 100 parentheses");
        assertThat(Arithmetic.value("1" + "+1".repeat(990))).isEqualTo("991");
        assertThat(Arithmetic.value("-".repeat(1990) + "1")).isEqualTo("1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Arithmetic.value("x = 9 ** 900; " + "x = x * x; ".repeat(100)))
                .withMessageContaining("more than 1000 digits");
        assertThat(Arithmetic.value("x = 1.23456789e-99; " + "x = x * x; ".repeat(100)))
                .isEqualTo("0");
        assertThat(Arithmetic.value("1e999 // 7 % 3")).matches("\\d.*");
        assertThat(Arithmetic.value("sqrt(1e999)")).isNotEmpty();
    }
}
