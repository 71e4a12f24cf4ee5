package io.github.sparkmixtral.job.inference;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.sparkmixtral.job.inference.AnswerParser.Parsed;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AnswerParserTest {
    private static Parsed parse(String ddl, String answer) {
        return new AnswerParser(DataType.fromDDL(ddl), true).parse(answer.replace('\'', '"'), false);
    }

    @Test
    void readsEveryKindOfValue() {
        Row row = (Row) parse(
                        "s STRING, b BOOLEAN, i INT, l BIGINT, d DOUBLE, m DECIMAL(5,2), day DATE, t TIMESTAMP, a ARRAY<INT>,"
                                + " k MAP<STRING, INT>, o STRUCT<x: TINYINT, y: FLOAT>, gone STRING",
                        "{'s': 'a\\u00e9', 'b': true, 'i': 5.0, 'l': 9223372036854775807, 'd': 1e2, 'm': 1.005, 'day': '2024-02-29',"
                                + " 't': '2024-02-29T23:00:00.1234567+02:00', 'a': [1, null], 'k': {'z': 1, 'a': null}, 'o': {'y': 0.5,"
                                + " 'more': 1}}")
                .value();
        assertThat(row.<String>getAs("s")).isEqualTo("aé");
        assertThat(row.<Boolean>getAs("b")).isTrue();
        assertThat(row.<Integer>getAs("i")).isEqualTo(5);
        assertThat(row.<Long>getAs("l")).isEqualTo(Long.MAX_VALUE);
        assertThat(row.<Double>getAs("d")).isEqualTo(100);
        assertThat(row.<BigDecimal>getAs("m")).isEqualTo(new BigDecimal("1.01"));
        assertThat(row.<LocalDate>getAs("day")).isEqualTo(LocalDate.of(2024, 2, 29));
        assertThat(row.<Instant>getAs("t")).isEqualTo(Instant.parse("2024-02-29T21:00:00.123456Z"));
        assertThat(row.getList(row.fieldIndex("a"))).containsExactly(1, null);
        assertThat(row.getJavaMap(row.fieldIndex("k")).toString()).isEqualTo("{z=1, a=null}");
        Row inner = row.getAs("o");
        assertThat(inner.<Byte>getAs("x")).isNull();
        assertThat(inner.<Float>getAs("y")).isEqualTo(0.5f);
        assertThat(row.<String>getAs("gone")).isNull();
    }

    @Test
    void aStringHoldsCharactersOrTheJsonOfAnythingElse() {
        assertThat(parse("STRING", "'a'").value()).isEqualTo("a");
        assertThat(parse("STRING", " {'a': [1.50, true]}").value()).isEqualTo("{\"a\":[1.50,true]}");
        assertThat(parse("STRING", "null")).isEqualTo(new Parsed(null, null));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            a INT                 | {'a': 2147483648}     | $.a must be a whole number in [-2147483648, 2147483647], not 2147483648
            a BIGINT              | {'a': 1.5}            | $.a must be a whole number in [-9223372036854775808, 9223372036854775807], not 1.5
            a BIGINT              | {'a': 1e99999}        | $.a must be a whole number in [-9223372036854775808, 9223372036854775807], not 1E+99999
            a DOUBLE              | {'a': 1e999}          | $.a must be a number of DOUBLE, not 1E+999
            a DECIMAL(3,2)        | {'a': 9.999}          | $.a must be a number of DECIMAL(3,2), not 9.999
            a DECIMAL(3,2)        | {'a': 1e99999}        | $.a must be a number of DECIMAL(3,2), not 1E+99999
            a DATE                | {'a': '2023-02-29'}   | $.a must be a date such as 2024-12-31, not "2023-02-29"
            a TIMESTAMP           | {'a': '2024-01-01T00:00:00'} | $.a must be a time with its offset such as 2024-12-31T23:59:59Z, not "2024-01-01T00:00:00"
            a ARRAY<STRUCT<b: BOOLEAN>> | {'a': [{}, {'b': 0}]} | $.a[1].b must be true or false, not 0
            a MAP<STRING, INT>    | {'a': {'k': 'v'}}     | $.a.k must be a number, not "v"
            a INT                 | [1]                   | $ must be an object, not [1]
            a INT                 | {'a': 1, 'a': 2}      | the answer is not valid JSON: Duplicate field 'a'
            a INT                 | {'a': 1} x            | the answer is not valid JSON: Unrecognized token 'x': was expecting (JSON String, Number, Array, Object or tok…
            a INT                 | ` `                   | the answer is empty where JSON is wanted
            """)
    void saysWhyThereIsNoValue(String ddl, String answer, String error) {
        assertThat(parse(ddl, answer)).isEqualTo(new Parsed(null, error));
    }

    @Test
    void anAnswerThatWasCutSaysSo() {
        AnswerParser parser = new AnswerParser(DataType.fromDDL("a INT"), true);
        assertThat(parser.parse("{\"a\": 1", true).error())
                .isEqualTo("the answer was cut before its end (finish_reason is length): raise max_tokens");
        assertThat(((Row) parser.parse("{\"a\": 1}", true).value()).getInt(0)).isEqualTo(1);
    }
}
