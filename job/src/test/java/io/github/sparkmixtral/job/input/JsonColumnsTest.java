package io.github.sparkmixtral.job.input;

import static io.github.sparkmixtral.job.SparkFixture.spark;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.github.sparkmixtral.job.fault.JobException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonColumnsTest {

    private static StructType of(Stream<String> lines) {
        List<byte[]> bytes =
                lines.map(line -> line.getBytes(StandardCharsets.UTF_8)).toList();
        return new JsonColumns(RequestReader.nestedFields("messages"))
                .of(spark().createDataset(bytes, Encoders.BINARY()).toDF());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
                    1            | 2               | bigint
                    1            | 2.5             | double
                    1            | NaN             | double
                    -Infinity    | null            | double
                    1            | 12345678901234567890 | decimal(38,0)
                    1e999        | 1               | string
                    123456789012345678901234567890123456789 | 1 | string
                    1            | "a"             | string
                    true         | false           | boolean
                    true         | 1               | string
                    null         | null            | string
                    {"a": 1}     | {"a": 2.5}      | struct<a:double>
                    {"a": null}  | {"a": "x"}      | struct<a:string>
                    {"a": 1}     | {"a": "x"}      | string
                    {"a": 1}     | {"b": 1}        | string
                    {"a": 1}     | {"a": 1, "b": 1} | string
                    {}           | {"a": 1}        | string
                    {"a": 1}     | 5               | string
                    []           | ["a"]           | array<string>
                    [1, 2.5]     | [null]          | array<double>
                    [1, "a"]     | [1]             | string
                    [{"a": 1}, {"a": null}] | []   | array<struct<a:bigint>>
                    [{"a": 1}, {"b": 1}]    | []   | string
                    """)
    void theTypeThatHoldsBoth(String one, String other, String type) {
        assertThat(of(Stream.of("{\"x\": " + one + "}", "{\"x\": " + other + "}"))
                        .apply("x")
                        .dataType()
                        .simpleString())
                .isEqualTo(type);
        assertThat(of(Stream.of("{\"x\": " + other + "}", "{\"x\": " + one + "}"))
                        .apply("x")
                        .dataType()
                        .simpleString())
                .isEqualTo(type);
    }

    @Test
    void fieldsOfRequestsStayText() {
        StructType schema = of(Stream.of(
                "{\"body\": {\"a\": 1}, \"messages\": [{\"role\": \"user\"}], \"metadata\": {}, \"stop\": [\"a\"]}",
                ""));

        assertThat(schema.toDDL())
                .isEqualToIgnoringCase("body string,messages string,metadata string,stop array<string>");
        assertThat(JsonColumns.isNested(schema.apply("body"))).isTrue();
    }

    @Test
    void deepValuesAreTextAndDeeperOnesNoObject() {
        assertThat(of(Stream.of("{\"x\": " + "[".repeat(500) + "]".repeat(500) + "}"))
                        .toDDL())
                .isEqualToIgnoringCase("x string");
        assertThat(of(Stream.of("{\"x\": " + "[".repeat(10_000) + "]".repeat(10_000) + "}", "{\"x\": 1}"))
                        .fieldNames())
                .containsExactly("_corrupt_record", "x");
    }

    @Test
    void keysOfManyRowsMakeNoColumnsBelowTheTop() {
        StructType schema = of(IntStream.range(0, 5000)
                .mapToObj(
                        i -> "{\"logit_bias\": {\"" + i + "\": 1}, \"facts\": {\"k" + i + "\": {\"v" + i + "\": 1}}}"));

        assertThat(schema.toDDL()).isEqualToIgnoringCase("facts string,logit_bias string");
    }

    @Test
    void tooManyColumnsAreOneError() {
        assertThatExceptionOfType(JobException.class)
                .isThrownBy(() -> of(IntStream.range(0, 1001).mapToObj(i -> "{\"k" + i + "\": 1}")))
                .withMessage(
                        "the input has more than 1000 different keys at the top of its objects (k0, k1, k10, …), and"
                                + " each would be a column: put those that differ from row to row into one object");
    }
}
